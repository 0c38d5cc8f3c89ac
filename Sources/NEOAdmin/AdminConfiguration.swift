import NEOProtocol

/// What an administration node is told at start (`spec/tools.md §4.4`).
public struct AdminConfiguration: Hashable, Sendable {
    public var cluster: String
    /// The masters known at start; others are learnt.
    public var masters: [NodeAddress]
    /// Where to listen; also the address told to others.
    public var bind: NodeAddress
    /// The id to ask for, instead of any.
    public var nid: NID?
    public var limits: Limits

    /// What connections that nobody identified may use of this node.
    public struct Limits: Hashable, Sendable {
        /// Connections at a time. One more closes the one that has been idle for longest.
        public var connections = 256
        /// Requests of one connection that wait for an answer. `neoctl` sends one at a time.
        public var pendingRequests = 32

        public init() {}
    }

    public init(
        cluster: String,
        masters: [NodeAddress],
        bind: NodeAddress,
        nid: NID? = nil,
        limits: Limits = Limits()
    ) {
        self.cluster = cluster
        self.masters = masters
        self.bind = bind
        self.nid = nid
        self.limits = limits
    }
}
