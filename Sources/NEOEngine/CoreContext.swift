import NEOProtocol

/// What a host lends to a core during one call: the time, randomness, and the list of effects to fill.
public struct CoreContext<Job: Sendable>: Sendable {
    /// Monotonic time.
    public var now: Instant
    /// Seconds since the Unix epoch. It can jump.
    public var wallTime: Double
    public var random: SplitMix64
    /// What the core does now and then to itself; nothing but in a simulation.
    public var mischief: Mischief = []
    /// What the core asked for, in order. The host takes it after the call.
    public var effects: [Effect<Job>] = []

    public init(now: Instant, wallTime: Double, random: SplitMix64) {
        self.now = now
        self.wallTime = wallTime
        self.random = random
    }

    public mutating func log(_ level: LogLevel, _ message: String) {
        effects.append(.log(level, message))
    }

    public mutating func startTimer(_ timer: TimerID, milliseconds: UInt64) {
        effects.append(.startTimer(timer, milliseconds: milliseconds))
    }

    public mutating func cancelTimer(_ timer: TimerID) {
        effects.append(.cancelTimer(timer))
    }

    public mutating func submit(_ job: Job) {
        effects.append(.submit(job))
    }

    /// ``Effect/submitLater(_:)``
    public mutating func submitLater(_ job: Job) {
        effects.append(.submitLater(job))
    }

    /// ``Effect/hurry``
    public mutating func hurry() {
        effects.append(.hurry)
    }

    public mutating func exit(status: Int32) {
        effects.append(.exit(status: status))
    }
}

/// A small random generator whose whole state is its seed, so that runs can be replayed.
public struct SplitMix64: RandomNumberGenerator, Hashable, Sendable {
    public var state: UInt64

    public init(seed: UInt64) {
        state = seed
    }

    public mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
