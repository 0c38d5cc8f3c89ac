import NEODatabase
import NEOEngine
import NEOProtocol
import NEOTopology
import OrderedCollections

/// What the primary master tells and asks (`spec/storage.md §5, §7`).
extension StorageCore {
    mutating func told(
        _ id: ConnectionID,
        _ request: UInt32,
        _ packet: Packet,
        _ context: inout Context
    ) throws {
        switch packet {
        case .closeClient, .flushLog: return
        default: break
        }
        switch (phase, packet) {
        case (.bootstrap, .notPrimaryMaster(let redirection)) where !isMaster(id):
            search.redirect(redirection)
            if let connection = connections.close(id, &context) { try lost(connection, "not the primary", &context) }
        case (.initialisation, _): try initialisation(id, request, packet, &context)
        case (.operation, _): try operation(id, request, packet, &context)
        case (.bootstrap, _), (.leaving, _): try unexpected(id, request, packet, &context)
        }
    }

    private mutating func operation(
        _ id: ConnectionID,
        _ request: UInt32,
        _ packet: Packet,
        _ context: inout Context
    ) throws {
        switch packet {
        case .askLockInformation(let lock):
            pace.servedForeground(context.now)
            try self.lock(lock, from: id, request, &context)
        case .notifyUnlockInformation(let unlock): try self.unlock(unlock.ttid, from: id, request, &context)
        case .startOperation(let start) where start.backup:
            _ = try setBackup(true, then: .none, &context)
        case .replicate(let order):
            context.log(.warning, "order to replicate \(order.partitions.keys) ignored: backup mode is not implemented")
        case .checkPartition(let order): try check(order, &context)
        default: try common(id, request, packet, &context)
        }
    }

    /// What is accepted in initialisation and in operation.
    mutating func common(
        _ id: ConnectionID,
        _ request: UInt32,
        _ packet: Packet,
        _ context: inout Context
    ) throws {
        switch packet {
        case .notifyNodeInformation(let information): try apply(information, from: id, request, &context)
        case .notifyClusterInformation(let information):
            if clusterState != information.state { context.log(.info, "cluster state: \(information.state.name)") }
            clusterState = information.state
        case .notifyPartitionChanges(let changes): try apply(changes, from: id, request, &context)
        case .notifyPackSigned(let signed): try self.signed(signed, &context)
        case .notifyRepair(let repair): try beginRepair(dryRun: repair.dryRun, &context)
        case .askPackOrders(let ask):
            if waitsForDatabase(request, packet) { return }
            let partitions = readable.indices.filter { readable[$0] }
            let orders = try reader.packOrders(from: ask.min, in: partitions, of: readable.count)
            connections.answer(id, to: request, AnswerPackOrders(orders: orders), &context)
        case .askFinalTID(let ask):
            if transactions[ask.ttid] == nil, waitsForDatabase(request, packet) { return }
            try answerFinalTID(of: ask.ttid, to: id, request, &context)
        case .abortTransaction(let abort): try ended(abort.ttid, at: nil, &context)
        case .notifyTransactionFinished(let finished): try ended(finished.ttid, at: finished.tid, &context)
        case .stopOperation:
            context.log(.info, "operation is stopped")
            interrupt(&context)
            phase = .initialisation
        default: try unexpected(id, request, packet, &context)
        }
    }

    mutating func unexpected(
        _ id: ConnectionID,
        _ request: UInt32,
        _ packet: Packet,
        _ context: inout Context
    ) throws {
        try violation(id, request, "unexpected packet \(packet.code) in \(phase)", &context)
    }

    /// `spec/storage.md §7`, `NotifyNodeInformation`.
    private mutating func apply(
        _ information: NotifyNodeInformation,
        from id: ConnectionID,
        _ request: UInt32,
        _ context: inout Context
    ) throws {
        let update: NodeTable.Update
        do {
            update = try nodes.apply(information, keeping: table?.nids ?? [])
        } catch {
            try violation(id, request, "\(error)", &context)
            return
        }
        search.update(learning: update.masters, forgetting: update.abandonedAddresses)
        for node in update.forgotten {
            // A node that left must not keep an id that may be given to another one.
            if let nid = node.nid, let connection = attached[nid] {
                if let closed = connections.close(connection, &context) {
                    try lost(closed, "unknown to the master", &context)
                }
            }
        }
        try retryIdentifications(&context)
        // A source may have come.
        try replicateNext(&context)
        for record in information.nodes {
            guard let nid = record.nid else { continue }
            if nid == self.nid {
                if record.state == .down || record.state == .unknown { return leave(as: record.state, &context) }
            } else if record.type == .client, record.state != .running {
                let owned = transactions.ttids { $0.owner == nid && !$0.isLocked }
                for ttid in owned { try abort(ttid, &context) }
            }
        }
        learnIDs(of: information.nodes, &context)
    }

    /// Remembers the greatest id of a storage, for masters, which have no disk: the id of a storage that was forgotten must
    /// not be given to another one.
    private mutating func learnIDs(of nodes: [NodeRecord], _ context: inout Context) {
        let greatest = nodes.compactMap(\.nid).filter { $0.type == .storage }.max()
        guard let greatest, greatest > max(lastNID ?? NID(0), nid ?? NID(0)) else { return }
        lastNID = greatest
        submit(.setLastNID(greatest), &context)
    }

    /// Whether a master sets this node DOWN.
    func isOrderToStop(_ packet: Packet) -> Bool {
        guard case .notifyNodeInformation(let information) = packet, let nid else { return false }
        return information.nodes.contains { $0.nid == nid && $0.state == .down }
    }

    /// Leaves because the master set this node DOWN, or UNKNOWN: then its data is not wanted any more.
    mutating func leave(as state: NodeState, _ context: inout Context) {
        if state == .unknown {
            context.log(.warning, "dropped from the cluster: the database is erased")
            leave(.erase, status: 0, &context)
        } else {
            context.log(.info, "shut down by the primary master")
            leave(.flush, status: 0, &context)
        }
    }
}
