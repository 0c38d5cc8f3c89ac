import GRDB
import NEOProtocol
import NIOCore

/// Rows of `data` (`spec/storage.md §16`).
extension SQLiteWriterMemory {
    /// Partitions above have no interval of ids.
    static let maximumPartitionCount = 32768

    /// Finds or inserts a value.
    mutating func insert(_ data: StoredData, in partition: PartitionID, _ database: GRDB.Database) throws -> Int64 {
        if isDeduplicating, let id = try identicalRow(data, database) { return id }
        let id = try nextID(in: partition, database)
        try database.run(
            "INSERT INTO data VALUES (?, ?, ?, ?)",
            .integer(id),
            .blob(data.checksum.bytes),
            .integer(data.compression),
            .blob(data.data)
        )
        nextDataID[partition] = id + 1
        return id
    }

    private func identicalRow(_ data: StoredData, _ database: GRDB.Database) throws -> Int64? {
        try database.first(
            "SELECT id, value FROM data WHERE hash = ? AND compression = ?",
            .blob(data.checksum.bytes),
            .integer(data.compression)
        ) { row in
            guard row.blob(1) == data.data else {
                throw DatabaseFailure(
                    .corrupted,
                    "two different values have the checksum \(data.checksum), one in row \(row.integer(0))"
                )
            }
            return row.integer(0)
        }
    }

    private func nextID(in partition: PartitionID, _ database: GRDB.Database) throws -> Int64 {
        if let id = nextDataID[partition] { return id }
        let first = Int64(partition) << 48
        let last = try database.first(
            "SELECT id FROM data WHERE id >= ? AND id <= ? ORDER BY id DESC LIMIT 1",
            .integer(first),
            .integer(first | (1 << 48 - 1))
        ) { $0.integer(0) }
        return last.map { $0 &+ 1 } ?? first
    }

    mutating func hold(_ id: Int64?) {
        if let id { references[id, default: 0] += 1 }
    }

    mutating func release(_ id: Int64?) {
        guard let id, let count = references[id] else { return }
        references[id] = count > 1 ? count - 1 : nil
    }

    /// Deletes a row that nothing refers to any more.
    func prune(_ id: Int64?, _ database: GRDB.Database) throws {
        guard let id, references[id] == nil else { return }
        try database.run(
            "DELETE FROM data WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM obj WHERE data_id = ?1)",
            .integer(id)
        )
    }

    func value(_ id: Int64, _ database: GRDB.Database) throws -> StoredData {
        let data = try database.first(
            "SELECT compression, hash, value FROM data WHERE id = ?",
            .integer(id)
        ) { StoredData(compression: Int($0.integer(0)), checksum: try $0.checksum(1), data: $0.blob(2)) }
        guard let data else { throw DatabaseFailure(.corrupted, "expected row \(id) in table data, got none") }
        return data
    }

    /// - Returns: how many of the rows that follow `after` nothing refers to, and the last id of the slice.
    func removeOrphans(
        after: Int64,
        _ budget: WorkBudget,
        dryRun: Bool,
        _ database: GRDB.Database
    ) throws -> DatabaseJobResult.Outcome {
        var clock = WorkClock(budget)
        var position = after
        var count = 0
        repeat {
            let limit = clock.batch
            let rows = try database.all(
                "SELECT id, EXISTS (SELECT 1 FROM obj WHERE data_id = id) FROM data WHERE id > ? ORDER BY id LIMIT ?",
                .integer(position),
                .integer(limit)
            ) { (id: $0.integer(0), isUsed: $0.integer(1) != 0) }
            let orphans = rows.filter { !$0.isUsed && references[$0.id] == nil }
            if !dryRun {
                for orphan in orphans { try prune(orphan.id, database) }
            }
            count += orphans.count
            guard rows.count == limit, let last = rows.last else { return .orphans(count: count, next: nil) }
            position = last.id
            clock.spend(rows.count)
        } while !clock.isUsedUp
        return .orphans(count: count, next: position)
    }
}
