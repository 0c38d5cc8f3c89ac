import NEOProtocol

/// What an operator decides about a storage node (`spec/storage.md §2`).
public struct StorageConfiguration: Hashable, Sendable {
    public var cluster: String
    /// The masters to begin with; others are learnt.
    public var masters: [NodeAddress]
    /// Port 0: any free one.
    public var bind: NodeAddress
    /// A node id to ask for. It takes precedence over the recorded one.
    public var nid: NID?
    /// Where the data is: host name, then device (`spec/storage.md §3.9`).
    public var topologyPath: [String]
    /// Never pack, and never make others wait for it.
    public var disablesPack: Bool
    /// Keep the data of cells that are not assigned any more.
    public var disablesDropPartitions: Bool
    /// The cells of a database that was copied from another node: the node only gets an id of its own, records it, and
    /// ends (`spec/storage.md §3.8`). Empty: it serves.
    public var copiedPartitions: [PartitionID]
    /// Bytes of the disk that must be free for writes to be accepted; 0: as long as there is any.
    public var reservedBytes: UInt64
    public var limits: StorageLimits
    public var backgroundPace = BackgroundPace()
    public var replication: ReplicationOptions

    public init(
        cluster: String,
        masters: [NodeAddress],
        bind: NodeAddress,
        nid: NID? = nil,
        topologyPath: [String] = [],
        disablesPack: Bool = false,
        disablesDropPartitions: Bool = false,
        copiedPartitions: [PartitionID] = [],
        reservedBytes: UInt64 = 0,
        limits: StorageLimits = StorageLimits(),
        replication: ReplicationOptions = ReplicationOptions()
    ) {
        self.cluster = cluster
        self.masters = masters
        self.bind = bind
        self.nid = nid
        self.topologyPath = topologyPath
        self.disablesPack = disablesPack
        self.disablesDropPartitions = disablesDropPartitions
        self.copiedPartitions = copiedPartitions
        self.reservedBytes = reservedBytes
        self.limits = limits
        self.replication = replication
    }
}
