import NEOEngine
import NEOStorage

/// What a simulated cluster is made of.
public struct ClusterLayout: Hashable, Sendable, CustomStringConvertible {
    public var masters = 1
    public var storages = 2
    public var clients = 2
    public var partitions = 4
    public var replicas = 0
    /// Storages that come once the cluster is created, by an operator, who may add them.
    public var spares = 0
    /// Bytes of the record cache of each client.
    public var cacheBytes = 20 << 20
    public var replication = ReplicationOptions()
    public var backgroundPace = BackgroundPace()

    public init() {}

    /// Any layout, with limits that are rare and legal: chunks of one row, caches that hold nothing.
    public init(_ random: inout SplitMix64) {
        masters = Int.random(in: 1...3, using: &random)
        storages = Int.random(in: 1...4, using: &random)
        clients = Int.random(in: 1...3, using: &random)
        partitions = Int.random(in: 1...6, using: &random)
        replicas = storages > 1 ? [0, 1, 1].randomElement(using: &random) ?? 0 : 0
        cacheBytes = [0, 500, 20 << 20].randomElement(using: &random) ?? 0
        replication.chunkRows = [1, 2, 7, 1000].randomElement(using: &random) ?? 1000
        replication.parallelCells = Int.random(in: 1...4, using: &random)
        backgroundPace.sliceRows = [1, 3, 1000].randomElement(using: &random) ?? 1000
    }

    public var description: String {
        "\(masters) masters, \(storages) storages\(spares > 0 ? " (\(spares) spare)" : ""), \(clients) clients, \(partitions) partitions, \(replicas) replicas"
    }
}
