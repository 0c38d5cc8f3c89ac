import GRDB

/// From older formats to the current one (`spec/database.md §12`).
enum SQLiteMigration {
    /// The recorded version; nil: the database is new.
    static func version(of database: GRDB.Database) throws -> Int? {
        guard try SQLiteSchema.exists("config", in: database) else { return nil }
        guard let text = try database.setting("version") else { return 0 }
        guard let version = Int(text), version >= 0 else {
            throw DatabaseFailure(.corrupted, "expected a number in config.version, got \(text)")
        }
        return version
    }

    /// Whether the database can be brought to the current format; changes nothing.
    static func check(_ version: Int, of database: GRDB.Database) throws {
        guard version <= SQLiteSchema.version else {
            throw DatabaseFailure(
                .wrongFormat,
                "The database can not be downgraded. It has format \(version), this program knows \(SQLiteSchema.version)."
            )
        }
        guard version == 0 else { return }
        for table in ["ttrans", "tobj"] where try SQLiteSchema.exists(table, in: database) {
            if try Bool.fetchOne(database, sql: "SELECT EXISTS (SELECT 1 FROM \(table))") ?? false {
                throw DatabaseFailure(
                    .unfinishedTransactions,
                    "The database can not be upgraded because you have unfinished transactions."
                        + " Use an older version of NEO to verify them."
                )
            }
        }
    }

    /// Each step is one transaction that also records its version: an interrupted migration resumes.
    static func migrate(_ database: GRDB.Database, from version: Int) throws {
        for next in stride(from: version + 1, through: SQLiteSchema.version, by: 1) {
            try reportingFailures {
                try database.inTransaction(.immediate) {
                    try step(to: next, database)
                    try database.setSetting("version", String(next))
                    return .commit
                }
            }
        }
    }

    private static func step(to version: Int, _ database: GRDB.Database) throws {
        switch version {
        case 1:
            try database.execute(sql: "DROP TABLE IF EXISTS ttrans")
        case 2:
            try rebuild(
                SQLiteSchema.obj,
                database,
                copying: "SELECT partition, oid, tid, data_id, value_tid FROM obj"
            )
        case 3:
            let table = SQLiteSchema.Table(
                name: "pt",
                columns: """
                    partition INTEGER NOT NULL, nid INTEGER NOT NULL, tid INTEGER NOT NULL, PRIMARY KEY (partition, nid)
                    """,
                isWithoutRowID: true
            )
            // Old states: 0 up to date, 1 out of date, 2 feeding, 4 corrupted.
            try rebuild(
                table,
                database,
                copying: "SELECT rid, nid, CASE state WHEN 0 THEN -1 WHEN 1 THEN 0 WHEN 2 THEN -2 ELSE -3 END FROM pt"
            )
        case 4:
            try database.setSetting("partitions", nil)
            let nid = try database.setting("nid").flatMap { Int($0) }
            let packed = nid.map { "CASE nid WHEN \($0) THEN 0 END" } ?? "NULL"
            try rebuild(
                SQLiteSchema.pt,
                database,
                copying: "SELECT partition, nid, tid, \(packed) FROM pt"
            )
        default:
            throw DatabaseFailure(.wrongFormat, "there is no migration to format \(version)")
        }
    }

    /// A rebuild that another program interrupted leaves `new_` tables: complete ones if the old table is gone.
    private static func rebuild(
        _ table: SQLiteSchema.Table,
        _ database: GRDB.Database,
        copying selection: String
    ) throws {
        let new = "new_\(table.name)"
        if try SQLiteSchema.exists(table.name, in: database) {
            try database.execute(sql: "DROP TABLE IF EXISTS \(new)")
            try database.execute(sql: table.creation(named: new))
            try database.execute(sql: "INSERT INTO \(new) \(selection)")
            try database.execute(sql: "DROP TABLE \(table.name)")
        }
        if try SQLiteSchema.exists(new, in: database) {
            try database.execute(sql: "ALTER TABLE \(new) RENAME TO \(table.name)")
        }
    }
}
