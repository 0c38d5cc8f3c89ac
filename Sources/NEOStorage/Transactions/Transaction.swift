import NEODatabase
import NEOEngine
import NEOProtocol

/// A transaction between its first packet here and its end (`spec/storage.md §9.1`).
///
/// ```
///  registered ──vote──▶ voted ──lock──▶ locked ──unlock──▶ unlocking ──applied──▶ (gone)
///      └──────abort───────┴──▶ (gone)
/// ```
///
/// A stage is entered when its packet is received: the database follows.
struct Transaction: Sendable {
    enum Stage: Hashable, Sendable {
        case registered
        case voted(hasMetadata: Bool)
        case locked(TID, hasMetadata: Bool)
        /// The database makes it part of history: its locks are kept until readers see it.
        case unlocking(TID)
    }

    /// What it does to an object.
    struct Write: Hashable, Sendable {
        /// The revision that the client started from.
        var serial: TID
        var store: Store?
        /// Written without lock: another cell checks it (`spec/storage.md §10`).
        var isLockless: Bool
        /// The owner was told that an older transaction wants the lock.
        var isDeadlockNotified = false
    }

    /// A new value of an object, as opposed to a check.
    struct Store: Hashable, Sendable {
        /// The revision whose value is taken back, for an undo.
        var dataTID: TID?
    }

    /// The client that registered it.
    let owner: NID
    let birth: Instant
    var stage = Stage.registered
    var writes: [OID: Write] = [:]
    /// Objects whose values are on their way back to the client, which is going to resolve a conflict.
    var givenBack: Set<OID> = []
    /// Requests that wait for a lock.
    var delayedCount = 0
    /// The job of its vote.
    var voteJob: DatabaseJob.ID?

    init(owner: NID, birth: Instant) {
        self.owner = owner
        self.birth = birth
    }

    var isVoted: Bool { stage != .registered }

    /// Whether only an unlock can end it.
    var isLocked: Bool { tid != nil }

    /// Its final TID, once it is known.
    var tid: TID? {
        switch stage {
        case .registered, .voted: nil
        case .locked(let tid, _), .unlocking(let tid): tid
        }
    }
}
