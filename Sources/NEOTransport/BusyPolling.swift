#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Decides how long to look for what is awaited before going to sleep.
///
/// To sleep and to be woken by another processor takes longer than a storage needs to find a record: tens of microseconds
/// in a virtual machine. Looking costs processor time instead, so it is bounded, and done only while what is awaited keeps
/// coming soon:
///
/// ```
///   waits that were short ──▶ confidence + 1         confidence ≥ 2: look, then sleep
///   long ones             ──▶ confidence - 2                   < 2: sleep
/// ```
///
/// Who looks offers its processor again and again: the peer that it waits for may have been put on the same one. If others
/// take it for long, they need it more, and nobody looks for a while; for longer each time.
struct BusyPolling: Hashable, Sendable {
    private static let maximumConfidence = 8
    private static let threshold = 2
    /// Who does not get its processor back within this time was not only in the way of its peer.
    private static let patienceNanoseconds: UInt64 = 200_000
    private static let shortestPauseNanoseconds: UInt64 = 50_000_000
    private static let longestPauseNanoseconds: UInt64 = 1_600_000_000

    /// Longest look; 0: never.
    let limitNanoseconds: UInt64
    private var confidence = 0
    private var pausedUntil: UInt64 = 0
    private var pauseNanoseconds = Self.shortestPauseNanoseconds

    /// - Parameter microseconds: the longest look. With one processor there is none: what is awaited needs it.
    init(microseconds: UInt64, processors: Int = Self.processors) {
        limitNanoseconds = processors > 1 ? microseconds * 1000 : 0
    }

    private static let processors = sysconf(Int32(_SC_NPROCESSORS_ONLN))

    /// What became of a look. Times in nanoseconds of a monotonic clock.
    struct Look: Hashable, Sendable {
        var hasCome = false
        var end: UInt64
        /// Longest time between two looks.
        var longestGap: UInt64 = 0
    }

    /// Until when to look from `now` on; nil: sleep at once.
    func deadline(at now: UInt64) -> UInt64? {
        guard limitNanoseconds > 0, confidence >= Self.threshold, now >= pausedUntil else { return nil }
        return now &+ limitNanoseconds
    }

    /// Asks `isReady` again and again. It may be called without what protects the value of this type.
    static func look(from now: UInt64, until deadline: UInt64, _ isReady: () -> Bool) -> Look {
        var look = Look(end: now)
        while !look.hasCome, look.end < deadline {
            look.hasCome = isReady()
            if !look.hasCome { sched_yield() }
            let now = BlockingClock.now()
            look.longestGap = max(look.longestGap, now &- look.end)
            look.end = now
        }
        return look
    }

    mutating func looked(_ look: Look) {
        guard look.longestGap > Self.patienceNanoseconds else { return }
        let isRecent = look.end < pausedUntil &+ 4 * pauseNanoseconds
        pauseNanoseconds =
            isRecent ? min(2 * pauseNanoseconds, Self.longestPauseNanoseconds) : Self.shortestPauseNanoseconds
        pausedUntil = look.end &+ pauseNanoseconds
    }

    /// What was awaited came.
    /// - Parameter isAsleep: it had to wake somebody, which is a part of the time.
    mutating func came(afterNanoseconds time: UInt64, isAsleep: Bool) {
        let isShort = time <= (isAsleep ? 2 * limitNanoseconds : limitNanoseconds)
        confidence = isShort ? min(Self.maximumConfidence, confidence + 1) : max(0, confidence - 2)
    }
}
