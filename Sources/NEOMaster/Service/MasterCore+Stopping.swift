import NEOEngine
import NEOProtocol
import NEOTopology

/// STOPPING: the commits in progress end, then everything does (`spec/master.md §8`).
extension MasterCore {
    mutating func enterStopping(_ context: inout Context) {
        clusterState = .stopping
        context.log(.info, "the cluster is STOPPING")
        for node in registry.identified {
            guard let connection = node.connection else { continue }
            connections.notify(connection, NotifyClusterInformation(state: .stopping), &context)
        }
    }

    mutating func shutDownIfIdle(_ context: inout Context) {
        guard transactions.isEmpty, departure != .done else { return }
        departure = .done
        context.log(.info, "no transaction is in progress: all nodes are told to stop")
        let timestamp = timestamps.next(context.wallTime)
        for node in registry.identified(.storage) {
            guard let connection = node.connection else { continue }
            var record = node.node.record
            record.state = .down
            record.idTimestamp = nil
            connections.notify(connection, NotifyNodeInformation(timestamp: timestamp, nodes: [record]), &context)
        }
        for connection in connections.all { connections.closeAfterFlush(connection.id, &context) }
        context.exit(status: 0)
    }
}
