import GRDBSQLite
import NEOProtocol
import NIOCore

/// The row that a statement stands on. Columns are numbered from 0.
struct SQLRow {
    let statement: OpaquePointer

    func isNull(_ column: Int32) -> Bool { sqlite3_column_type(statement, column) == SQLITE_NULL }

    func integer(_ column: Int32) -> Int64 { sqlite3_column_int64(statement, column) }

    func optionalInteger(_ column: Int32) -> Int64? { isNull(column) ? nil : integer(column) }

    func tid(_ column: Int32) -> TID { TID(UInt64(bitPattern: integer(column))) }

    func optionalTID(_ column: Int32) -> TID? { isNull(column) ? nil : tid(column) }

    func oid(_ column: Int32) -> OID { OID(UInt64(bitPattern: integer(column))) }

    func text(_ column: Int32) -> String? { sqlite3_column_text(statement, column).map { String(cString: $0) } }

    /// Copied once, out of SQLite's page cache.
    func blob(_ column: Int32) -> ByteBuffer {
        guard let bytes = sqlite3_column_blob(statement, column) else { return ByteBuffer() }
        return ByteBuffer(
            bytes: UnsafeRawBufferPointer(start: bytes, count: Int(sqlite3_column_bytes(statement, column)))
        )
    }

    func checksum(_ column: Int32) throws -> Checksum {
        let start = sqlite3_column_blob(statement, column)
        let count = Int(sqlite3_column_bytes(statement, column))
        guard let checksum = Checksum(bytes: UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : count))
        else {
            throw DatabaseFailure(
                .corrupted,
                "expected a checksum of 20 bytes in table data, got \(count) bytes"
            )
        }
        return checksum
    }

    func oids(_ column: Int32) throws -> [OID] {
        var bytes = blob(column)
        guard bytes.readableBytes.isMultiple(of: 8) else {
            throw DatabaseFailure(.corrupted, "expected OIDs of 8 bytes, got \(bytes.readableBytes) bytes")
        }
        var oids: [OID] = []
        oids.reserveCapacity(bytes.readableBytes / 8)
        while let oid = bytes.readInteger(as: UInt64.self) { oids.append(OID(oid)) }
        return oids
    }
}
