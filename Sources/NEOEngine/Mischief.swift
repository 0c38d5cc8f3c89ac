/// What is rare and legal in a real cluster, and frequent in a simulated one: cores do it by themselves where a host asks
/// for it (``CoreContext/buggify(_:onceIn:)``, `docs/maintainers/simulation.md`).
///
/// Real hosts ask for nothing. A place that provokes something lies where work begins or is given up, not in the path of a
/// load or of a commit.
public struct Mischief: OptionSet, Hashable, Sendable {
    public let rawValue: UInt8

    public init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// What is done in slices is done one row at a time: replication at its source, packs, partitions that are dropped.
    public static let smallSlices = Mischief(rawValue: 1)
    /// A chunk of one row is asked for.
    public static let smallChunks = Mischief(rawValue: 2)
    /// Whoever waits for a peer gives up at once.
    public static let earlyTimeouts = Mischief(rawValue: 4)
    /// What was unlocked is made durable ten times later.
    public static let lateFlush = Mischief(rawValue: 8)
    /// A source refuses what it could give.
    public static let refusals = Mischief(rawValue: 16)

    public static let all: Mischief = [.smallSlices, .smallChunks, .earlyTimeouts, .lateFlush, .refusals]
}

extension Mischief: CustomStringConvertible {
    public var description: String {
        let names = ["small slices", "small chunks", "early timeouts", "late flush", "refusals"]
        return names.indices.filter { rawValue & 1 << UInt8($0) != 0 }.map { names[$0] }.joined(separator: ", ")
    }
}

extension CoreContext {
    /// Whether to do something rare here, now.
    ///
    /// - Parameter times: it happens once in so many times, if at all.
    @inlinable
    public mutating func buggify(_ kind: Mischief, onceIn times: Int = 4) -> Bool {
        mischief.contains(kind) && Int.random(in: 0..<times, using: &random) == 0
    }
}
