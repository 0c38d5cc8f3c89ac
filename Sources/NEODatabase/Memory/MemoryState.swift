import NEOProtocol
import NIOCore

/// The rows of a database, as a value: applying the same jobs to equal states gives equal states.
struct MemoryState: Sendable {
    struct Record: Sendable {
        var data: StoredData?
        var dataTID: TID?
    }

    /// What is committed in a partition.
    struct Partition: Sendable {
        var objects = SortedMap<OID, SortedMap<TID, Record>>()
        var transactions = SortedMap<TID, TransactionRecord>()

        var lastRecordTID: TID? { objects.values.compactMap { $0.last?.key }.max() }
    }

    /// The metadata of a voted transaction; pack orders are apart.
    struct VotedTransaction: Sendable {
        /// Nil until it is locked.
        var tid: TID?
        var metadata: TransactionMetadata
    }

    var clusterName: String
    var nid: NID?
    var lastNID: NID?
    var ptid: Int?
    var replicas = 0
    var backupTID: TID?
    var truncateTID: TID?
    var cells = SortedMap<CellKey, StoredCell>()
    var partitions = SortedMap<PartitionID, Partition>()
    var packOrders = SortedMap<TID, PackOrder>()
    var votedTransactions = SortedMap<TTID, VotedTransaction>()
    var votedObjects = SortedMap<TTID, SortedMap<OID, Record>>()
    /// What transactions that are not voted hold: only the memory of a process has it.
    var pendingObjects = SortedMap<TTID, SortedMap<OID, Record>>()

    init(clusterName: String) {
        self.clusterName = clusterName
    }

    struct CellKey: Comparable, Sendable {
        var partition: PartitionID
        var nid: NID

        static func < (left: CellKey, right: CellKey) -> Bool {
            (left.partition, left.nid) < (right.partition, right.nid)
        }
    }

    /// Number of partitions.
    var partitionCount: Int { cells.last.map { $0.key.partition + 1 } ?? 0 }

    var ownCells: [StoredCell] { cells.values.filter { $0.nid == nid } }

    func partition(of oid: OID) throws -> PartitionID {
        try checkIdentifier(oid.rawValue)
        return oid.partition(of: partitionCount)
    }

    func partition(of tid: TID) throws -> PartitionID {
        try checkIdentifier(tid.rawValue)
        return tid.partition(of: partitionCount)
    }

    private func checkIdentifier(_ value: UInt64) throws {
        guard partitionCount > 0 else {
            throw DatabaseFailure(.invalidJob, "expected a partition table before any data, got \(OID(value))")
        }
        guard value <= TID.max.rawValue else {
            throw DatabaseFailure(.invalidJob, "expected an identifier of 63 bits, got \(OID(value))")
        }
    }
}
