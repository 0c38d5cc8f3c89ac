import MessagePack
import NEOEngine
import NEOProtocol
import NEOTopology
import OrderedCollections

/// The side of the primary master (`spec/tools.md §10.2`).
extension AdminCore {
    /// The connection with the primary master, if any.
    var master: ConnectionID? {
        if case .connected(let id, _) = link { id } else { nil }
    }

    mutating func attempt(_ context: inout CoreContext<Never>) {
        switch search.attempt(now: context.now) {
        case .connect(let address): link = .attempting(connections.connect(to: address, &context))
        case .wait(let milliseconds):
            link = .waiting
            context.startTimer(Timer.search, milliseconds: milliseconds)
        }
    }

    mutating func identify(_ id: ConnectionID, _ context: inout CoreContext<Never>) {
        let request = RequestIdentification(
            type: .admin,
            nid: nid,
            address: address,
            cluster: configuration.cluster,
            idTimestamp: nil,
            extra: Properties(["backup": .array([])])
        )
        connections.ask(id, request, then: .identification, &context)
        context.startTimer(Timer.identification, milliseconds: Self.identificationMilliseconds)
    }

    /// What to do once a connection is over, whoever ended it.
    mutating func lost(
        _ connection: Connection<Pending>,
        _ reason: String,
        _ context: inout CoreContext<Never>
    ) {
        switch link {
        case .connected(connection.id, _): masterLost(connection, reason, &context)
        case .attempting(connection.id):
            context.cancelTimer(Timer.identification)
            context.log(.debug, "master \(connection.peer): \(reason)")
            attempt(&context)
        default:
            requesters[connection.id] = nil
            reports.removeAll { $0.requester == connection.id }
        }
    }

    private mutating func masterLost(
        _ connection: Connection<Pending>,
        _ reason: String,
        _ context: inout CoreContext<Never>
    ) {
        let wasStopping = monitor.clusterState == .stopping
        context.log(wasStopping ? .info : .error, "primary master is down: \(reason)")
        link = .waiting
        nid = configuration.nid
        monitor.clusterState = nil
        isQuerying = false
        context.cancelTimer(Timer.monitor)
        for case .forwarded(let requester, let request) in connection.pendingRequests {
            requesters[requester] = nil
            connections.abort(requester, about: request, .protocolError, "connection to master lost", &context)
        }
        report(ClusterMonitor.disconnected, &context)
        if wasStopping {
            context.exit(status: 0)
        } else {
            attempt(&context)
        }
    }

    // MARK: Answers

    mutating func answered(
        _ id: ConnectionID,
        _ packet: Packet,
        to pending: Pending,
        _ context: inout CoreContext<Never>
    ) {
        switch (pending, packet) {
        case (.identification, .acceptIdentification(let accepted)): self.accepted(id, accepted, &context)
        case (.clusterState, .answerClusterState(let answer)):
            if let state = answer.state { clusterStateChanged(state, &context) }
        case (.forwarded(let requester, let request), let packet):
            requesters[requester]?.pendingCount -= 1
            if let answer = packet.payload as? any AnswerPayload {
                connections.answer(requester, to: request, answer, &context)
            }
        case (.monitoredRecovery, .answerRecovery(let answer)): monitor.backupTID = answer.backupTID
        case (.monitoredLastTransaction, .answerLastTransaction(let answer)):
            monitor.lastTID = answer.tid
            queryEnded(&context)
        default: break
        }
    }

    mutating func failed(
        _ id: ConnectionID,
        _ error: ErrorPacket,
        of pending: Pending,
        _ context: inout CoreContext<Never>
    ) {
        switch pending {
        case .identification:
            // The same refusal comes back every second: it is told as loud as the operator needs.
            context.log(
                error.code == .notReady ? .info : .error,
                "\(error.code == .protocolError ? "protocol error" : error.code.name): \(error.message)"
            )
            if let connection = connections.close(id, &context) { lost(connection, error.message, &context) }
        case .forwarded(let requester, let request):
            if error.code == .protocolError {
                requesters[requester] = nil
                connections.abort(requester, about: request, error.code, error.message, &context)
            } else {
                requesters[requester]?.pendingCount -= 1
                connections.answer(requester, to: request, error, &context)
            }
        case .clusterState, .monitoredRecovery, .monitoredLastTransaction:
            // Nothing is known without these answers: begin again with a new connection.
            guard let connection = connections.close(id, &context) else { return }
            lost(connection, "\(error.code.name): \(error.message)", &context)
        }
    }

    private mutating func accepted(
        _ id: ConnectionID,
        _ accepted: AcceptIdentification,
        _ context: inout CoreContext<Never>
    ) {
        guard accepted.type == .master, let masterNID = accepted.nid, let ownNID = accepted.yourNID else {
            violation(id, 0, "expected the ids of a master and of this node, got \(accepted)", &context)
            return
        }
        context.cancelTimer(Timer.identification)
        link = .connected(id, masterNID)
        nid = ownNID
        nodes.beginSession()
        context.log(.info, "identified as \(ownNID) by the primary master \(masterNID) at \(peer(id))")
        connections.ask(id, AskClusterState(), then: .clusterState, &context)
    }

    // MARK: Notifications

    /// A request or notification of a master.
    mutating func told(
        _ id: ConnectionID,
        _ request: UInt32,
        _ packet: Packet,
        _ context: inout CoreContext<Never>
    ) {
        switch packet {
        case .notPrimaryMaster(let redirection) where master != id:
            search.redirect(redirection)
            if let connection = connections.close(id, &context) { lost(connection, "not the primary", &context) }
        case .notifyNodeInformation(let information) where master == id:
            apply(id, request, &context) { (core) throws(TopologyError) in
                // None is kept for the table: that is of the session before, and names storages that may be removed since.
                let update = try core.nodes.apply(information)
                core.search.update(learning: update.masters, forgetting: update.abandonedAddresses)
            }
        case .sendPartitionTable(let table) where master == id:
            apply(id, request, &context) { (core) throws(TopologyError) in
                core.table = try PartitionTable(ptid: table.ptid, replicas: table.replicas, rows: table.rows)
            }
        case .notifyPartitionChanges(let changes) where master == id:
            apply(id, request, &context) { (core) throws(TopologyError) in
                try core.table?.apply(ptid: changes.ptid, replicas: changes.replicas, cells: changes.cells)
            }
        case .notifyClusterInformation(let information) where master == id:
            clusterStateChanged(information.state, &context)
        case .notifyUpstreamAdmin, .flushLog, .closeClient: break
        default: violation(id, request, "unexpected packet: \(packet.code)", &context)
        }
    }

    private mutating func apply(
        _ id: ConnectionID,
        _ request: UInt32,
        _ context: inout CoreContext<Never>,
        _ change: (inout Self) throws(TopologyError) -> Void
    ) {
        do throws(TopologyError) {
            try change(&self)
            monitor.update(table, nodes)
        } catch {
            violation(id, request, "\(error)", &context)
        }
    }

    private mutating func clusterStateChanged(_ state: ClusterState, _ context: inout CoreContext<Never>) {
        if monitor.clusterState != state { context.log(.info, "cluster state: \(state.name)") }
        monitor.clusterState = state
        evaluate(&context)
    }
}
