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

    /// What cannot be undone, in the words of a question; nil if there is nothing to be afraid of.
    public var risk: String? {
        switch self {
        case .drop(let nid): "The data of \(nid) is given up"
        case .truncate(let tid): "All that was committed after \(tid) is deleted"
        case .setCluster(.stopping): "All the nodes of the cluster end"
        default: nil
        }
    }
}
