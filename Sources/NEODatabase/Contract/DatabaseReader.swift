import NEOProtocol
import NIOCore

/// What a storage reads in its database: only committed rows, synchronously, in a few microseconds.
///
/// The core of a storage calls a reader inline. A reader sees the effects of each batch of jobs whose results were given
/// back, and possibly of later ones; each call sees one consistent state.
///
/// Readers know no partition table: the caller says in which partition an object or a transaction is, and checks
/// before that the cell is readable, with its own table. What is left in partitions that are not assigned any more is
/// thus never looked at (`spec/storage.md §17`).
///
/// Identifiers above ``TID/max`` cannot be in a database: such an object does not exist, such a bound is no bound.
///
/// Every method throws ``DatabaseFailure`` if the database can not be read; the node must then stop.
public protocol DatabaseReader: Sendable {
    // MARK: Configuration and partition table

    /// What the node must remember of itself and of the cluster (`spec/database.md §4`).
    func configuration() throws -> DatabaseConfiguration

    /// All the cells of the cluster, by partition then by node.
    func cells() throws -> [StoredCell]

    /// Bytes that are left where the data is, for this process; nil: there is no limit to know of.
    func availableBytes() throws -> UInt64?

    // MARK: Ids

    /// The smallest TID of the transactions of these partitions (`spec/database.md §7.3`, getFirstTID).
    func firstTID(in partitions: [PartitionID]) throws -> TID?

    /// The greatest TID of transactions and of object records, and the greatest OID, in one partition.
    func lastIDs(in partition: PartitionID) throws -> LastIDs

    // MARK: Objects

    /// A revision of an object with its data (`spec/storage.md §11`, AskObject).
    func load(_ oid: OID, in partition: PartitionID, _ selector: RevisionSelector) throws -> LoadOutcome

    /// The last committed revision; nil if there is none: the base of conflict detection.
    func lastTID(of oid: OID, in partition: PartitionID) throws -> TID?

    /// Whether there is a revision with exactly this TID: what an undo needs (`spec/storage.md §22.12`).
    func hasRevision(of oid: OID, at tid: TID, in partition: PartitionID) throws -> Bool

    /// Revisions by descending TID, with the size of the stored data, 0 for a deletion. `skip`, `limit` >= 0.
    func history(of oid: OID, in partition: PartitionID, skip: Int, limit: Int) throws -> [HistoryRecord]

    /// What undo needs to know of an object: its revisions from `tid` on (included), ascending, and the one before.
    func revisions(of oid: OID, from tid: TID, in partition: PartitionID) throws -> RevisionChain

    /// Walks through the objects of a partition (`spec/storage.md §11`, AskOIDsFrom): considers at most `limit` distinct
    /// OIDs >= `first` that have a record <= `tid`, and gives those that are not deleted there.
    func oids(from first: OID, in partition: PartitionID, asOf tid: TID, limit: Int) throws -> OIDSlice

    // MARK: Transactions

    /// Metadata of a committed transaction, with its pack order if it carries one.
    /// - Parameter includeLocked: also look among the locked transactions, by final TID.
    func transaction(_ tid: TID, in partition: PartitionID, includeLocked: Bool) throws -> TransactionRecord?

    /// TIDs of transactions by descending order. `skip`, `limit` >= 0.
    func tids(in partitions: [PartitionID], skip: Int, limit: Int) throws -> [TID]

    /// TIDs of transactions by ascending order, in a range.
    func tids(in partition: PartitionID, _ range: ClosedRange<TID>, limit: Int) throws -> [TID]

    /// The TID of the committed transaction that had this TTID.
    func finalTID(of ttid: TTID, in partition: PartitionID) throws -> TID?

    // MARK: Unfinished transactions

    /// Transactions that are voted and not unlocked, by TTID (`spec/storage.md §18.1`).
    func unfinishedTransactions() throws -> [UnfinishedTransaction]

    // MARK: Replication and checks

    /// Object records by (tid, oid) ascending, from (`from`, `oid`) included, tid <= `through`.
    func objectRecords(
        in partition: PartitionID,
        from: TID,
        oid: OID,
        through: TID,
        limit: Int
    ) throws -> [ObjectRecordID]

    /// A record with its data, as it is replicated; nil if it is not there.
    func revision(of oid: OID, at tid: TID, in partition: PartitionID) throws -> Revision?

    // MARK: Pack and maintenance

    /// Pack orders with id >= `first` of these partitions of a table of `count` partitions, ascending: those of committed
    /// transactions. An order whose transaction may still be aborted would block all that follow (`spec/replication.md
    /// §10.9`).
    func packOrders(from first: TID, in partitions: [PartitionID], of count: Int) throws -> [PackOrder]
}
