import NEOProtocol
import NEOTopology

// What errors say of the nodes: which one, and what happened to it.
extension ClientCore {
    /// There is no primary master any more.
    var masterLost: ClientError {
        let reason = masterFailure.map { ": \($0)" } ?? ""
        return ClientError(.unavailable, "connection to primary master node closed\(reason)")
    }

    /// No readable cell of a partition could be asked.
    func notReadable(_ request: ReadRequest) -> ClientError {
        guard let partitions else { return ClientError(.unavailable, "no storage available") }
        let partition = request.partition(of: partitions.partitions)
        return ClientError(.unavailable, "no storage available: \(cells(of: partition))")
    }

    /// No cell of a partition could be written.
    func notWritable(_ partition: PartitionID) -> ClientError {
        ClientError(
            .unavailable,
            "no storage available for write to partition \(partition): \(cells(of: partition))"
        )
    }

    /// No cell of a partition took a write and looked for conflicts.
    func notLocked(_ partition: PartitionID) -> ClientError {
        ClientError(.unavailable, "partition \(partition) not fully write-locked: \(cells(of: partition))")
    }

    private func cells(of partition: PartitionID) -> String {
        let cells = (partitions?.cells(of: partition) ?? []).map { cell in
            let node = nodes[cell.nid]
            let address = node?.address.map { " at \($0)" } ?? ""
            let state = node.map { $0.state.name } ?? "unknown"
            let failure = storageFailures[cell.nid].map { ", last connection: \($0)" } ?? ""
            return "\(cell.nid)\(address) (\(cell.state.name), \(state)\(failure))"
        }
        return "partition \(partition) is on \(cells.isEmpty ? "no node" : cells.joined(separator: ", "))"
    }
}
