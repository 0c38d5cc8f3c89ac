import GRDB
import GRDBSQLite
import NEOProtocol
import Synchronization

/// Applies jobs to a database file.
///
/// In WAL mode, commits that need not be durable are not synchronised (`synchronous=NORMAL`): they cannot damage the
/// file, and the synchronisation of a later commit covers them since it concerns the whole log.
final class SQLiteWriter: DatabaseWriter {
    enum CommitMode: Sendable {
        /// `synchronous` is left as it was set.
        case unchanged
        /// FULL or NORMAL, according to what a batch needs.
        case syncedOnDemand
    }

    private struct State {
        var memory: SQLiteWriterMemory
        /// The `synchronous` setting of the connection is FULL.
        var isSyncing = true
        /// There may be commits that a crash would lose.
        var hasUnsyncedCommits = false
        /// Released when the database is closed.
        var lock: SQLiteFileLock?
        /// A batch failed, or the database was closed: what is in memory means nothing.
        var isOver = false
    }

    let queue: DatabaseQueue
    private let mode: CommitMode
    private let state: Mutex<State>
    /// Nil: SQLite copies its log itself, if it has one.
    let checkpointer: SQLiteCheckpointer?

    let device: UInt64

    init(queue: DatabaseQueue, lock: SQLiteFileLock, durability mode: CommitMode) throws {
        self.queue = queue
        self.device = lock.device
        self.mode = mode
        let memory = try queue.unsafeReentrantRead { database in
            try reportingFailures { try SQLiteWriterMemory(from: database) }
        }
        state = Mutex(State(memory: memory, lock: lock))
        checkpointer =
            switch mode {
            case .unchanged: nil
            case .syncedOnDemand:
                try queue.unsafeReentrantWrite { database in
                    try database.sqliteConnection.map { try SQLiteCheckpointer(path: queue.path, writer: $0) }
                }
            }
    }

    func perform(_ jobs: [DatabaseJob]) throws -> [DatabaseJobResult] {
        guard !jobs.isEmpty else { return [] }
        return try state.withLock { state in
            guard !state.isOver else {
                throw DatabaseFailure(.failed, "the database is closed, or an earlier batch of jobs failed")
            }
            do {
                return try queue.unsafeReentrantWrite { database in
                    try reportingFailures { try perform(jobs, &state, database) }
                }
            } catch {
                state.isOver = true
                throw error
            }
        }
    }

    private func perform(
        _ jobs: [DatabaseJob],
        _ state: inout State,
        _ database: GRDB.Database
    ) throws -> [DatabaseJobResult] {
        let isDurable = jobs.contains { $0.operation.isDurable }
        if mode == .syncedOnDemand, state.isSyncing != isDurable {
            // SQLite applies it when the statement is compiled: it must not come from the cache.
            try database.execute(sql: isDurable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL")
            state.isSyncing = isDurable
        }
        var results: [DatabaseJobResult] = []
        results.reserveCapacity(jobs.count)
        let changes = sqlite3_total_changes(database.sqliteConnection)
        // Statements that stay prepared; those of GRDB are compiled each time.
        try database.run("BEGIN IMMEDIATE")
        do {
            for job in jobs {
                let outcome = try state.memory.apply(job.operation, database)
                results.append(DatabaseJobResult(id: job.id, outcome: outcome))
            }
            if isDurable, state.hasUnsyncedCommits, sqlite3_total_changes(database.sqliteConnection) == changes {
                // A commit without change would synchronise nothing. This writes the first page as it is.
                try database.run("PRAGMA user_version = 0")
            }
            try database.run("COMMIT")
        } catch {
            try? database.run("ROLLBACK")
            throw error
        }
        state.hasUnsyncedCommits = !isDurable
        return results
    }

    func settle() {
        guard let checkpointer else { return }
        state.withLock { state in
            guard !state.isOver else { return }
            queue.unsafeReentrantWrite { database in
                if let connection = database.sqliteConnection { checkpointer.settle(connection) }
            }
        }
    }

    func close() throws {
        try state.withLock { state in
            queue.unsafeReentrantWrite { database in
                if let connection = database.sqliteConnection { checkpointer?.close(connection) }
            }
            guard !state.isOver else { return }
            defer { state.isOver = true }
            try queue.unsafeReentrantWrite { database in
                try reportingFailures {
                    _ = try perform([DatabaseJob(id: .init(rawValue: 0), operation: .flush)], &state, database)
                    // Idle readers may still be open: the last connection to close would do it. So the file alone is
                    // whole once a node is stopped. Passive: nobody is waited for.
                    try database.execute(sql: "PRAGMA wal_checkpoint(PASSIVE)")
                }
            }
        }
        try reportingFailures { try queue.close() }
        state.withLock { $0.lock = nil }
    }
}
