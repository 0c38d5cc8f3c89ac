import Dispatch
import GRDBSQLite
import NEOProtocol
import Synchronization

/// Copies the write-ahead log of a database into its file, beside the writer.
///
/// By itself, SQLite does so inside the commit that makes the log long: whoever waits for this commit waits for a thousand
/// pages to be written and synced as well. Here it is done in two steps:
///
/// ```
///   idle ──the log is long──▶ copying ──▶ copied ──the writer pauses──▶ idle
///                      another thread,       what was committed meanwhile:
///                      commits go on         few pages
/// ```
///
/// The second step is needed because the log begins again at its start only once all of it was copied; without it, it would
/// grow as long as somebody writes.
///
/// `@unchecked Sendable`: `connection` is used by `thread` until ``close()``; `pages` by the writer only.
final class SQLiteCheckpointer: @unchecked Sendable {
    enum State: Hashable, Sendable {
        case idle
        case copying
        case copied
    }

    /// The length from which the log is copied, in pages. A commit of one object takes eight: with the 1000 of SQLite, the disk
    /// would be syncing copies as often as commits.
    static let longLog: Int32 = 4000
    /// The length at which a commit waits for it after all.
    static let longestLog: Int32 = 16_000

    private let connection: OpaquePointer
    private let thread = DispatchQueue(label: "checkpoint")
    private let state = Mutex(State.idle)
    /// Pages of the log.
    private var pages: Int32 = 0
    private var isClosed = false

    /// Takes over from SQLite what is to be done with the log.
    /// - Parameter writer: the connection that writes; it must not outlive this object without ``close()``.
    init(path: String, writer: OpaquePointer) throws {
        var opened: OpaquePointer?
        let code = sqlite3_open_v2(path, &opened, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nil)
        guard code == SQLITE_OK, let opened else {
            sqlite3_close_v2(opened)
            throw DatabaseFailure(sqliteCode: code, message: nil, while: "opening")
        }
        connection = opened
        // Until a connection has read, it does not know that there is a log: it would copy nothing, and say that all went well.
        let read = sqlite3_exec(connection, "SELECT count(*) FROM sqlite_master", nil, nil, nil)
        guard read == SQLITE_OK else {
            sqlite3_close_v2(connection)
            throw DatabaseFailure(sqliteCode: read, message: nil, while: "opening")
        }
        sqlite3_wal_hook(
            writer,
            { object, connection, _, pages in
                if let object { Unmanaged<SQLiteCheckpointer>.fromOpaque(object).takeUnretainedValue().pages = pages }
                if pages >= SQLiteCheckpointer.longestLog { SQLiteCheckpointer.copy(connection) }
                return SQLITE_OK
            },
            Unmanaged.passUnretained(self).toOpaque()
        )
    }

    deinit {
        if !isClosed { sqlite3_close_v2(connection) }
    }

    var isCopying: Bool { state.withLock { $0 == .copying } }

    /// To be called by the writer between two batches.
    func settle(_ writer: OpaquePointer) {
        switch state.withLock({ $0 }) {
        case .copying: break
        case .copied:
            Self.copy(writer)
            state.withLock { $0 = .idle }
            pages = 0
        case .idle:
            guard pages >= Self.longLog else { return }
            state.withLock { $0 = .copying }
            thread.async { [self] in
                // The second time for what was committed during the first.
                for _ in 0..<2 {
                    Self.copy(connection)
                    Self.sync(connection)
                }
                state.withLock { $0 = .copied }
            }
        }
    }

    /// Waits for what is being copied, and gives the log back to SQLite.
    func close(_ writer: OpaquePointer) {
        thread.sync {}
        guard !isClosed else { return }
        isClosed = true
        sqlite3_wal_hook(writer, nil, nil)
        sqlite3_close_v2(connection)
    }

    /// Nobody is waited for. What cannot be copied now stays in the log.
    private static func copy(_ connection: OpaquePointer?) {
        sqlite3_wal_checkpoint_v2(connection, nil, SQLITE_CHECKPOINT_PASSIVE, nil, nil)
    }

    /// Syncs the file. SQLite does so only if all of the log was copied; what it leaves would be for the writer.
    private static func sync(_ connection: OpaquePointer) {
        var file: UnsafeMutablePointer<sqlite3_file>?
        guard sqlite3_file_control(connection, nil, SQLITE_FCNTL_FILE_POINTER, &file) == SQLITE_OK, let file else {
            return
        }
        _ = file.pointee.pMethods?.pointee.xSync?(file, SQLITE_SYNC_NORMAL)
    }
}
