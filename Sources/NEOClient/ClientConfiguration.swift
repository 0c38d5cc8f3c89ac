import NEOProtocol

/// How a client works: what the options of the storage say (`spec/client.md §2`).
public struct ClientConfiguration: Sendable {
    /// Addresses of masters; at least one, unless ``dynamicMasterList`` has some.
    public var masters: [NodeAddress]
    /// Name of the cluster.
    public var cluster: String
    public var isReadOnly: Bool
    public var compression: CompressionPolicy
    /// Limit of the record cache, in bytes. 0: nothing is cached.
    public var cacheBytes: Int
    /// Whether a record whose replicas are all damaged is returned anyway (`spec/client.md §9.4`).
    public var ignoresWrongChecksum: Bool
    /// How long an operation waits for a master before it fails; nil: for ever (`spec/client.md §19.8`).
    public var waitTimeoutMilliseconds: UInt64?
    /// The file that keeps the record cache until the program starts again; nil: none. Several processes can name the same
    /// one: each begins with what the last one left, and replaces it. It is not used with ``ignoresWrongChecksum``.
    public var cacheFile: String?
    /// The file that remembers the masters that were found; nil: none. Several processes can name the same one.
    public var dynamicMasterList: String?
    /// How long a read waits for a partition that no storage serves (`spec/client.md §20.21`).
    public var unavailablePartitionMilliseconds: UInt64 = 30_000

    public init(
        masters: [NodeAddress],
        cluster: String,
        isReadOnly: Bool = false,
        compression: CompressionPolicy = .zlib,
        cacheBytes: Int = 20 << 20,
        ignoresWrongChecksum: Bool = false,
        waitTimeoutMilliseconds: UInt64? = nil
    ) {
        self.masters = masters
        self.cluster = cluster
        self.isReadOnly = isReadOnly
        self.compression = compression
        self.cacheBytes = max(0, cacheBytes)
        self.ignoresWrongChecksum = ignoresWrongChecksum
        self.waitTimeoutMilliseconds = waitTimeoutMilliseconds
    }

    /// Uncompressed bytes that the transactions may have in flight, together (`spec/client.md §20.41, §20.42`).
    var maximumPendingBytes: Int { max(cacheBytes, 1 << 20) }

    /// What each may have in flight, whatever the others have.
    static let minimumPendingBytes = 64 << 10

    /// ``maximumPendingBytes`` when what is stored is a part of something big: enough for the network to have no gap.
    static let maximumUnkeptBytes = 4 << 20

    /// Longest record after compression: reference storages stop at a packet of 64 MiB (`spec/client.md §20.8`).
    static let maximumRecordBytes = 64 << 20 - 64 << 10

    /// Most objects in a transaction (`spec/client.md §11.8`).
    static let maximumObjects = 1 << 21 - 1

    /// How long a storage that could not be reached comes last in the choice of a cell (`spec/client.md §8.2`).
    static let failureMarkMilliseconds: UInt64 = 600_000

    /// A storage that lets a read wait for so long, and says nothing else, is asked only if no other can be; another replica
    /// is asked for the record (`§20.28`).
    static let slowReadMilliseconds: UInt64 = 1_000

    /// OIDs asked at once to the master.
    static let newOIDCount = 100
}
