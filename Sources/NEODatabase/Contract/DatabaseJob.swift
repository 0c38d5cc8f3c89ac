import NEOProtocol
import NIOCore

/// A change of the database, as data.
///
/// Jobs are applied strictly in the order in which they were submitted. Those that wait are committed together by
/// ``DatabaseWriter/perform(_:)``.
///
/// ## The life of a transaction
///
///     store* ──> vote ──> lock ──> unlock          (`spec/storage.md §9`)
///        └─────────┴──> abort
///
/// The writer remembers what ``Operation/store(_:_:undoTargetRequired:)`` gave until the transaction is unlocked or
/// aborted: a vote does not repeat it. Ids of data rows never leave the database.
///
/// What the core guarantees, since it decides from its own state: a transaction is voted once, locked after its vote,
/// unlocked after its lock, never aborted once locked; OIDs and TIDs are at most ``TID/max`` and lie in the partition
/// table that was recorded. A job that does not keep to it fails the batch.
public struct DatabaseJob: Hashable, Sendable {
    /// Chosen by the core, given back with the result.
    public struct ID: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
        public var rawValue: UInt64

        public init(rawValue: UInt64) {
            self.rawValue = rawValue
        }

        public static func < (left: ID, right: ID) -> Bool { left.rawValue < right.rawValue }

        public var description: String { "#\(rawValue)" }
    }

    public var id: ID
    public var operation: Operation

    public init(id: ID, operation: Operation) {
        self.id = id
        self.operation = operation
    }
}

extension DatabaseJob {
    public enum Operation: Hashable, Sendable {
        // MARK: Transactions

        /// Holds what a pending transaction writes for an object; replaces what it stored before for it.
        ///
        /// With ``PendingObject/dataTID`` the record shares the data of that revision if it is here. If it is not:
        /// `undoTargetRequired` (readable cell) gives ``DatabaseJobResult/Outcome/undoTargetMissing`` and stores
        /// nothing, otherwise the data that came along are stored.
        case store(TTID, PendingObject, undoTargetRequired: Bool)
        /// Forgets what a pending transaction stored for an object, and gives it back:
        /// ``DatabaseJobResult/Outcome/unstored(_:)``. No record of a voted transaction is touched.
        case unstore(TTID, OID)
        /// Records the transaction and all that it stored. Metadata: on the nodes of the partition of the TTID. Durable,
        /// unless that is left to the lock.
        case vote(TTID, TransactionMetadata?, isDurable: Bool = true)
        /// Records the final TID, where the metadata are. Durable.
        /// - approvesPack: the pack order that the transaction carries is approved at once.
        case lock(TTID, TID, approvesPack: Bool)
        /// Makes the transaction part of history. Not durable: after a crash it is found locked.
        case unlock(TTID, TID)
        /// Forgets a transaction that is not locked: rows, pack order, data. Not durable: after a crash a voted
        /// transaction is found again, and is dropped since nobody locked it.
        case abort(TTID)
        /// Verification: locks and unlocks whatever rows there are for this TTID. Durable.
        case validate(TTID, TID)
        /// Forgets all the transactions that are not unlocked, and pack orders of no transaction. Durable.
        case dropUnfinished
        /// Forgets what unfinished transactions, voted or not, hold in these partitions.
        case discardUnfinished([PartitionID])

        // MARK: Configuration

        /// Our node id; own cells follow it. Durable.
        case setNID(NID)
        /// The greatest id of a storage that is known. Durable.
        case setLastNID(NID)
        /// Durable.
        case setBackupTID(TID?)
        /// Forgets the backup TID, records what has to be truncated. Durable.
        case orderTruncation(TID)
        /// Durable.
        case changePartitionTable(PartitionTableChange)

        // MARK: Long work, by slices

