import GRDB
import NEOProtocol

/// The tables `config` and `pt` (`spec/database.md §4, §5`).
extension GRDB.Database {
    func setting(_ name: String) throws -> String? {
        try first("SELECT value FROM config WHERE name = ?", .text(name)) { $0.text(0) }
    }

    /// Nil removes it.
    func setSetting(_ name: String, _ value: String?) throws {
        if let value {
            try run("INSERT OR REPLACE INTO config VALUES (?, ?)", .text(name), .text(value))
        } else {
            try run("DELETE FROM config WHERE name = ?", .text(name))
        }
    }

    private func number<Number: FixedWidthInteger>(_ name: String, radix: Int = 10) throws -> Number? {
        guard let text = try setting(name) else { return nil }
        guard let number = Number(text, radix: radix) else {
            throw DatabaseFailure(.corrupted, "expected a number in config.\(name), got \(text)")
        }
        return number
    }

    func configuration() throws -> DatabaseConfiguration {
        DatabaseConfiguration(
            clusterName: try setting("name") ?? "",
            nid: try number("nid").map { NID($0) },
            lastNID: try number("last_nid").map { NID($0) },
            ptid: try number("ptid"),
            replicas: try number("replicas") ?? 0,
            backupTID: try number("backup_tid", radix: 16).map { TID($0) },
            truncateTID: try number("truncate_tid", radix: 16).map { TID($0) },
            partitions: try partitionCount()
        )
    }

    func partitionCount() throws -> Int {
        try first("SELECT max(partition) FROM pt") { row in
            try row.optionalInteger(0).map { try Self.partition($0) + 1 }
        } ?? 0
    }

    /// More partitions than any packet can carry: such a row is damaged, and the tables made after it would not fit in
    /// memory.
    private static let maximumPartitions: Int64 = 1 << 24

    private static func partition(_ number: Int64) throws -> PartitionID {
        guard (0..<maximumPartitions).contains(number) else {
            throw DatabaseFailure(.corrupted, "expected a partition in table pt, got \(number)")
        }
        return Int(number)
    }

    func cells() throws -> [StoredCell] {
        let nid: Int64? = try number("nid")
        return try all("SELECT partition, nid, tid, pack FROM pt ORDER BY partition, nid") { row in
            guard let node = Int32(exactly: row.integer(1)) else {
                throw DatabaseFailure(.corrupted, "expected a node id in table pt, got \(row.integer(1))")
            }
            var cell = StoredCell(partition: try Self.partition(row.integer(0)), nid: NID(node), state: .outOfDate)
            switch row.integer(2) {
            case -1: cell.state = .upToDate
            case -2: cell.state = .feeding
            case -3: cell.state = .corrupted
            case 0...: cell.tid = row.tid(2)
            case let other: throw DatabaseFailure(.corrupted, "expected the state of a cell in table pt, got \(other)")
            }
            if row.integer(1) == nid { cell.packed = row.optionalTID(3) }
            return cell
        }
    }

    func write(_ cell: StoredCell) throws {
        let tid: SQLArgument =
            switch cell.state {
            case .upToDate: .integer(Int64(-1))
            case .feeding: .integer(Int64(-2))
            case .corrupted, .discarded: .integer(Int64(-3))
            case .outOfDate: try .id(cell.tid ?? .zero)
            }
        try run(
            "INSERT OR REPLACE INTO pt VALUES (?, ?, ?, ?)",
            .integer(cell.partition),
            .integer(Int64(cell.nid.rawValue)),
            tid,
            try cell.packed.map(SQLArgument.id) ?? .null
        )
    }

    func lastIDs(in partition: PartitionID) throws -> LastIDs {
        LastIDs(
            transactionTID: try first(
                "SELECT tid FROM trans WHERE partition = ? ORDER BY tid DESC LIMIT 1",
                .integer(partition)
            ) { $0.tid(0) },
            recordTID: try first(
                "SELECT tid FROM obj WHERE partition = ? ORDER BY tid DESC LIMIT 1",
                .integer(partition)
            ) { $0.tid(0) },
            oid: try first(
                "SELECT oid FROM obj WHERE partition = ? ORDER BY oid DESC LIMIT 1",
                .integer(partition)
            ) { $0.oid(0) }
        )
    }
}
