import NEOProtocol

/// What an operator asks of a cluster with `neoctl` (`spec/tools.md §9.4`).
public enum Command: Hashable, Sendable {
    /// Storages to act on.
    public enum Storages: Hashable, Sendable {
        case all
        case listed([NID])
    }

    /// What replicas to compare.
    public enum Check: Hashable, Sendable {
        /// All the partitions, with a storage as reference if any.
        case all(reference: NID?)
        /// Some partitions, each with a storage as reference if any.
        case partitions([PartitionID: NID?])
    }

    /// The list of commands; it needs no connection.
    case help
    case printIDs
    /// Rows `min ..< max` of the partition table (`max` 0: to its end), or a drawing of all of it if both are 0.
    case printPartitionTable(min: Int, max: Int, nid: NID?)
    case printNodes(NodeType?)
    case printCluster
    case printPrimary
    case printSummary
    case setCluster(ClusterState)
    case setReplicas(Int)
    case check(Check, min: TID, max: TID?)
    case add(Storages)
    case tweak(dryRun: Bool, excluded: [NID])
    case drop(NID)
    case kill(NID)
    case pruneOrphan(Storages, dryRun: Bool)
    case truncate(TID)
    case flushLog
}
