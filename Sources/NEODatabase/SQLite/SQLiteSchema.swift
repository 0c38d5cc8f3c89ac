import GRDB

/// Format version 4 (`spec/database.md §9.4`). Column order is part of the format.
enum SQLiteSchema {
    static let version = 4

    struct Table {
        var name: String
        var columns: String
        var isWithoutRowID: Bool

        func creation(named name: String? = nil) -> String {
            "CREATE TABLE IF NOT EXISTS \(name ?? self.name) (\(columns))" + (isWithoutRowID ? " WITHOUT ROWID" : "")
        }
    }

    private static let transactionColumns = """
        packed BOOLEAN NOT NULL, oids BLOB NOT NULL, user BLOB NOT NULL, description BLOB NOT NULL,
        ext BLOB NOT NULL, ttid INTEGER NOT NULL
        """
    private static let objectColumns = """
        partition INTEGER NOT NULL, oid INTEGER NOT NULL, tid INTEGER NOT NULL, data_id INTEGER, value_tid INTEGER
        """

    static let config = Table(
        name: "config",
        columns: "name TEXT NOT NULL PRIMARY KEY, value TEXT",
        isWithoutRowID: true
    )
    static let pt = Table(
        name: "pt",
        columns: """
            partition INTEGER NOT NULL, nid INTEGER NOT NULL, tid INTEGER NOT NULL, pack INTEGER,
            PRIMARY KEY (partition, nid)
            """,
        isWithoutRowID: true
    )
    static let pack = Table(
        name: "pack",
        columns: """
            tid INTEGER PRIMARY KEY, approved BOOLEAN, partial BOOLEAN NOT NULL, oids BLOB, pack_tid INTEGER
            """,
        isWithoutRowID: false
    )
    static let trans = Table(
        name: "trans",
        columns: """
            partition INTEGER NOT NULL, tid INTEGER NOT NULL, \(transactionColumns), PRIMARY KEY (partition, tid)
            """,
        isWithoutRowID: true
    )
    static let obj = Table(
        name: "obj",
        columns: "\(objectColumns), PRIMARY KEY (partition, oid, tid)",
        isWithoutRowID: true
    )
    static let data = Table(
        name: "data",
        columns: """
            id INTEGER PRIMARY KEY, hash BLOB NOT NULL, compression INTEGER NOT NULL, value BLOB NOT NULL
            """,
        isWithoutRowID: false
    )
    static let ttrans = Table(
        name: "ttrans",
        columns: "partition INTEGER NOT NULL, tid INTEGER, \(transactionColumns)",
        isWithoutRowID: false
    )
    static let tobj = Table(name: "tobj", columns: "\(objectColumns), PRIMARY KEY (tid, oid)", isWithoutRowID: true)

    static let tables = [config, pt, pack, trans, obj, data, ttrans, tobj]

    /// Creates what is missing, at every start. Deduplication is chosen when `data` is created.
    static func create(in database: GRDB.Database, deduplication: Bool) throws {
        let isNew = try !exists("data", in: database)
        for table in tables { try database.execute(sql: table.creation()) }
        try database.execute(sql: "CREATE INDEX IF NOT EXISTS _obj_i1 ON obj(partition, tid, oid)")
        try database.execute(sql: "CREATE INDEX IF NOT EXISTS _obj_i2 ON obj(data_id)")
        if isNew, deduplication {
            try database.execute(sql: "CREATE UNIQUE INDEX _data_i1 ON data(hash, compression)")
        }
    }

    static func erase(_ database: GRDB.Database) throws {
        for table in tables {
            try database.execute(sql: "DROP TABLE IF EXISTS \(table.name)")
            try database.execute(sql: "DROP TABLE IF EXISTS new_\(table.name)")
        }
    }

    static func exists(_ name: String, in database: GRDB.Database) throws -> Bool {
        try Bool.fetchOne(
            database,
            sql: "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = ?)",
            arguments: [name]
        ) ?? false
    }

    /// Refuses what is not a database of a storage: nothing must be written into it.
    static func checkTables(of database: GRDB.Database) throws {
        let names = try String.fetchAll(
            database,
            sql: "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        )
        let known = Set(tables.map(\.name))
        for name in names
        where !known.contains(name) && !(name.hasPrefix("new_") && known.contains(String(name.dropFirst(4)))) {
            throw DatabaseFailure(
                .wrongFormat,
                "expected the database of a storage, got one with a table \(name): it is left as it is"
            )
        }
    }
}
