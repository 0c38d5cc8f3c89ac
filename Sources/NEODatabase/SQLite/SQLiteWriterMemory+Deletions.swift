import GRDB
import NEOProtocol
import NIOCore

extension SQLiteWriterMemory {
    /// - Returns: whether nothing is left to truncate.
    func truncate(_ budget: WorkBudget, _ database: GRDB.Database) throws -> Bool {
        let configuration = try database.configuration()
        guard let tid = configuration.truncateTID else { return true }
        var clock = WorkClock(budget)
        for var cell in try database.cells() where cell.nid == configuration.nid {
            guard try delete(in: cell.partition, after: tid, through: nil, &clock, database) else { return false }
            // What happened after it did not happen: neither progress nor packs.
            if cell.state == .outOfDate, let known = cell.tid { cell.tid = min(known, tid) }
            if let packed = cell.packed { cell.packed = min(packed, tid) }
            try database.write(cell)
        }
        try database.setSetting("truncate_tid", nil)
        return true
    }

    /// Deletes records by (tid, oid), then transactions with their pack orders: `after` excluded, `through` included.
    /// - Returns: whether all are gone; false: what was allowed is used up.
    func delete(
        in partition: PartitionID,
        after: TID?,
        through: TID?,
        _ clock: inout WorkClock,
        _ database: GRDB.Database
    ) throws -> Bool {
        let bounds: [SQLArgument] = [
            .integer(partition), after.map(SQLArgument.bound) ?? .integer(Int64(-1)), .bound(through ?? .max),
        ]
        for deleteBatch in [deleteRecords, deleteTransactions] {
            while true {
                let limit = clock.batch
                let count = try deleteBatch(partition, bounds, limit, database)
                clock.spend(count)
                if count < limit { break }
                guard !clock.isUsedUp else { return false }
            }
        }
        return true
    }

    private func deleteRecords(
        in partition: PartitionID,
        _ bounds: [SQLArgument],
        limit: Int,
        _ database: GRDB.Database
    ) throws -> Int {
        var records: [(oid: OID, tid: TID, dataID: Int64?)] = []
        try database.each(
            "SELECT oid, tid, data_id FROM obj WHERE partition = ? AND tid > ? AND tid <= ? ORDER BY tid, oid LIMIT ?",
            bounds + [.integer(limit)]
        ) { row in
            records.append((row.oid(0), row.tid(1), row.optionalInteger(2)))
            return true
        }
        for record in records { try remove(record.oid, record.tid, in: partition, database) }
        for record in records { try prune(record.dataID, database) }
        return records.count
    }

    private func deleteTransactions(
        in partition: PartitionID,
        _ bounds: [SQLArgument],
        limit: Int,
        _ database: GRDB.Database
    ) throws -> Int {
        var tids: [TID] = []
        try database.each(
            "SELECT tid FROM trans WHERE partition = ? AND tid > ? AND tid <= ? ORDER BY tid LIMIT ?",
            bounds + [.integer(limit)]
        ) { row in
            tids.append(row.tid(0))
            return true
        }
        for tid in tids { try removeTransaction(tid, in: partition, database) }
        return tids.count
    }

    private func remove(_ oid: OID, _ tid: TID, in partition: PartitionID, _ database: GRDB.Database) throws {
        try database.run(
            "DELETE FROM obj WHERE partition = ? AND oid = ? AND tid = ?",
            .integer(partition),
            .id(oid),
            .id(tid)
        )
    }

    private func removeTransaction(_ tid: TID, in partition: PartitionID, _ database: GRDB.Database) throws {
        try database.run("DELETE FROM pack WHERE tid = ?", .id(tid))
        try database.run("DELETE FROM trans WHERE partition = ? AND tid = ?", .integer(partition), .id(tid))
    }

    // MARK: Replication

    mutating func replicate(_ chunk: DatabaseJob.ReplicationChunk, _ database: GRDB.Database) throws {
        for deleted in chunk.deletedObjects {
            let dataID = try dataID(of: deleted.oid, deleted.tid, in: chunk.partition, database)
            try remove(deleted.oid, deleted.tid, in: chunk.partition, database)
            try prune(dataID, database)
        }
        for tid in chunk.deletedTransactions { try removeTransaction(tid, in: chunk.partition, database) }
        for object in chunk.objects { try add(object, in: chunk.partition, database) }
        for transaction in chunk.transactions {
            try database.run(
                "INSERT OR REPLACE INTO trans VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                .integer(chunk.partition),
                .id(transaction.tid),
                .integer(transaction.packed ? 1 : 0),
                .oids(transaction.oids),
                .blob(transaction.user),
                .blob(transaction.description),
                .blob(transaction.extensionData),
                .id(transaction.ttid)
            )
            if let pack = transaction.pack {
                try insert(
                    PackOrder(
                        id: transaction.tid,
                        approved: pack.approved,
                        isPartial: pack.isPartial,
                        oids: pack.oids,
                        tid: pack.tid
                    ),
                    database
                )
            }
        }
        guard let progress = chunk.progress, let nid = try database.configuration().nid else { return }
        try database.run(
            "UPDATE pt SET tid = ? WHERE partition = ? AND nid = ? AND tid >= 0",
            .id(progress),
            .integer(chunk.partition),
            .integer(Int64(nid.rawValue))
        )
    }

    private mutating func add(
        _ object: ReplicatedObject,
        in partition: PartitionID,
        _ database: GRDB.Database
    ) throws {
        // A row that is already there keeps its data: replaying a chunk leaves no orphan.
        guard
            try !database.exists(
                "SELECT 1 FROM obj WHERE partition = ? AND oid = ? AND tid = ?",
                .integer(partition),
                .id(object.oid),
                .id(object.tid)
            )
        else { return }
        var dataID: Int64?
        if let dataTID = object.dataTID { dataID = try self.dataID(of: object.oid, dataTID, in: partition, database) }
        if dataID == nil, let data = object.data { dataID = try insert(data, in: partition, database) }
        try database.run(
            "INSERT OR FAIL INTO obj VALUES (?, ?, ?, ?, ?)",
            .integer(partition),
            .id(object.oid),
            .id(object.tid),
            .optional(dataID),
            try object.dataTID.map(SQLArgument.id) ?? .null
        )
    }

    private func dataID(
        of oid: OID,
        _ tid: TID,
        in partition: PartitionID,
        _ database: GRDB.Database
    ) throws -> Int64? {
        try database.first(
            "SELECT data_id FROM obj WHERE partition = ? AND oid = ? AND tid = ?",
            .integer(partition),
            .id(oid),
            .id(tid)
        ) { $0.optionalInteger(0) }
    }
}
