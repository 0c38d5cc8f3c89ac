/// A connection of a node, unique in the life of its process.
///
/// The host numbers the connections that it accepts, the core those that it opens.
public struct ConnectionID: Hashable, Comparable, Sendable, CustomStringConvertible {
    public enum Direction: UInt8, Hashable, Sendable {
        /// The peer connected.
        case incoming
        /// This node connected.
        case outgoing
    }

    public let direction: Direction
    public let number: UInt32

    public init(_ direction: Direction, _ number: UInt32) {
        self.direction = direction
        self.number = number
    }

    public static func < (left: ConnectionID, right: ConnectionID) -> Bool {
        (left.direction.rawValue, left.number) < (right.direction.rawValue, right.number)
    }

    public var description: String { direction == .incoming ? "in#\(number)" : "out#\(number)" }
}

/// A timer of a core. The core chooses the number; starting a timer that runs starts it again.
public struct TimerID: Hashable, Sendable {
    public let rawValue: UInt64

    public init(_ rawValue: UInt64) {
        self.rawValue = rawValue
    }
}

/// A point of monotonic time, in nanoseconds from an origin that the host chooses.
public struct Instant: Hashable, Comparable, Sendable {
    public let nanoseconds: UInt64

    public init(nanoseconds: UInt64) {
        self.nanoseconds = nanoseconds
    }

    public static func < (left: Instant, right: Instant) -> Bool { left.nanoseconds < right.nanoseconds }

    /// The time from `earlier` to now, zero if it is later.
    public func milliseconds(since earlier: Instant) -> UInt64 {
        nanoseconds > earlier.nanoseconds ? (nanoseconds - earlier.nanoseconds) / 1_000_000 : 0
    }
}
