/// Measures what a slice of a long work spends (``WorkBudget``).
struct WorkClock {
    private(set) var rowsLeft: Int
    private let end: ContinuousClock.Instant?

    init(_ budget: WorkBudget) {
        rowsLeft = max(1, budget.rows)
        end = budget.milliseconds == .max ? nil : .now + .milliseconds(budget.milliseconds)
    }

    mutating func spend(_ rows: Int) { rowsLeft -= rows }

    var isUsedUp: Bool { rowsLeft <= 0 || end.map { .now >= $0 } ?? false }

    /// How many rows to handle before the time is looked at again.
    var batch: Int { min(rowsLeft, 16) }
}
