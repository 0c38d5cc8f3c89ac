import NEODatabase

/// How long works behind the service of clients may keep the writer of the database.
public struct BackgroundPace: Hashable, Sendable {
    /// Longest time of a slice: what a client may have to wait more.
    public var sliceMilliseconds = 5
    /// Time between two slices while clients are served.
    public var restMilliseconds = 15
    /// Rows of a slice, however fast they are.
    public var sliceRows = 10_000

    public init() {}

    var budget: WorkBudget { WorkBudget(rows: sliceRows, milliseconds: sliceMilliseconds) }
}
