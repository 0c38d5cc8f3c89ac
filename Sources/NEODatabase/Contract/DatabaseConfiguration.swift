import NEOProtocol

/// What a storage remembers of itself and of its cluster (`spec/database.md §4`).
public struct DatabaseConfiguration: Hashable, Sendable {
    public var clusterName: String
    /// Nil until the first identification.
    public var nid: NID?
    /// The greatest id of a storage of the cluster that this one ever heard of: no other storage may get it, nor one below.
    /// The reference has no such key, and leaves it.
    public var lastNID: NID?
    /// Nil: no partition table was ever received.
    public var ptid: Int?
    /// Number of copies besides the first one.
    public var replicas: Int
    /// Non-nil in backup mode only; ``TID/zero`` is a value like others.
    public var backupTID: TID?
    /// A truncation was ordered and is not over.
    public var truncateTID: TID?
    /// Number of partitions of the recorded table, 0 if there is none.
    public var partitions: Int

    public init(
        clusterName: String,
        nid: NID? = nil,
        lastNID: NID? = nil,
        ptid: Int? = nil,
        replicas: Int = 0,
        backupTID: TID? = nil,
        truncateTID: TID? = nil,
        partitions: Int = 0
    ) {
        self.clusterName = clusterName
        self.nid = nid
        self.lastNID = lastNID
        self.ptid = ptid
        self.replicas = replicas
        self.backupTID = backupTID
        self.truncateTID = truncateTID
        self.partitions = partitions
    }
}
