/// The physics of a simulated world. Times are in nanoseconds.
public struct SimulationSettings: Hashable, Sendable {
    /// Time that a frame takes, drawn evenly.
    public var latency: ClosedRange<UInt64> = 20_000...500_000
    /// One frame in so many is late; 0: none.
    public var lateFrameEvery = 200
    /// How late such a frame is.
    public var lateness: ClosedRange<UInt64> = 1_000_000...300_000_000
    /// One frame in so many arrives in two pieces; 0: none.
    public var splitFrameEvery = 50
    /// Time that a batch of database jobs takes.
    public var jobDuration: ClosedRange<UInt64> = 50_000...3_000_000
    /// Difference between the clock of a node and true time, in seconds.
    public var clockSkew: ClosedRange<Double> = -0.5...0.5
    /// How long the system of a node believes in a connection over which nothing comes through.
    public var silence: ClosedRange<UInt64> = 1_000_000_000...15_000_000_000

    public init() {}
}
