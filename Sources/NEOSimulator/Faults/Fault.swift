import NEOEngine

/// What can go wrong, and what a cluster promises to survive.
public enum Fault: String, CaseIterable, Hashable, Sendable {
    /// A connection breaks, in the middle of a frame.
    case reset
    /// Nothing comes through a connection in one direction; one end may give up.
    case stall
    /// Some nodes cannot reach the others.
    case partition
    /// A process is killed.
    case kill
    /// A machine loses its power: what was not synced is lost, and nobody is told.
    case powerFailure = "power failure"
    /// Several nodes lose their power together.
    case blackout
    /// A process is not executed for some time.
    case pause
    /// A disk is slow.
    case slowDisk = "slow disk"
    /// A commit of the database of a storage fails.
    case failedJob = "failed job"
    /// A clock is set forward or back.
    case clockJump = "clock jump"
}

/// Which faults happen in a history, and how often.
public struct FaultPlan: Hashable, Sendable, CustomStringConvertible {
    /// In the order of ``Fault/allCases``: one that is there twice is twice as likely.
    public var kinds: [Fault] = Fault.allCases
    /// Time between two faults, in nanoseconds.
    public var interval: ClosedRange<UInt64> = 5_000_000...400_000_000
    /// How long something lasts.
    public var duration: ClosedRange<UInt64> = 1_000_000...3_000_000_000

    public init() {}

    public static var none: FaultPlan {
        var plan = FaultPlan()
        plan.kinds = []
        return plan
    }

    public var description: String {
        kinds.isEmpty ? "no faults" : Fault.allCases.filter(kinds.contains).map(\.rawValue).joined(separator: ", ")
    }
}
extension FaultPlan {
    /// Some kinds of faults, rare or frequent: histories without some of them reach what these would prevent.
    public init(_ random: inout SplitMix64) {
        kinds = Fault.allCases.filter { _ in Bool.random(using: &random) }
        if kinds.isEmpty { kinds = [.kill] }
        let longest = [100_000_000, 400_000_000, 2_000_000_000].randomElement(using: &random) ?? 400_000_000
        interval = 5_000_000...UInt64(longest)
        let lasting = [500_000_000, 3_000_000_000, 12_000_000_000].randomElement(using: &random) ?? 3_000_000_000
        duration = 1_000_000...UInt64(lasting)
    }
}
