/// Identifier of an object.
public struct OID: RawRepresentable, Hashable, Comparable, Sendable {
    public var rawValue: UInt64

    @inlinable
    public init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    @inlinable
    public init(_ rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// The root of a ZODB.
    public static let zero = OID(0)
    /// All bits set. Never significant on the wire.
    public static let invalid = OID(.max)

    @inlinable
    public static func < (left: OID, right: OID) -> Bool { left.rawValue < right.rawValue }

    /// The partition that holds this object.
    @inlinable
    public func partition(of partitions: Int) -> PartitionID { Int(rawValue % UInt64(partitions)) }
}

extension OID: CustomStringConvertible {
    /// 16 hexadecimal digits.
    public var description: String { hexadecimal(rawValue) }
}
