/// Identifier of a transaction, of a revision of an object, or a bound of history: 64 bits that grow with time.
///
/// The layout is that of `ZODB.TimeStamp` (`spec/protocol.md §7.1`). A temporary id (*TTID*) has the same form.
public struct TID: RawRepresentable, Hashable, Comparable, Sendable {
    public var rawValue: UInt64

    @inlinable
    public init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    @inlinable
    public init(_ rawValue: UInt64) {
        self.rawValue = rawValue
    }

    public static let zero = TID(0)
    /// All bits set. Never significant on the wire.
    public static let invalid = TID(.max)
    /// The greatest TID that storages can hold: their databases have signed 64-bit columns.
    public static let max = TID(0x7fff_ffff_ffff_ffff)

    @inlinable
    public static func < (left: TID, right: TID) -> Bool { left.rawValue < right.rawValue }

    /// The partition that holds the metadata of this transaction.
    @inlinable
    public func partition(of partitions: Int) -> PartitionID { Int(rawValue % UInt64(partitions)) }
}

/// The temporary id of a transaction, given when it begins (`spec/protocol.md §7.3`).
public typealias TTID = TID

extension TID: CustomStringConvertible {
    /// 16 hexadecimal digits.
    public var description: String { hexadecimal(rawValue) }
}

/// Number of a partition: `0 ..< partitions`.
public typealias PartitionID = Int

func hexadecimal(_ value: UInt64) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
}
