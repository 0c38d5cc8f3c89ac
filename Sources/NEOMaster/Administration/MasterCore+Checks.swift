import NEOEngine
import NEOProtocol
import NEOTopology
import OrderedCollections

/// Commands that storages execute (`spec/master.md §14.6, §14.7`).
extension MasterCore {
    mutating func repair(_ command: Repair, _ source: Source, _ context: inout Context) {
        for nid in command.nids where registry.connection(of: nid) == nil {
            return deny(source, "invalid storage node \(nid)", &context)
        }
        for nid in command.nids {
            guard let connection = registry.connection(of: nid) else { continue }
            connections.notify(connection, NotifyRepair(dryRun: command.dryRun), &context)
        }
        acknowledge(source, "", &context)
    }

    mutating func checkReplicas(_ command: CheckReplicas, _ source: Source, _ context: inout Context) {
        for (partition, nid) in command.partitions {
            guard table.rows.indices.contains(partition) else {
                return deny(source, "no partition \(partition): there are \(table.partitions) partitions", &context)
            }
            if let nid, registry[nid]?.type != .storage || registry[nid]?.node.address == nil {
                return deny(source, "invalid storage node \(nid)", &context)
            }
        }
        let max = command.max ?? transactions.last
        if command.min > max {
            context.log(.warning, "nothing to check: \(command.min) is after \(max)")
        } else {
            var checking: Set<NID> = []
            for (partition, nid) in command.partitions {
                let cells = table.cells(of: partition).filter(\.state.isReadable)
                guard cells.count > 1, let last = cells.last else { continue }
                let checker = cells.first { checking.contains($0.nid) }?.nid ?? last.nid
                guard let connection = registry.connection(of: checker) else { continue }
                checking.insert(checker)
                let replica = ReplicationSource(cluster: "", address: nid.flatMap { registry[$0]?.node.address })
                connections.notify(
                    connection,
                    CheckPartition(partition: partition, source: replica, min: command.min, max: max),
                    &context
                )
            }
        }
        acknowledge(source, "", &context)
    }
}
