import NEOEngine
import NEOProtocol
import NEOTopology
import OrderedCollections

/// The side of `neoctl` (`spec/tools.md §10.3`).
extension AdminCore {
    mutating func accept(_ id: ConnectionID, from peer: NodeAddress, _ context: inout CoreContext<Never>) {
        if requesters.count >= configuration.limits.connections {
            let idle = requesters.filter { $0.value.pendingCount == 0 }
            // The order of ids decides between equals, so that runs can be replayed.
            let oldest = (idle.isEmpty ? requesters : idle).min {
                ($0.value.lastUse, $0.key) < ($1.value.lastUse, $1.key)
            }
            if let oldest, let connection = connections.close(oldest.key, &context) {
                context.log(.warning, "too many connections: closing \(connection.peer) (\(connection.id))")
                lost(connection, "too many connections", &context)
            }
        }
        connections.accepted(id, from: peer)
        requesters[id] = Requester(lastUse: context.now)
    }

    /// A request or notification of somebody who connected to this node.
    mutating func requested(
        _ id: ConnectionID,
        _ request: UInt32,
        _ packet: Packet,
        _ context: inout CoreContext<Never>
    ) {
        switch packet {
        case .requestIdentification, .askPrimary, .askClusterState, .askNodeList, .askPartitionList,
            .askMonitorInformation, .flushLog, .addPendingNodes, .askLastIDs, .askLastTransaction, .askRecovery,
            .checkReplicas, .repair, .setClusterState, .setNodeState, .setNumReplicas, .truncate,
            .tweakPartitionTable:
            guard case .connected(let master, let masterNID) = link else {
                requesters[id] = nil
                connections.abort(id, about: request, .notReady, Self.notConnected, &context)
                return
            }
            answer(id, request, packet, master, masterNID, &context)
        case .closeClient:
            guard let connection = connections.closeAfterFlush(id, &context) else { return }
            lost(connection, "asked by the peer", &context)
        default: violation(id, request, "unexpected packet: \(packet.code) is not for an administration node", &context)
        }
    }

    private mutating func answer(
        _ id: ConnectionID,
        _ request: UInt32,
        _ packet: Packet,
        _ master: ConnectionID,
        _ masterNID: NID,
        _ context: inout CoreContext<Never>
    ) {
        switch packet {
        case .askPrimary: connections.answer(id, to: request, AnswerPrimary(nid: masterNID), &context)
        case .askClusterState:
            connections.answer(id, to: request, AnswerClusterState(state: monitor.clusterState), &context)
        case .askNodeList(let ask):
            let listed = ask.type.map { nodes.all(of: $0) } ?? nodes.all
            connections.answer(id, to: request, AnswerNodeList(nodes: listed.map(\.record)), &context)
        case .askPartitionList(let ask): answer(id, request, ask, &context)
        case .flushLog: connections.notify(master, FlushLog(), &context)
        case .requestIdentification(let identification):
            violation(id, request, refusal(of: identification), &context)
        case .askMonitorInformation:
            guard reserve(id, request, &context) else { return }
            reportRequested(Report(requester: id, request: request), &context)
        case .addPendingNodes(let ask): forward(id, request, ask, master, &context)
        case .askLastIDs(let ask): forward(id, request, ask, master, &context)
        case .askLastTransaction(let ask): forward(id, request, ask, master, &context)
        case .askRecovery(let ask): forward(id, request, ask, master, &context)
        case .checkReplicas(let ask): forward(id, request, ask, master, &context)
        case .repair(let ask): forward(id, request, ask, master, &context)
        case .setClusterState(let ask): forward(id, request, ask, master, &context)
        case .setNodeState(let ask): forward(id, request, ask, master, &context)
        case .setNumReplicas(let ask): forward(id, request, ask, master, &context)
        case .truncate(let ask): forward(id, request, ask, master, &context)
        case .tweakPartitionTable(let ask): forward(id, request, ask, master, &context)
        default: break
        }
    }

    private mutating func forward(
        _ id: ConnectionID,
        _ request: UInt32,
        _ packet: some RequestPayload,
        _ master: ConnectionID,
        _ context: inout CoreContext<Never>
    ) {
        guard reserve(id, request, &context) else { return }
        if isOrder(packet.packet) { context.log(.info, "\(peer(id)) orders \(order(packet.packet))") }
        connections.ask(master, packet, then: .forwarded(requester: id, request: request), &context)
    }

    private func isOrder(_ packet: Packet) -> Bool {
        switch packet {
        case .askLastIDs, .askLastTransaction, .askRecovery: false
        default: true
        }
    }

    /// An order of an operator as a line of the log has it (`spec/tools.md §21.19`).
    private func order(_ packet: Packet) -> String {
        func list(_ nids: [NID]) -> String {
            nids.prefix(100).map(\.description).joined(separator: ", ") + (nids.count > 100 ? ", …" : "")
        }
        return switch packet {
        case .addPendingNodes(let order): "to add \(list(order.nids))"
        case .checkReplicas(let order): "a check of \(order.partitions.count) partitions"
        case .repair(let order): "\(order.dryRun ? "a search for orphans" : "a repair") at \(list(order.nids))"
        case .setClusterState(let order): "state \(order.state.name)"
        case .setNodeState(let order): "\(order.nid) to be \(order.state.name)"
        case .setNumReplicas(let order): "\(order.replicas) replicas"
        case .truncate(let order): "a truncation after \(order.tid)"
        case .tweakPartitionTable(let order):
            "a\(order.dryRun ? " simulated" : "") tweak\(order.excluded.isEmpty ? "" : " without \(list(order.excluded))")"
        default: "\(packet.code)"
        }
    }

    /// Counts one more request that waits for an answer.
    private mutating func reserve(
        _ id: ConnectionID,
        _ request: UInt32,
        _ context: inout CoreContext<Never>
    ) -> Bool {
        let limit = configuration.limits.pendingRequests
        guard let requester = requesters[id], requester.pendingCount < limit else {
            violation(id, request, "more than \(limit) requests without waiting for their answers", &context)
            return false
        }
        requesters[id]?.pendingCount += 1
        return true
    }

    private func refusal(of identification: RequestIdentification) -> String {
        identification.type == .admin
            ? "unknown backup cluster '\(identification.cluster)'" : "reject non-admin node"
    }

    private func answer(
        _ id: ConnectionID,
        _ request: UInt32,
        _ ask: AskPartitionList,
        _ context: inout CoreContext<Never>
    ) {
        guard let table else {
            // Between the identification and the first table.
            connections.fail(id, to: request, .notReady, "The partition table is not known yet.", &context)
            return
        }
        let end = ask.max == 0 ? table.partitions : ask.max
        guard ask.min >= 0, ask.min <= end, end <= table.partitions else {
            connections.fail(id, to: request, .protocolError, "invalid partition table offset", &context)
            return
        }
        let rows = Array(table.rows[ask.min..<end])
        let answer = AnswerPartitionList(ptid: table.ptid, replicas: table.replicas, rows: rows)
        connections.answer(id, to: request, answer, &context)
    }
}
