import NEOProtocol

/// What a master is told at start (`spec/master.md §1.5`).
public struct MasterConfiguration: Hashable, Sendable {
    public var cluster: String
    /// Where to listen; also the address told to others, and the identity of this master in elections.
    public var bind: NodeAddress
    /// The masters known at start, this one or not; others are learnt.
    public var masters: [NodeAddress]
    /// The id to take instead of the first one of masters.
    public var nid: NID?
    /// Number of partitions of a cluster that is created.
    public var partitions: Int
    /// Number of replicas of a cluster that is created.
    public var replicas: Int
    /// Create the cluster once this many storages are connected; 0: wait for an operator.
    public var autostart: Int
    public var limits: Limits

    /// What peers may cost.
    public struct Limits: Hashable, Sendable {
        /// Connections at a time that did not identify. One more closes the oldest one.
        public var unidentifiedConnections = 256
        /// Time to identify.
        public var identificationMilliseconds: UInt64 = 30_000
        /// Time for a storage to become ready, after which transactions do not wait for it any more: it is
        /// disconnected (`spec/master.md §18.1`).
        public var readinessMilliseconds: UInt64 = 60_000
        /// Nodes of one type that are remembered. For one more, one that is gone and has no cell is forgotten.
        public var nodesPerType = 10_000
        /// Transactions in progress and requests kept waiting, for one client.
        public var heldRequestsPerClient = 10_000
        /// OIDs that one request gets.
        public var oidsPerRequest = 100_000

        public init() {}
    }

    public init(
        cluster: String,
        bind: NodeAddress,
        masters: [NodeAddress] = [],
        nid: NID? = nil,
        partitions: Int = 100,
        replicas: Int = 0,
        autostart: Int = 0,
        limits: Limits = Limits()
    ) {
        self.cluster = cluster
        self.bind = bind
        self.masters = masters
        self.nid = nid
        self.partitions = partitions
        self.replicas = replicas
        self.autostart = autostart
        self.limits = limits
    }
}
