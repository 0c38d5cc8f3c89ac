import NEOEngine
import NEOProtocol
import NEOTopology
import OrderedCollections

extension MasterCore {
    mutating func accept(_ id: ConnectionID, from peer: NodeAddress, _ context: inout Context) {
        connections.accepted(id, from: peer)
        unidentified.append(id)
        let patience = context.buggify(.earlyTimeouts, onceIn: 20) ? 1 : configuration.limits.identificationMilliseconds
        context.startTimer(.identification(id), milliseconds: patience)
        if unidentified.count > configuration.limits.unidentifiedConnections, let oldest = unidentified.first {
            disconnect(oldest, "too many connections that did not identify", &context)
        }
    }

    mutating func receive(_ id: ConnectionID, _ frame: Frame, _ context: inout Context) {
        let source = Source(connection: id, request: frame.id)
        switch connections.receive(id, frame, &context) {
        case .dropped:
            break
        case .packet(_, let packet):
            dispatch(packet, source, &context)
        case .answer(let packet, let pending):
            dispatch(packet, answering: pending, source, &context)
        case .failure(let error, let pending):
            failed(pending, error, source, &context)
        case .complaint(let error):
            guard error.code == .ack || error.code == .protocolError else {
                return refuse(source, "unexpected error \(error.code.name) \(error.message)", &context)
            }
            context.log(.warning, "\(describe(id)) complains: \(error.code.name) \(error.message)")
        case .unexpectedAnswer(_, let packet):
            refuse(source, "unexpected answer \(packet.code)", &context)
        }
    }

    /// What a peer may send depends on who it is (`spec/master.md §15`).
    private mutating func dispatch(_ packet: Packet, _ source: Source, _ context: inout Context) {
        if case .closeClient = packet {
            return disconnect(source.connection, "asked by the peer", &context)
        }
        guard let node = registry[source.connection] else {
            return dispatchUnidentified(packet, source, &context)
        }
        if case .flushLog = packet {
            for other in registry.identified where other.key != node.key {
                if let id = other.connection { connections.notify(id, FlushLog(), &context) }
            }
            return
        }
        if answerCommonQuestion(packet, source, &context) { return }
        switch node.type {
        case .storage: handle(packet, from: node, storage: source, &context)
        case .client: handle(packet, from: node, client: source, &context)
        case .admin: handle(packet, admin: source, &context)
        case .master: unexpected(packet, source, &context)
        }
    }

    private mutating func dispatchUnidentified(
        _ packet: Packet,
        _ source: Source,
        _ context: inout Context
    ) {
        switch packet {
        case .requestIdentification(let request) where source.connection.direction == .incoming:
            identify(request, source, &context)
        case .notPrimaryMaster(let answer) where source.connection.direction == .outgoing:
            electionRedirected(answer, source, &context)
        case .notifyNodeInformation(let information) where source.connection.direction == .outgoing:
            electionInformed(information, source, &context)
        case .notifyClusterInformation(let information) where source.connection.direction == .outgoing:
            electionInformed(information, source, &context)
        case .flushLog where source.connection.direction == .outgoing:
            break
        default:
            unexpected(packet, source, &context)
        }
    }

    private mutating func dispatch(
        _ packet: Packet,
        answering pending: Pending,
        _ source: Source,
        _ context: inout Context
    ) {
        if case .identification = pending {
            if case .acceptIdentification(let answer) = packet { electionAccepted(answer, source, &context) }
            return
        }
        guard let nid = registry[source.connection]?.node.nid else { return }
        switch (pending, packet) {
        case (.recovery(period), .answerRecovery(let answer)):
            recoveryAnswered(answer, nid, source, &context)
        case (.partitionTable(period), .answerPartitionTable(let answer)):
            partitionTableAnswered(answer, nid, source, &context)
        case (.presence(period, recovery.round), .pong):
            recovery.isPresent(nid)
        case (.ownTable(period, recovery.round), .answerPartitionTable(let answer)):
            ownTableAnswered(answer, nid, &context)
        case (.lockedTransactions(period), .answerLockedTransactions(let answer)):
            lockedTransactionsAnswered(answer, nid, source, &context)
        case (.finalTID(let ttid, period), .answerFinalTID(let answer)):
            finalTIDAnswered(answer, ttid, nid, source, &context)
        case (.lastIDs(period), .answerLastIDs(let answer)):
            lastIDsAnswered(answer, nid, source, &context)
        case (.packOrders(period), .answerPackOrders(let answer)):
            packOrdersAnswered(answer, nid, &context)
        case (.forgottenPackOrders(let query, period), .answerPackOrders(let answer)):
            forgottenPackOrdersAnswered(answer, query, nid, &context)
        case (.lock(let ttid, period), .answerInformationLocked(let answer)):
            locked(ttid, answer, nid, source, &context)
        case (.recordedTable(let ptid, let partition), .pong):
            records.recorded(ptid, at: nid)
            onlyStorage.recorded(ptid, at: nid)
            removalsRecorded(ptid, at: nid, &context)
            if let partition { discardReplaced([partition], &context) }
        default:
            context.log(.debug, "late \(packet.code) of \(nid) is ignored")
        }
    }

