import GRDB
import NEOProtocol

/// What the writer knows besides the rows: pending transactions, references to data rows, next ids.
struct SQLiteWriterMemory: Sendable {
    /// What a transaction that is not unlocked holds.
    struct Pending: Sendable {
        struct Object: Sendable {
            /// Row of `data`; nil: no data.
            var dataID: Int64?
            var dataTID: TID?
        }

        var objects: [OID: Object] = [:]
        /// Its objects are in `tobj`.
        var isVoted = false
        /// It has a row in `ttrans`.
        var hasMetadata = false
    }

    var partitionCount: Int
    var pending: [TTID: Pending] = [:]
    /// How many entries of `pending` hold a data row: such rows are never pruned (`spec/storage.md §16.2`).
    var references: [Int64: Int] = [:]
    /// Next id of a data row for an object of a partition (`spec/database.md §3`).
    var nextDataID: [PartitionID: Int64] = [:]
    /// Rows of `data` are unique.
    let isDeduplicating: Bool

    init(from database: GRDB.Database) throws {
        partitionCount = try database.partitionCount()
        isDeduplicating = try SQLiteSchema.exists("_data_i1", in: database)
        try loadPending(from: database)
    }

    private mutating func loadPending(from database: GRDB.Database) throws {
        try database.each("SELECT tid, oid, data_id, value_tid FROM tobj", []) { row in
            let object = Pending.Object(dataID: row.optionalInteger(2), dataTID: row.optionalTID(3))
            pending[row.tid(0), default: Pending(isVoted: true)].objects[row.oid(1)] = object
            if let id = object.dataID { references[id, default: 0] += 1 }
            return true
        }
        try database.each("SELECT ttid FROM ttrans", []) { row in
            pending[row.tid(0), default: Pending(isVoted: true)].hasMetadata = true
            return true
        }
    }

    func partition(of oid: OID) throws -> PartitionID {
        try checkPartitionTable()
        return oid.partition(of: partitionCount)
    }

    func partition(of tid: TID) throws -> PartitionID {
        try checkPartitionTable()
        return tid.partition(of: partitionCount)
    }

    private func checkPartitionTable() throws {
        guard partitionCount > 0 else {
            throw DatabaseFailure(.invalidJob, "expected a recorded partition table before any data")
        }
    }
}
