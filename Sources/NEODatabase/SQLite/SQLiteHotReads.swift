import GRDBSQLite
import NEOProtocol
import Synchronization

/// The reads that come most often, on a connection of their own whose statements stay prepared.
///
/// They go through SQLite's own interface: to enter GRDB's queue and to look for a statement in its cache costs as much
/// as the read itself. Each is one statement, or sees what a later state would give as well.
///
/// `@unchecked Sendable`: the pointers are used under `lock` only.
final class SQLiteHotReads: @unchecked Sendable {
    private enum Query: Int, CaseIterable {
        case latest
        case before
        case at
        case exists
        case lastTID
        case hasRevision

        var sql: String {
            switch self {
            case .latest:
                """
                SELECT tid, NULL, value_tid, data_id, compression, hash, value
                FROM obj LEFT JOIN data ON data.id = data_id
                WHERE partition = ? AND oid = ? ORDER BY tid DESC LIMIT 1
                """
            case .before:
                """
                SELECT tid,
                    (SELECT next.tid FROM obj AS next
                     WHERE next.partition = ?1 AND next.oid = ?2 AND next.tid >= ?3
                     ORDER BY next.tid LIMIT 1),
                    value_tid, data_id, compression, hash, value
                FROM obj LEFT JOIN data ON data.id = data_id
                WHERE partition = ?1 AND oid = ?2 AND tid < ?3 ORDER BY tid DESC LIMIT 1
                """
            case .at:
                """
                SELECT tid,
                    (SELECT next.tid FROM obj AS next
                     WHERE next.partition = ?1 AND next.oid = ?2 AND next.tid > ?3
                     ORDER BY next.tid LIMIT 1),
                    value_tid, data_id, compression, hash, value
                FROM obj LEFT JOIN data ON data.id = data_id
                WHERE partition = ?1 AND oid = ?2 AND tid = ?3
                """
            case .exists: "SELECT 1 FROM obj WHERE partition = ? AND oid = ? LIMIT 1"
            case .lastTID: "SELECT tid FROM obj WHERE partition = ? AND oid = ? ORDER BY tid DESC LIMIT 1"
            case .hasRevision: "SELECT 1 FROM obj WHERE partition = ? AND oid = ? AND tid = ?"
            }
        }
    }

    private let lock = Mutex(())
    private let connection: OpaquePointer
    /// By number of ``Query``.
    private var statements: [OpaquePointer] = []

    init(_ location: SQLiteLocation) throws {
        var opened: OpaquePointer?
        let flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX
        let code = sqlite3_open_v2(location.path, &opened, flags, nil)
        guard code == SQLITE_OK, let opened else {
            let failure = DatabaseFailure(sqliteCode: code, message: opened.map(Self.message), while: "opening")
            sqlite3_close_v2(opened)
            throw failure
        }
        connection = opened
        // Another process may hold a lock for a moment: wait, as long as it takes.
        sqlite3_busy_handler(
            connection,
            { _, _ in
                pause()
                return 1
            },
            nil
        )
        if let size = location.value(of: "cache_size") { try prepareAndRun("PRAGMA cache_size = \(size)") }
        for query in Query.allCases { statements.append(try prepare(query.sql)) }
    }

    deinit {
        for statement in statements { sqlite3_finalize(statement) }
        sqlite3_close_v2(connection)
    }

    // MARK: Reads

    /// Identifiers are at most ``TID/max``.
    func load(_ oid: OID, in partition: PartitionID, _ selector: RevisionSelector) throws -> LoadOutcome {
        try lock.withLock { _ in
            let found: Revision?
            switch selector {
            case .latest: found = try first(.latest, partition, oid, row: Revision.init)
            case .before(let tid): found = try first(.before, partition, oid, tid, row: Revision.init)
            case .at(let tid): found = try first(.at, partition, oid, tid, row: Revision.init)
            }
            if let found { return .found(found) }
            return try first(.exists, partition, oid) { _ in true } == nil ? .noSuchObject : .noSuchRevision
        }
    }

    func lastTID(of oid: OID, in partition: PartitionID) throws -> TID? {
        try lock.withLock { _ in try first(.lastTID, partition, oid) { $0.tid(0) } }
    }

    func hasRevision(of oid: OID, at tid: TID, in partition: PartitionID) throws -> Bool {
        try lock.withLock { _ in try first(.hasRevision, partition, oid, tid) { _ in true } != nil }
    }

    // MARK: Statements

    private func first<Value>(
        _ query: Query,
        _ partition: PartitionID,
        _ oid: OID,
        _ tid: TID? = nil,
        row: (SQLRow) throws -> Value
    ) throws -> Value? {
        let statement = statements[query.rawValue]
        defer { sqlite3_reset(statement) }
        sqlite3_bind_int64(statement, 1, Int64(partition))
        sqlite3_bind_int64(statement, 2, Int64(oid.rawValue))
        if let tid { sqlite3_bind_int64(statement, 3, Int64(tid.rawValue)) }
        switch sqlite3_step(statement) {
        case SQLITE_ROW: return try row(SQLRow(statement: statement))
        case SQLITE_DONE: return nil
        case let code: throw failure(code, query.sql)
        }
    }

    private func prepare(_ sql: String) throws -> OpaquePointer {
        var statement: OpaquePointer?
        let code = sqlite3_prepare_v3(connection, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil)
        guard code == SQLITE_OK, let statement else { throw failure(code, sql) }
        return statement
    }

    private func prepareAndRun(_ sql: String) throws {
        let code = sqlite3_exec(connection, sql, nil, nil, nil)
        guard code == SQLITE_OK else { throw failure(code, sql) }
    }

    private func failure(_ code: Int32, _ sql: String) -> DatabaseFailure {
        DatabaseFailure(sqliteCode: code, message: Self.message(connection), while: sql)
    }

    private static func message(_ connection: OpaquePointer) -> String { String(cString: sqlite3_errmsg(connection)) }
}