    /// A request failed. Storages only do that when something is wrong with them, and none of the requests can be left
    /// without a result: the node is disconnected and its loss is processed.
    private mutating func failed(
        _ pending: Pending,
        _ error: ErrorPacket,
        _ source: Source,
        _ context: inout Context
    ) {
        disconnect(source.connection, "answered \(error.code.name) \(error.message) to \(pending)", &context)
    }

    // MARK: Ends

    /// Refuses a packet with a protocol error and ends the connection.
    mutating func refuse(_ source: Source, _ text: String, _ context: inout Context) {
        context.log(.warning, "\(describe(source.connection)) is disconnected: \(text)")
        connections.abort(source.connection, about: source.request, .protocolError, text, &context)
        connectionLost(source.connection, nil, &context)
    }

    /// Refuses what cannot be served in this state of the cluster and ends the connection.
    mutating func refuseNotReady(_ source: Source, because text: String = "Retry Later", _ context: inout Context) {
        connections.abort(source.connection, about: source.request, .notReady, text, &context)
        connectionLost(source.connection, nil, &context)
    }

    /// A packet that has no meaning from this peer now. A client is not sent an error about a notification: the
    /// reference one would not survive it (`spec/protocol.md §17`).
    mutating func unexpected(_ packet: Packet, _ source: Source, _ context: inout Context) {
        let text = "unexpected packet \(packet.code) in state \(clusterState.name)"
        if registry[source.connection]?.type == .client, packet.code.answer == nil {
            disconnect(source.connection, text, &context)
        } else {
            refuse(source, text, &context)
        }
    }

    mutating func deny(_ source: Source, _ text: String, _ context: inout Context) {
        connections.fail(source.connection, to: source.request, .denied, text, &context)
    }

    mutating func acknowledge(_ source: Source, _ text: String, _ context: inout Context) {
        connections.fail(source.connection, to: source.request, .ack, text, &context)
    }

    /// Closes a connection once what was sent to it is written, and processes its loss.
    mutating func disconnect(_ id: ConnectionID, _ reason: String, _ context: inout Context) {
        context.log(.warning, "\(describe(id)) is disconnected: \(reason)")
        connections.closeAfterFlush(id, &context)
        connectionLost(id, nil, &context)
    }

    /// The connection is not in the table any more: what it meant is undone.
    ///
    /// - Parameter reason: to log; nil if it was said already.
    mutating func connectionLost(_ id: ConnectionID, _ reason: String?, _ context: inout Context) {
        if unidentified.remove(id) != nil { context.cancelTimer(.identification(id)) }
        delayed.removeAll { $0.source.connection == id }
        packs.forget(id)
        transactions.forgetWaiters(id)
        guard let node = registry[id] else { return electionConnectionLost(id, reason ?? "", &context) }
        if let reason { context.log(.info, "\(node) left: \(reason)") }
        registry.update(node.key) { $0.connection = nil }
        switch node.type {
        case .admin:
            registry.remove(node.key)
        case .client:
            clientLost(node, &context)
        case .master:
            guard node.state != .down else { return }
            registry.setState(.down, of: node.key)
            tell([node.key], &context)
            planConnections(&context)
        case .storage:
            if let nid = node.node.nid { removalsLost(nid, &context) }
            if clusterState == .recovering {
                storageLostInRecovery(node, &context)
            } else {
                storageLost(node, &context)
            }
        }
    }

    func describe(_ id: ConnectionID) -> String {
        if let node = registry[id] { return "\(node)" }
        return "unidentified peer \(connections[id]?.peer.description ?? "\(id)")"
    }
}
