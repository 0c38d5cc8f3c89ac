/// How much of a long work one job does. It ends once one of both is used up, and always gets on.
public struct WorkBudget: Hashable, Sendable {
    /// Rows looked at or deleted.
    public var rows: Int
    /// Time spent by the writer on this job. The Memory backend, which must not read a clock, counts rows alone.
    public var milliseconds: Int

    public init(rows: Int, milliseconds: Int) {
        self.rows = rows
        self.milliseconds = milliseconds
    }

    /// Only rows count.
    public static func rows(_ rows: Int) -> WorkBudget {
        WorkBudget(rows: rows, milliseconds: .max)
    }
}
