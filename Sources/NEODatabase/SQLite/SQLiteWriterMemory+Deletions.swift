import GRDB
import NEOProtocol
import NIOCore

extension SQLiteWriterMemory {
    /// - Returns: whether nothing is left to truncate.
    func truncate(limit: Int, _ database: GRDB.Database) throws -> Bool {
        let configuration = try database.configuration()
        guard let tid = configuration.truncateTID else { return true }
        var left = limit
        for var cell in try database.cells() where cell.nid == configuration.nid {
            left = try delete(in: cell.partition, after: tid, through: nil, limit: left, database)
            guard left > 0 else { return false }
            if cell.state == .outOfDate, let known = cell.tid, known > tid {
                cell.tid = tid
                try database.write(cell)
            }
        }
        try database.setSetting("truncate_tid", nil)
        return true
    }

    /// Deletes records by (tid, oid), then transactions with their pack orders: `after` excluded, `through` included.
    /// - Returns: how many more rows could have been deleted; 0: some may be left.
    func delete(
        in partition: PartitionID,
        after: TID?,
        through: TID?,
        limit: Int,
        _ database: GRDB.Database
    ) throws -> Int {
        let bounds: [SQLArgument] = [
            .integer(partition), after.map(SQLArgument.bound) ?? .integer(Int64(-1)), .bound(through ?? .max),
        ]
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
        let left = limit - records.count
        guard left > 0 else { return 0 }

        var tids: [TID] = []
        try database.each(
            "SELECT tid FROM trans WHERE partition = ? AND tid > ? AND tid <= ? ORDER BY tid LIMIT ?",
            bounds + [.integer(left)]
        ) { row in
            tids.append(row.tid(0))
            return true
        }
        for tid in tids { try removeTransaction(tid, in: partition, database) }
        return left - tids.count
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

    /// Deletes old revisions (`spec/storage.md §15.4`).
    /// - Returns: where the next slice begins; nil at the end.
    func pack(
        _ partition: PartitionID,
        _ order: PackOrder,
        from: OID,
        limit: Int,
        _ database: GRDB.Database
    ) throws -> OID? {
        guard from.rawValue <= TID.max.rawValue else { return nil }
        var oids: [OID]
        if order.isPartial {
            oids = Set(order.oids?.oids ?? []).filter { oid in
                oid >= from && oid.rawValue <= TID.max.rawValue && oid.partition(of: partitionCount) == partition
            }.sorted()
        } else {
            oids = try database.all(
                "SELECT DISTINCT oid FROM obj WHERE partition = ? AND oid >= ? ORDER BY oid LIMIT ?",
                .integer(partition),
                .id(from),
                .integer(limit + 1)
            ) { $0.oid(0) }
        }
        var next: OID?
        if oids.count > limit {
            next = oids[limit]
            oids.removeSubrange(limit...)
        }
        for oid in oids { try pack(oid, in: partition, at: order.tid, database) }
        return next
    }

    private func pack(_ oid: OID, in partition: PartitionID, at tid: TID, _ database: GRDB.Database) throws {
        var records = try database.all(
            "SELECT tid, data_id FROM obj WHERE partition = ? AND oid = ? AND tid <= ? ORDER BY tid",
            .integer(partition),
            .id(oid),
            .bound(tid)
        ) { (tid: $0.tid(0), dataID: $0.optionalInteger(1)) }
        guard let last = records.last else { return }
        if last.dataID != nil { records.removeLast() }
        for record in records { try remove(oid, record.tid, in: partition, database) }
        for record in records { try prune(record.dataID, database) }
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
