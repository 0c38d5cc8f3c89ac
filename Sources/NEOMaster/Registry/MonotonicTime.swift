/// Marks of time that never repeat nor go back, whatever the clock does (`spec/master.md §2.8`).
struct MonotonicTime: Hashable, Sendable {
    private var last = 0.0

    /// Seconds since the Unix epoch: the given time, or one millisecond more than the last value.
    mutating func next(_ wallTime: Double) -> Double {
        last = wallTime > last ? wallTime : last + 0.001
        return last
    }
}
