import NEODatabase
import NEOEngine

/// The turns of the works that go on behind the service of clients: packs, dropped partitions, repairs.
///
/// ```
///            begin(task)              completed: clients were served meanwhile
///    idle ───────────────▶ working ─────────────────────────▶ resting
///     ▲                       │                                  │
///     └───────────────────────┴──────────────────────────────────┘
///          completed: nobody was in the way              the timer fired
/// ```
///
/// One slice at a time, the works by turns. While clients are served, slices are short and kept apart (``BackgroundPace``), so
/// that what a client waits for is behind at most one slice, and rarely.
struct BackgroundLane: Hashable, Sendable {
    enum Task: Int, Hashable, Sendable, CaseIterable {
        case drop
        case pack
        case repair
    }

    enum State: Hashable, Sendable {
        case idle
        /// A slice is in the hands of the writer.
        case working
        case resting
    }

    enum Action: Hashable, Sendable {
        case proceed
        case rest(milliseconds: UInt64)
    }

    private(set) var state = State.idle
    /// The task that had the last turn.
    private var last = Task.repair
    /// What clients had asked when the slice began.
    private var requestsBefore: UInt64 = 0
    private var began = Instant(nanoseconds: 0)
    /// Nobody asked for anything during the last slice.
    private(set) var isQuiet = false

    /// The order in which the tasks are offered a turn.
    var turns: [Task] {
        let all = Task.allCases
        return (1...all.count).map { all[(last.rawValue + $0) % all.count] }
    }

    mutating func begin(_ task: Task, clientRequests: UInt64, now: Instant) {
        precondition(state == .idle, "a slice begins while \(state)")
        state = .working
        last = task
        requestsBefore = clientRequests
        began = now
    }

    mutating func completed(clientRequests: UInt64, now: Instant, _ pace: BackgroundPace) -> Action {
        precondition(state == .working, "a slice ends while \(state)")
        isQuiet = clientRequests == requestsBefore
        guard !isQuiet, pace.restMilliseconds > 0 else {
            state = .idle
            return .proceed
        }
        state = .resting
        return .rest(milliseconds: pace.rest(afterNanoseconds: now.nanoseconds &- began.nanoseconds))
    }

    mutating func rested() {
        if state == .resting { state = .idle }
    }
}
