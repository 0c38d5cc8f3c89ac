import NEOProtocol

/// A packet on a short line: its name and what tests look at.
func brief(_ packet: Packet) -> String {
    let name = "\(packet.code)"
    let detail: String =
        switch packet {
        case .notifyNodeInformation(let information):
            information.nodes.map { node in
                "\(node.nid?.description ?? node.address?.description ?? "?") \(node.state.name)"
            }.joined(separator: ", ")
        case .notifyPartitionChanges(let changes):
            "\(changes.ptid)"
                + changes.cells.map { " (\($0.partition) \($0.nid) \($0.state.letter))" }.joined()
        case .sendPartitionTable(let table): table.ptid.map { "\($0)" } ?? "none"
        case .notifyClusterInformation(let information): information.state.name
        case .error(let error): "\(error.code.name) \(error.message)"
        case .acceptIdentification(let answer): answer.yourNID?.description ?? "nobody"
        case .invalidateObjects(let invalidation):
            "[\(invalidation.oids.map { "\($0.rawValue)" }.joined(separator: " "))]"
        case .invalidatePartitions(let invalidation):
            "[\(invalidation.partitions.map { "\($0)" }.joined(separator: " "))]"
        case .notPrimaryMaster(let answer):
            "\(answer.primaryIndex.map { answer.masters[$0].description } ?? "none") of \(answer.masters.count)"
        default: ""
        }
    return detail.isEmpty ? name : "\(name) \(detail)"
}
