import NEOProtocol

/// A value of a sidecar.
enum JSON: Decodable, Hashable, Sendable {
    case null
    case bool(Bool)
    case integer(Int64)
    case string(String)
    case array([JSON])
    case object([String: JSON])

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Int64.self) {
            self = .integer(value)
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let value = try? container.decode([JSON].self) {
            self = .array(value)
        } else {
            self = .object(try container.decode([String: JSON].self))
        }
    }

    subscript(key: String) -> JSON {
        if case .object(let members) = self { members[key] ?? .null } else { .null }
    }

    var array: [JSON] { if case .array(let elements) = self { elements } else { [] } }
    var string: String? { if case .string(let value) = self { value } else { nil } }
    var integer: Int { if case .integer(let value) = self { Int(value) } else { 0 } }
    var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    var isNull: Bool { self == .null }

    var tid: TID? { string.flatMap { UInt64($0, radix: 16) }.map { TID($0) } }
    var oid: OID { OID(string.flatMap { UInt64($0, radix: 16) } ?? .max) }
    /// A TID that is there.
    var requiredTID: TID { tid ?? .invalid }

    init(_ tid: TID?) { self = tid.map { .string($0.description) } ?? .null }
    init(_ oid: OID?) { self = oid.map { .string($0.description) } ?? .null }
    init(_ value: Int?) { self = value.map { .integer(Int64($0)) } ?? .null }
    init(_ value: Bool?) { self = value.map { .bool($0) } ?? .null }
    init(_ oids: [OID]) { self = .array(oids.map { JSON($0) }) }
    init(_ tids: [TID]) { self = .array(tids.map { JSON($0) }) }
}
