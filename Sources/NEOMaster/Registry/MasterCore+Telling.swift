import NEOEngine
import NEOProtocol
import NEOTopology

/// Who is told about what (`spec/master.md §2.7, §10.2`).
extension MasterCore {
    /// Tells the present state of nodes to those that are entitled to know.
    mutating func tell(_ keys: [NodeKey], _ context: inout Context) {
        tell(keys.compactMap { registry[$0] }, &context)
    }

    /// Tells that nodes are forgotten. They must not be in the registry any more.
    mutating func tellForgotten(_ nodes: [RegisteredNode], _ context: inout Context) {
        tell(
            nodes.map { node in
                var node = node
                node.node.state = .unknown
                return node
            },
            &context
        )
    }

    mutating func tell(_ nodes: [RegisteredNode], _ context: inout Context) {
        guard !nodes.isEmpty else { return }
        let timestamp = timestamps.next(context.wallTime)
        for destination in registry.all {
            guard let connection = destination.connection else { continue }
            let records = nodes.filter { destination.isEntitledToKnow($0) }.map(\.node.record)
            guard !records.isEmpty else { continue }
            connections.notify(connection, NotifyNodeInformation(timestamp: timestamp, nodes: records), &context)
        }
    }

    /// All that a node that just identified is entitled to know, itself first.
    mutating func tellAll(to destination: RegisteredNode, _ context: inout Context) {
        guard let connection = destination.connection else { return }
        let others = registry.all.filter { $0.key != destination.key && destination.isEntitledToKnow($0) }
        connections.notify(
            connection,
            NotifyNodeInformation(
                timestamp: timestamps.next(context.wallTime),
                nodes: [destination.node.record] + others.map(\.node.record)
            ),
            &context
        )
    }

    /// Increments the PTID and tells the changes, that were applied to the table, to all but masters.
    mutating func tell(_ changes: [CellChange], _ context: inout Context) {
        guard !changes.isEmpty else { return }
        advanceTable(changes, &context)
    }

    mutating func advanceTable(_ changes: [CellChange], _ context: inout Context) {
        table.advance()
        guard let ptid = table.ptid else { return }
        recovery.saw(ptid: ptid)
        let notification = NotifyPartitionChanges(ptid: ptid, replicas: table.replicas, cells: changes)
        for node in registry.all {
            guard let connection = node.connection, node.type != .master, !isHeldBack(node) else { continue }
            // In RECOVERING, a storage that has another table must not be given changes (`spec/master.md §18.3`).
            if clusterState == .recovering {
                guard node.type != .client else { continue }
                if node.type == .storage {
                    guard let nid = node.node.nid, recovery.ptid(of: nid) == ptid - 1 else { continue }
                    recovery.advance(nid, to: ptid)
                }
            }
            connections.notify(connection, notification, &context)
        }
        if clusterState == .recovering { recovery.advanceTarget(to: ptid) }
        context.log(.info, "partition table \(ptid): \(changes.count) cells changed, \(describeCells())")
        guard clusterState == .running || clusterState == .stopping else { return }
        if let nid = onlyStorage.changed(to: table) { askWhetherRecorded([nid], &context) }
        // The last cells that had not executed an order may be gone.
        recomputePackCompletion(&context)
    }

    var fullTable: SendPartitionTable {
        SendPartitionTable(ptid: table.ptid, replicas: table.replicas, rows: table.rows)
    }

    func describeCells() -> String {
        let counts = table.cellCounts
        return CellState.allCases.compactMap { state in counts[state].map { "\($0) \(state.name)" } }
            .joined(separator: ", ")
    }
}

extension RegisteredNode {
    func isEntitledToKnow(_ other: RegisteredNode) -> Bool {
        switch other.type {
        case .master: true
        case .storage: type != .master
        case .client: type == .admin || type == .storage
        case .admin:
            type == .client && (backupCluster.map(other.monitoredClusters.contains) ?? false)
        }
    }
}
