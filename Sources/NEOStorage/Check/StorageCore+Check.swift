import DequeModule
import NEODatabase
import NEOEngine
import NEOProtocol
import NEOTopology

/// Compares the cells of a partition, when the master orders it (`spec/replication.md §8.3`).
extension StorageCore {
    /// `CheckPartition`
    mutating func check(_ order: CheckPartition, _ context: inout Context) throws {
        checkOrders.removeAll { $0.partition == order.partition }
        checkOrders.append(order)
        try checkNext(&context)
    }

    func isChecking(with peer: NID) -> Bool { currentCheck?.participants.contains(peer) ?? false }

    private mutating func checkNext(_ context: inout Context) throws {
        while currentCheck == nil, let order = checkOrders.popFirst() {
            guard let check = begin(order, &context) else { continue }
            currentCheck = check
            context.log(.info, "checking partition \(check.partition) at \(check.participants)")
            for peer in check.peers { _ = use(peer, &context) }
            try askChecked(&context)
        }
    }

    /// - Returns: nil if there is nothing to compare with.
    private mutating func begin(_ order: CheckPartition, _ context: inout Context) -> ReplicaCheck? {
        guard let table, let nid else { return nil }
        guard let state = table.state(of: order.partition, at: nid), state != .outOfDate else {
            context.log(.error, "partition \(order.partition) cannot be checked: there is no complete cell here")
            return nil
        }
        guard order.source.cluster.isEmpty else {
            context.log(
                .error,
                "partition \(order.partition) cannot be checked with \(order.source.cluster): backup mode is not implemented"
            )
            return nil
        }
        let peers = table.cells(of: order.partition).filter { cell in
            guard cell.nid != nid, cell.state.isReadable, let node = nodes[cell.nid] else { return false }
            return node.state == .running && node.address != nil
        }
        .map(\.nid)
        var reference: NID?
        if let address = order.source.address {
            reference = address == self.address ? nid : peers.first { nodes[$0]?.address == address }
            guard reference != nil else {
                context.log(.error, "partition \(order.partition) cannot be checked: unavailable source \(address)")
                return nil
            }
        }
        guard !peers.isEmpty else {
            context.log(
                .error,
                "partition \(order.partition) cannot be checked: there is no other cell to compare with"
            )
            return nil
        }
        lastCheck += 1
        return ReplicaCheck(order, own: nid, peers: peers, reference: reference, serial: lastCheck)
    }

    /// Asks those who are connected for the chunk, and begins to compute the own digest. To be called whenever somebody
    /// may have become ready.
    mutating func askChecked(_ context: inout Context) throws {
        guard var check = currentCheck else { return }
        guard let nid, let state = table?.state(of: check.partition, at: nid), state != .outOfDate else {
            return try endCheck("the cell is not complete any more", &context)
        }
        guard !transactions.hidesTransactions(through: check.max) else { return }
        for peer in check.peers {
            guard links[peer]?.isIdentified == true, let connection = attached[peer], check.ask(peer) else { continue }
            let pending = Pending.check(serial: check.serial)
            switch check.request {
            case .askCheckTIDRange(let ask): connections.ask(connection, ask, then: pending, &context)
            case .askCheckSerialRange(let ask): connections.ask(connection, ask, then: pending, &context)
            default: break
            }
        }
        if check.ask(check.own) {
            switch check.request {
            case .askCheckTIDRange(let ask): check.digest = CellDigest(ask)
            case .askCheckSerialRange(let ask): check.digest = CellDigest(ask)
            default: break
            }
            context.startTimer(Timer.check, milliseconds: 0)
        }
        currentCheck = check
    }

    /// One slice of the own digest.
    mutating func digestNext(_ context: inout Context) throws {
        guard var digest = currentCheck?.digest, let check = currentCheck else { return }
        if try digest.advance(reader, rows: 1000) {
            currentCheck?.digest = nil
            currentCheck?.answered(digest.answer, by: check.own, serial: check.serial)
            try compareChecked(&context)
        } else {
            currentCheck?.digest = digest
            let rest = pace.rest(after: 1000, bytes: 0, now: context.now, configuration.replication)
            context.startTimer(Timer.check, milliseconds: rest)
        }
    }

    mutating func answeredCheck(
        _ packet: Packet,
        serial: UInt64,
        from id: ConnectionID,
        _ context: inout Context
    ) throws {
        guard let peer = links.nid(of: id) else { return }
        currentCheck?.answered(packet, by: peer, serial: serial)
        try compareChecked(&context)
    }

    mutating func failedCheck(
        _ error: ErrorPacket,
        serial: UInt64,
        from id: ConnectionID,
        _ context: inout Context
    ) throws {
        guard let peer = links.nid(of: id), currentCheck?.serial == serial else { return }
        try checkedLost(peer, "\(error.code.name) \(error.message)", &context)
    }

    private mutating func compareChecked(_ context: inout Context) throws {
        guard let check = currentCheck else { return }
        lastCheck += 1
        guard case .compared(let corrupted, let isOver)? = currentCheck?.compare(next: lastCheck) else { return }
        if !corrupted.isEmpty {
            context.log(.error, "partition \(check.partition) is corrupted at \(corrupted)")
            if case .connected(let master) = link {
                connections.notify(
                    master,
                    NotifyPartitionCorrupted(partition: check.partition, nids: corrupted),
                    &context
                )
            }
        }
        if isOver {
            let isAbandoned = !(currentCheck?.isPossible ?? false)
            try endCheck(isAbandoned ? "fewer than two cells are left" : nil, &context)
        } else {
            try askChecked(&context)
        }
    }

    // MARK: Peers

    mutating func checkedConnected(_ peer: NID, _ context: inout Context) throws {
        if isChecking(with: peer) { try askChecked(&context) }
    }

    mutating func checkedLost(_ peer: NID, _ reason: String, _ context: inout Context) throws {
        guard isChecking(with: peer) else { return }
        context.log(.warning, "\(peer) does not take part in the check any more: \(reason)")
        currentCheck?.remove(peer)
        if currentCheck?.isPossible == true {
            try compareChecked(&context)
        } else {
            try endCheck("fewer than two cells are left, or the reference is lost", &context)
        }
    }

    private mutating func endCheck(_ problem: String?, _ context: inout Context) throws {
        guard let check = currentCheck else { return }
        currentCheck = nil
        if let problem {
            context.log(.error, "the check of partition \(check.partition) is abandoned: \(problem)")
        } else {
            context.log(.info, "partition \(check.partition) is checked")
        }
        for peer in check.peers { release(peer, &context) }
        try checkNext(&context)
    }
}
