import NEOProtocol

/// A request that cannot be answered yet (`spec/master.md §1.4`).
struct DelayedRequest: Hashable, Sendable {
    enum Request: Hashable, Sendable {
        case begin(AskBeginTransaction)
        case failedVote(FailedVote)
    }

    let source: Source
    let request: Request
}