        /// Deletes rows above the ordered TID in the assigned cells. The last slice also lowers what these cells recorded
        /// above it, forgets the order, and is durable. ``DatabaseJobResult/Outcome/slice(isFinished:)``
        case truncate(WorkBudget)
        /// Deletes rows of a partition that is not assigned any more. ``DatabaseJobResult/Outcome/slice(isFinished:)``
        case dropPartition(PartitionID, WorkBudget)
        /// Packs objects of a partition. ``DatabaseJobResult/Outcome/packed(next:)``
        case pack(PartitionID, PackSlice, WorkBudget)
        /// Deletes data rows that nothing refers to, among those after `id`.
        /// ``DatabaseJobResult/Outcome/orphans(count:next:)``
        case removeOrphans(after: Int64, WorkBudget, dryRun: Bool)

        // MARK: Pack orders

        /// ``DatabaseJobResult/Outcome/packOrdersSigned(unknown:)``. Durable.
        case signPackOrders(approved: [TID], rejected: [TID])
        /// Records the pack order that is complete on an own cell. Durable.
        case setPacked(PartitionID, TID)
        /// The source of a replication packed less than we did: lowers what is recorded. Durable.
        case lowerPacked(PartitionID, TID)

        // MARK: Replication

        /// Adds, if they are not there, and deletes rows, then records the progress: in one commit. Durable if it
        /// records progress.
        case replicate(ReplicationChunk)
        /// Deletes transactions, their pack orders and records of a partition: `after` excluded, `through` included.
        case deleteRange(PartitionID, after: TID?, through: TID?)

        // MARK: Life

        /// Makes all that was done durable.
        case flush
        /// Drops everything. Durable. Nothing may follow but closing.
        case erase
    }
}

extension DatabaseJob {
    /// What a transaction writes for an object.
    public struct PendingObject: Hashable, Sendable {
        public var oid: OID
        /// Nil: a deletion, or an undo without data.
        public var data: StoredData?
        /// The revision to go back to, for an undo.
        public var dataTID: TID?

        public init(oid: OID, data: StoredData?, dataTID: TID? = nil) {
            self.oid = oid
            self.data = data
            self.dataTID = dataTID
        }
    }

    /// A change of the recorded partition table (`spec/storage.md §14.2`).
    public struct PartitionTableChange: Hashable, Sendable {
        public var ptid: Int
        public var replicas: Int
        public var cells: [CellChange]
        /// `cells` is the whole table: cells that are not in it are forgotten.
        public var isComplete: Bool
        /// Where new cells of ours that are not readable begin to pack.
        public var lastPackID: TID

        public init(ptid: Int, replicas: Int, cells: [CellChange], isComplete: Bool, lastPackID: TID = .zero) {
            self.ptid = ptid
            self.replicas = replicas
            self.cells = cells
            self.isComplete = isComplete
            self.lastPackID = lastPackID
        }
    }

    /// What was fetched from another storage for one partition, and how far that brings its cell.
    public struct ReplicationChunk: Hashable, Sendable {
        public var partition: PartitionID
        public var transactions: [TransactionRecord]
        public var objects: [ReplicatedObject]
        public var deletedTransactions: [TID]
        public var deletedObjects: [ObjectRecordID]
        /// New TID of the out-of-date cell. Nil: unchanged.
        public var progress: TID?

        public init(
            partition: PartitionID,
            transactions: [TransactionRecord] = [],
            objects: [ReplicatedObject] = [],
            deletedTransactions: [TID] = [],
            deletedObjects: [ObjectRecordID] = [],
            progress: TID? = nil
        ) {
            self.partition = partition
            self.transactions = transactions
            self.objects = objects
            self.deletedTransactions = deletedTransactions
            self.deletedObjects = deletedObjects
            self.progress = progress
        }
    }
}

extension DatabaseJob.Operation {
    /// Whether the result may be given only once the commit is on disk (`spec/database.md §6`). The others are only
    /// visible to readers; they become durable with any later commit.
    public var isDurable: Bool {
        switch self {
        case .store, .unstore, .unlock, .abort, .discardUnfinished, .dropPartition, .pack, .removeOrphans, .deleteRange:
            false
        case .replicate(let chunk):
            chunk.progress != nil
        case .vote(_, _, let isDurable):
            isDurable
        case .lock, .validate, .dropUnfinished, .setNID, .setLastNID, .setBackupTID, .orderTruncation,
            .changePartitionTable,
            .truncate, .signPackOrders, .setPacked, .lowerPacked, .flush, .erase:
            true
        }
    }
}
