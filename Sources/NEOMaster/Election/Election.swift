import NEOEngine
import NEOProtocol
import OrderedCollections

/// Which master is primary, as this one sees it (`spec/master.md §3`).
///
/// ```
///               an older candidate, or a primary, is met
///   candidate ───────────────────────────────────────────▶ secondary
///       ▲  └── the cluster leaves RECOVERING ──▶ primary       │
///       └───────────── no other master answers ────────────────┘
/// ```
struct Election: Hashable, Sendable {
    enum Role: Hashable, Sendable {
        /// Candidate or primary, since a date: the oldest candidate wins.
        case primary(since: Double)
        case secondary(Secondary)
    }

    /// What a secondary master knows.
    struct Secondary: Hashable, Sendable {
        /// The master that is believed to be primary.
        var target: NodeAddress
        /// Those that could not be reached since one could.
        var failed: Set<NodeAddress>
        /// To the target.
        var connection: ConnectionID?
        /// The target accepted this node.
        var isAccepted = false
        /// Of the last list of nodes; nil before the first one, which is complete.
        var timestamp: Double?
    }

    var role = Role.primary(since: 0)
    /// Connections of a candidate to masters that did not answer yet.
    var attempts: OrderedDictionary<ConnectionID, NodeAddress> = [:]
    /// When each master was last tried.
    private var lastAttempts: [NodeAddress: Instant] = [:]

    /// A node never connects to one address more than once in this time (`spec/master.md §2.9`).
    static let retryMilliseconds: UInt64 = 1000

    var isPrimary: Bool {
        if case .primary = role { true } else { false }
    }

    var secondary: Secondary? {
        get { if case .secondary(let secondary) = role { secondary } else { nil } }
        set { if let newValue { role = .secondary(newValue) } }
    }

    /// - Returns: the time to wait before a new attempt; 0: it is counted as made now.
    mutating func attempt(_ address: NodeAddress, now: Instant) -> UInt64 {
        if let last = lastAttempts[address] {
            let elapsed = now.milliseconds(since: last)
            if elapsed < Self.retryMilliseconds { return Self.retryMilliseconds - elapsed }
        }
        lastAttempts[address] = now
        return 0
    }
}
