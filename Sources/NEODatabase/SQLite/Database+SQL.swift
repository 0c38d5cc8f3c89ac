import GRDB
import GRDBSQLite
import NIOCore

/// Rows go through SQLite's own interface: GRDB owns connections, exclusive access and transactions, but copies each
/// value on its way, and costs twice as much for a load.
extension GRDB.Database {
    /// Runs a statement and gives each row to `row` until it returns false.
    func each(_ sql: String, _ arguments: [SQLArgument], _ row: (SQLRow) throws -> Bool) throws {
        let statement = try reportingFailures { try cachedStatement(sql: sql) }.sqliteStatement
        defer {
            sqlite3_reset(statement)
            sqlite3_clear_bindings(statement)
        }
        try bind(arguments[...], to: statement, at: 1) {
            while true {
                switch sqlite3_step(statement) {
                case SQLITE_ROW:
                    guard try row(SQLRow(statement: statement)) else { return }
                case SQLITE_DONE:
                    return
                case let code:
                    throw DatabaseFailure(sqliteCode: code, message: lastErrorMessage, while: sql)
                }
            }
        }
    }

    /// Binds without copying: the bytes of blobs stay where they are until `body` is over.
    private func bind(
        _ arguments: ArraySlice<SQLArgument>,
        to statement: OpaquePointer,
        at index: Int32,
        _ body: () throws -> Void
    ) throws {
        var index = index
        for position in arguments.indices {
            var code = SQLITE_OK
            switch arguments[position] {
            case .null:
                code = sqlite3_bind_null(statement, index)
            case .integer(let value):
                code = sqlite3_bind_int64(statement, index, value)
            case .text(let text):
                let isTransient = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
                code = sqlite3_bind_text(statement, index, text, Int32(text.utf8.count), isTransient)
            case .blob(let buffer):
                try buffer.withUnsafeReadableBytes { bytes in
                    // A null pointer would be NULL, not an empty blob.
                    let code =
                        if let start = bytes.baseAddress, !bytes.isEmpty {
                            sqlite3_bind_blob64(statement, index, start, UInt64(bytes.count), nil)
                        } else {
                            sqlite3_bind_zeroblob(statement, index, 0)
                        }
                    guard code == SQLITE_OK else {
                        throw DatabaseFailure(sqliteCode: code, message: lastErrorMessage, while: "binding a value")
                    }
                    try bind(arguments[(position + 1)...], to: statement, at: index + 1, body)
                }
                return
            }
            guard code == SQLITE_OK else {
                throw DatabaseFailure(sqliteCode: code, message: lastErrorMessage, while: "binding a value")
            }
            index += 1
        }
        try body()
    }

    /// Runs a statement that gives no row.
    func run(_ sql: String, _ arguments: SQLArgument...) throws {
        try each(sql, arguments) { _ in true }
    }

    func all<Value>(_ sql: String, _ arguments: SQLArgument..., row: (SQLRow) throws -> Value) throws -> [Value] {
        var values: [Value] = []
        try each(sql, arguments) {
            values.append(try row($0))
            return true
        }
        return values
    }

    func first<Value>(_ sql: String, _ arguments: SQLArgument..., row: (SQLRow) throws -> Value?) throws -> Value? {
        var value: Value?
        try each(sql, arguments) {
            value = try row($0)
            return false
        }
        return value
    }

    func exists(_ sql: String, _ arguments: SQLArgument...) throws -> Bool {
        var exists = false
        try each(sql, arguments) { _ in
            exists = true
            return false
        }
        return exists
    }
}

/// Runs `body` and turns the errors of GRDB into ours.
func reportingFailures<Value>(_ body: () throws -> Value) throws -> Value {
    do {
        return try body()
    } catch let error as GRDB.DatabaseError {
        throw DatabaseFailure(
            sqliteCode: error.resultCode.rawValue,
            message: error.message,
            while: error.sql ?? "opening or committing"
        )
    }
}

extension DatabaseFailure {
    init(sqliteCode: Int32, message: String?, while action: String) {
        let code: Code =
            switch sqliteCode & 0xff {
            case SQLITE_FULL: .full
            case SQLITE_CORRUPT, SQLITE_NOTADB: .corrupted
            case SQLITE_BUSY, SQLITE_LOCKED: .locked
            default: .failed
            }
        self.init(code, "SQLite error \(sqliteCode): \(message ?? "no message"), while: \(action)")
    }
}
