/// Identifier of a node in its cluster (`spec/protocol.md §6.2`).
///
/// Ids of storages are positive and persistent; the others are negative and last as long as the connection of the node
/// to the primary master.
public struct NID: RawRepresentable, Hashable, Comparable, Sendable {
    public var rawValue: Int32

    @inlinable
    public init(rawValue: Int32) {
        self.rawValue = rawValue
    }

    @inlinable
    public init(_ rawValue: Int32) {
        self.rawValue = rawValue
    }

    /// The `number`th id of the namespace of `type`, from 1 on.
    public init(_ type: NodeType, _ number: Int32) {
        self.rawValue = type.namespace << 24 + number
    }

    @inlinable
    public static func < (left: NID, right: NID) -> Bool { left.rawValue < right.rawValue }

    /// Whether the id is only valid for the life of a connection.
    public var isTemporary: Bool { rawValue < 0 }

    /// The type whose namespace this id belongs to, if any.
    public var type: NodeType? {
        NodeType.allCases.first { $0.namespace == rawValue >> 24 }
    }
}

extension NID: CustomStringConvertible {
    /// `S1`, `M1`, `C3`, …; the plain number for an id of no namespace.
    public var description: String {
        guard let type else { return String(rawValue) }
        return "\(type.letter)\(rawValue & 0xff_ffff)"
    }

    /// Reads the text form: a letter and a number.
    public init?(_ text: String) {
        guard
            let type = NodeType.allCases.first(where: { $0.letter == text.first }),
            let number = Int32(text.dropFirst()), (0...0xff_ffff).contains(number)
        else { return nil }
        self.init(type, number)
    }
}

extension NodeType {
    /// The signed high-order byte of the ids of this type.
    var namespace: Int32 {
        switch self {
        case .storage: 0
        case .master: -0x10
        case .client: -0x20
        case .admin: -0x30
        }
    }
}
