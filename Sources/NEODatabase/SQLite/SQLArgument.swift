import NEOProtocol
import NIOCore

/// A value bound to a statement.
enum SQLArgument {
    case null
    case integer(Int64)
    case text(String)
    case blob(ByteBuffer)

    static func integer(_ value: Int) -> SQLArgument { .integer(Int64(value)) }

    static func optional(_ value: Int64?) -> SQLArgument { value.map(SQLArgument.integer) ?? .null }

    /// Identifiers are the signed form of their 8 bytes; bounds above the greatest one are that one.
    static func bound(_ tid: TID) -> SQLArgument { .integer(Int64(min(tid, .max).rawValue)) }

    static func bound(_ oid: OID) -> SQLArgument { .integer(Int64(min(oid.rawValue, TID.max.rawValue))) }

    /// - Throws: ``DatabaseFailure`` if the identifier does not fit: the caller had to check.
    static func id(_ tid: TID) throws -> SQLArgument { .integer(try signed(tid.rawValue)) }

    static func id(_ oid: OID) throws -> SQLArgument { .integer(try signed(oid.rawValue)) }

    private static func signed(_ value: UInt64) throws -> Int64 {
        guard let signed = Int64(exactly: value) else {
            throw DatabaseFailure(.invalidJob, "expected an identifier of 63 bits, got \(OID(value))")
        }
        return signed
    }

    static func oids(_ oids: [OID]) -> SQLArgument {
        var bytes = ByteBuffer()
        bytes.reserveCapacity(oids.count * 8)
        for oid in oids { bytes.writeInteger(oid.rawValue) }
        return .blob(bytes)
    }
}
