import GRDB
import NEOProtocol
import Synchronization

/// A database file of format 4, shared with the reference (`spec/database.md §9`).
///
/// The file is in WAL mode unless the connection string says otherwise, so that readers and the writer do not wait for
/// each other.
public final class SQLiteDatabase: StorageDatabase {
    private let location: SQLiteLocation
    let sqliteWriter: SQLiteWriter

    /// Takes the exclusive lock, then creates or migrates the database.
    ///
    /// - Throws: ``DatabaseFailure``, the file being left as it was when the database is refused: in use, of another
    ///   cluster, of a newer format, of an old format with unfinished transactions, or of another program.
    public static func open(_ location: SQLiteLocation, _ options: OpenOptions) throws -> SQLiteDatabase {
        try SQLiteDatabase(location, options)
    }

    private init(_ location: SQLiteLocation, _ options: OpenOptions) throws {
        self.location = location
        var queue = try reportingFailures { try Self.connect(location, isReadOnly: false) }
        let lock = try SQLiteFileLock(path: location.path)
        try SQLiteFile.checkReservedBytes(location.path)
        let prepare = { (queue: DatabaseQueue) in
            try queue.unsafeReentrantWrite { database in
                try reportingFailures { try Self.prepare(database, location, options) }
            }
        }
        if options.reset {
            // Whatever is not recognised as ours is left alone, even if it is damaged.
            try queue.unsafeReentrantWrite { database in
                try reportingFailures { try SQLiteSchema.checkTables(of: database) }
            }
            do {
                try prepare(queue)
            } catch let failure as DatabaseFailure where failure.code == .corrupted {
                // Damaged tables cannot be dropped one by one.
                try reportingFailures { try queue.close() }
                try SQLiteFile.empty(location.path)
                queue = try reportingFailures { try Self.connect(location, isReadOnly: false) }
                try prepare(queue)
            }
        } else {
            try prepare(queue)
        }
        sqliteWriter = try SQLiteWriter(
            queue: queue,
            lock: lock,
            durability: Self.commitMode(location, options, queue: queue)
        )
    }

    public var writer: any DatabaseWriter { sqliteWriter }

    public func makeReader() throws -> any DatabaseReader {
        SQLiteReader(
            queue: try reportingFailures { try Self.connect(location, isReadOnly: true) },
            hot: try SQLiteHotReads(location)
        )
    }

    public var device: String { String(sqliteWriter.device) }

    // MARK: Connections

    private static func connect(_ location: SQLiteLocation, isReadOnly: Bool) throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.readonly = isReadOnly
        configuration.foreignKeysEnabled = false
        // Another process (a backup, the sqlite3 tool) may hold a lock for a moment: wait, as long as it takes.
        configuration.busyMode = .callback { _ in
            pause()
            return true
        }
        configuration.prepareDatabase { database in
            if let size = location.value(of: "cache_size") {
                try database.execute(sql: "PRAGMA cache_size = \(size)")
            }
        }
        return try DatabaseQueue(path: location.path, configuration: configuration)
    }

    private static func prepare(
        _ database: GRDB.Database,
        _ location: SQLiteLocation,
        _ options: OpenOptions
    ) throws {
        try SQLiteSchema.checkTables(of: database)
        var version = try SQLiteMigration.version(of: database)
        if options.reset {
            version = nil
        } else if let version {
            try SQLiteMigration.check(version, of: database)
            if let name = try database.setting("name"), name != options.clusterName {
                throw DatabaseFailure(
                    .wrongCluster,
                    "expected a database of cluster \(options.clusterName), got one of \(name)"
                )
            }
        }
        // Nothing is refused any more: from here on the file changes.
        let journalMode = location.value(of: "journal_mode") ?? "WAL"
        _ = try String.fetchOne(database, sql: "PRAGMA journal_mode = \(journalMode)")
        let synchronous = options.durability == .synced ? location.value(of: "synchronous") ?? "FULL" : "OFF"
        try database.execute(sql: "PRAGMA synchronous = \(synchronous)")

        if let version { try SQLiteMigration.migrate(database, from: version) }
        try database.inTransaction(.immediate) {
            if options.reset { try SQLiteSchema.erase(database) }
            try SQLiteSchema.create(in: database, deduplication: options.deduplication)
            try database.setSetting("version", String(SQLiteSchema.version))
            try database.setSetting("name", options.clusterName)
            return .commit
        }
    }

    /// How the writer may relax commits that are not to be durable.
    private static func commitMode(
        _ location: SQLiteLocation,
        _ options: OpenOptions,
        queue: DatabaseQueue
    ) throws -> SQLiteWriter.CommitMode {
        guard options.durability == .synced, location.value(of: "synchronous") == nil else { return .unchanged }
        let journalMode = try queue.unsafeReentrantRead { database in
            try reportingFailures { try String.fetchOne(database, sql: "PRAGMA journal_mode") }
        }
        // With a rollback journal, a commit that is not synchronised could damage the file.
        return journalMode == "wal" ? .syncedOnDemand : .unchanged
    }
}
