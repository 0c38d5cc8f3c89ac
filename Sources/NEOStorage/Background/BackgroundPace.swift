import NEODatabase

/// How long works behind the service of clients may keep the writer of the database.
public struct BackgroundPace: Hashable, Sendable {
    /// Longest time of a slice while clients are served: what one of them may have to wait more.
    public var sliceMilliseconds = 1
    /// The same while nobody is there.
    public var quietSliceMilliseconds = 5
    /// Shortest time between two slices while clients are served; 0: none.
    public var restMilliseconds = 8
    /// The time between two slices as a multiple of the time from the order of the first to its end: the busier the writer
    /// and the disk, the longer they are left to clients.
    public var restFactor = 24
    public var longestRestMilliseconds = 500
    /// Rows of a slice, however fast they are.
    public var sliceRows = 10_000

    public init() {}

    func budget(isQuiet: Bool) -> WorkBudget {
        WorkBudget(rows: sliceRows, milliseconds: isQuiet ? quietSliceMilliseconds : sliceMilliseconds)
    }

    /// The rest after a slice that took so long.
    func rest(afterNanoseconds duration: UInt64) -> UInt64 {
        let measured = duration / 1_000_000 * UInt64(restFactor)
        return min(max(measured, UInt64(restMilliseconds)), UInt64(max(longestRestMilliseconds, restMilliseconds)))
    }
}
