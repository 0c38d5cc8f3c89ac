import NEOEngine
import NEOProtocol
import NEOTopology
import OrderedCollections

/// Who may use this node (`spec/storage.md §6`, `spec/protocol.md §10.5`).
extension StorageCore {
    /// What a peer that is not identified sends.
    mutating func introduced(
        _ id: ConnectionID,
        _ request: UInt32,
        _ packet: Packet,
        _ context: inout Context
    ) throws {
        if case .closeClient = packet {
            try close(id, "leaves before it is identified", &context)
            return
        }
        guard case .requestIdentification(let identification) = packet else {
            try unexpected(id, request, packet, &context)
            return
        }
        guard !delayedIdentifications.contains(where: { $0.connection == id }) else {
            try violation(id, request, "expected one identification, got a second one", &context)
            return
        }
        if try identify(id, request, identification, &context) == .blocked {
            delayedIdentifications.append(
                DelayedIdentification(connection: id, request: request, packet: identification)
            )
        }
    }

    /// After each list of nodes from the master.
    mutating func retryIdentifications(_ context: inout Context) throws {
        var remaining: [DelayedIdentification] = []
        let delayed = delayedIdentifications
        delayedIdentifications = []
        for identification in delayed where connections.isOpen(identification.connection) {
            let verdict = try identify(
                identification.connection,
                identification.request,
                identification.packet,
                &context
            )
            if verdict == .blocked { remaining.append(identification) }
        }
        delayedIdentifications = remaining
    }

    private mutating func identify(
        _ id: ConnectionID,
        _ request: UInt32,
        _ packet: RequestIdentification,
        _ context: inout Context
    ) throws -> Verdict {
        guard packet.cluster == configuration.cluster else {
            let message = "invalid cluster name: expected \(configuration.cluster), got \(packet.cluster)"
            try violation(id, request, message, &context)
            return .done
        }
        guard phase == .operation, let ownNID = nid else {
            try refuse(id, request, .notReady, "not in operation", &context)
            return .done
        }
        guard packet.type == .client || packet.type == .storage else {
            try violation(id, request, "expected a client or a storage, got \(packet.type.name)", &context)
            return .done
        }
        guard let peerNID = packet.nid else {
            guard packet.type == .storage else {
                try violation(id, request, "expected the id of the client, got none", &context)
                return .done
            }
            unidentified[id] = nil
            peers[id]?.role = .storage(nil)
            let answer = AcceptIdentification(type: .storage, nid: nil, yourNID: nil)
            connections.answer(id, to: request, answer, &context)
            return .done
        }
        guard peerNID != ownNID else {
            try violation(id, request, "\(peerNID) is the id of this node", &context)
            return .done
        }
        let node = nodes[peerNID]
        guard let node, node.idTimestamp == packet.idTimestamp else {
            // The master tells nodes in the order of these timestamps: a later one is still to come.
            if let timestamp = packet.idTimestamp, nodes.timestamp.map({ $0 < timestamp }) ?? true { return .blocked }
            try refuse(id, request, .notReady, "\(peerNID) is unknown by the master", &context)
            return .done
        }
        guard node.type == packet.type else {
            let message = "\(peerNID) is a \(node.type.name), got \(packet.type.name)"
            try violation(id, request, message, &context)
            return .done
        }
        guard attached[peerNID] == nil, packet.type == .client || accept(peerNID, on: id, &context) else {
            try violation(id, request, "\(peerNID) is already connected", &context)
            return .done
        }
        attached[peerNID] = id
        unidentified[id] = nil
        peers[id]?.role =
            packet.type == .client ? .client(peerNID, isReadOnly: backupTID != nil) : .storage(peerNID)
        let answer = AcceptIdentification(type: .storage, nid: ownNID, yourNID: peerNID)
        connections.answer(id, to: request, answer, &context)
        context.log(.debug, "accepted \(name(id))")
        if packet.type == .storage { try storageConnected(peerNID, &context) }
        return .done
    }

    /// The connection of a client or of a storage is over (`spec/storage.md §9.11`).
    ///
    /// What a client did not vote is aborted: it would take no part in the avoidance of deadlocks any more. What it
    /// voted may be committed by the master.
    mutating func peerLost(_ id: ConnectionID, _ context: inout Context) throws {
        guard let peer = peers.removeValue(forKey: id) else { return }
        unidentified[id] = nil
        delayedIdentifications.removeAll { $0.connection == id }
        _ = delayedReads.removeAll(of: id)
        for event in delayedWrites.removeAll(of: id) {
            transactions.update(event.key) { $0.delayedCount -= 1 }
        }
        if let nid = peer.nid, attached[nid] == id { attached[nid] = nil }
        guard case .client(let nid, _) = peer.role else { return }
        for ttid in transactions.ttids(where: { $0.owner == nid && !$0.isVoted }) { try abort(ttid, &context) }
    }
}
