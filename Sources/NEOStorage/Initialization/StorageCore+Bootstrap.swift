import DequeModule
import MessagePack
import NEODatabase
import NEOEngine
import NEOProtocol
import NEOTopology
import OrderedCollections

/// The search for the primary master (`spec/storage.md §3.3`).
extension StorageCore {
    mutating func attempt(_ context: inout Context) {
        switch search.attempt(now: context.now) {
        case .connect(let address): link = .attempting(connections.connect(to: address, &context))
        case .wait(let milliseconds):
            link = .waiting
            context.startTimer(Timer.search, milliseconds: milliseconds)
        }
    }

    /// Whether this node only asks for an id for a copied database.
    var isCopy: Bool { !configuration.copiedPartitions.isEmpty }

    mutating func identify(_ id: ConnectionID, _ context: inout Context) throws {
        var properties: OrderedDictionary<String, MessagePackValue> = [
            "devpath": .array(configuration.topologyPath.map { .text($0) }),
            "new_nid": .array(configuration.copiedPartitions.map { .integer(Int64($0)) }),
            "ptid": .integer(Int64(try reader.configuration().ptid ?? 0)),
        ]
        if let lastNID { properties["last_nid"] = .integer(Int64(lastNID.rawValue)) }
        let request = RequestIdentification(
            type: .storage,
            nid: isCopy ? nil : nid,
            address: isCopy ? nil : address,
            cluster: configuration.cluster,
            idTimestamp: nil,
            extra: Properties(properties)
        )
        connections.ask(id, request, then: .identification, &context)
        let patience = context.buggify(.earlyTimeouts, onceIn: 20) ? 1 : Self.identificationMilliseconds
        context.startTimer(Timer.identification, milliseconds: patience)
    }

    /// The answer of a master to a request of this node.
    mutating func answered(
        _ id: ConnectionID,
        _ packet: Packet,
        to pending: Pending,
        _ context: inout Context
    ) throws {
        switch (pending, packet) {
        case (.identification, .acceptIdentification(let accepted)): try self.accepted(id, accepted, &context)
        case (.packOrders(let packed, let period), .answerPackOrders(let answer)):
            try receivedPackOrders(answer, after: packed, period: period, &context)
        case (.unfinishedTransactions(let partitions, let request), .answerUnfinishedTransactions(let answer)):
            try answered(answer, partitions, request: request, from: id, &context)
        case (.storageIdentification(let peer), .acceptIdentification(let accepted)):
            try self.accepted(id, by: peer, accepted, &context)
        case (.check(let serial), .answerCheckTIDRange), (.check(let serial), .answerCheckSerialRange):
            try answeredCheck(packet, serial: serial, from: id, &context)
        case (.fetch(let round), .answerFetchTransactions(let answer)):
            try answered(answer, of: round, from: id, &context)
        case (.fetch(let round), .answerFetchObjects(let answer)):
            try answered(answer, of: round, from: id, &context)
        default: break
        }
    }

    mutating func failed(
        _ id: ConnectionID,
        _ error: ErrorPacket,
        of pending: Pending,
        _ context: inout Context
    ) throws {
        if case .fetch(let round) = pending { return try failedFetch(round, error, from: id, &context) }
        if case .check(let serial) = pending { return try failedCheck(error, serial: serial, from: id, &context) }
        guard let connection = connections.close(id, &context) else { return }
        if case .storageIdentification(let peer) = pending {
            context.log(.info, "storage \(peer) does not accept this node: \(error.code.name) \(error.message)")
            return try lost(connection, error.message, &context)
        }
        // The same refusal comes back every second: it is told as loud as the operator needs.
        context.log(
            error.code == .notReady ? .info : .error,
            "master \(connection.peer): \(error.code.name) \(error.message)"
        )
        if case .identification = pending, error.code == .protocolError, let own = nid,
            try !reader.cells().contains(where: { $0.nid == own })
        {
            // While several masters are candidates each gives ids of its own, so that two storages may have the same one.
            // It means nothing as long as the node has no cell: the next master gives another one (`§18.4`).
            nid = nil
        }
        try lost(connection, error.message, &context)
    }

    private mutating func accepted(
        _ id: ConnectionID,
        _ accepted: AcceptIdentification,
        _ context: inout Context
    ) throws {
        guard accepted.type == .master, accepted.nid != nil, let ownNID = accepted.yourNID else {
            try violation(id, 0, "expected the ids of a master and of this node, got \(accepted)", &context)
            return
        }
        context.cancelTimer(Timer.identification)
        link = .connected(id)
        context.log(.info, "identified as \(ownNID) by the primary master \(name(id))")
        nid = ownNID
        // The recorded table has to be read once all that was done for the previous master is in the database.
        if try reader.configuration().nid != ownNID || !jobs.isEmpty {
            closeGate(until: submit(.setNID(ownNID), then: .identified, &context))
        } else {
            try beginInitialisation(&context)
        }
    }

    /// From here on the rules of initialisation hold (`spec/storage.md §3.3`, steps 4 to 6).
    mutating func beginInitialisation(_ context: inout Context) throws {
        if isCopy {
            context.log(.info, "the database is that of \(nid.map(\.description) ?? "no node") from now on")
            return leave(.flush, status: 0, &context)
        }
        phase = .initialisation
        nodes.beginSession()
        let recorded = try reader.configuration()
        backupTID = recorded.backupTID
        guard let ptid = recorded.ptid, recorded.partitions > 0 else {
            setTable(nil)
            return
        }
        var rows: [[CellRecord]] = Array(repeating: [], count: recorded.partitions)
        for cell in try reader.cells() where rows.indices.contains(cell.partition) {
            rows[cell.partition].append(CellRecord(nid: cell.nid, state: cell.state))
        }
        setTable(try PartitionTable(ptid: ptid, replicas: recorded.replicas, rows: rows))
    }

    /// Forgets all that depends on the master, and looks for it again (`spec/storage.md §3.2`).
    mutating func masterLost(_ reason: String, _ context: inout Context) {
        context.log(.error, "primary master lost: \(reason)")
        link = .waiting
        // The last word of a master may be that this node has to stop: it counts even behind packets that were waiting
        // for the database. An order to erase does not: it needs all that was said before.
        let isStopped = backlog.contains { isOrderToStop($0.packet) }
        interrupt(&context)
        gate = nil
        backlog.removeAll()
        if isStopped { return leave(as: .down, &context) }
        phase = .bootstrap
        attempt(&context)
    }

    /// Ends the period of operation (`spec/storage.md §3.2`, step 5).
    ///
    /// What was voted stays in the database: the master will say what becomes of it. What was not voted is released: it
    /// would only be garbage (`§22.7`).
    mutating func interrupt(_ context: inout Context) {
        for connection in connections.all where !isMaster(connection.id) {
            connections.close(connection.id, &context)
        }
        peers.removeAll()
        unidentified.removeAll()
        context.cancelTimer(Timer.unidentified)
        attached.removeAll()
        delayedIdentifications.removeAll()
        for ttid in transactions.ttids(where: { !$0.isVoted }) { submit(.abort(ttid), &context) }
        if unflushedSince != nil { submit(.flush, &context) }
        transactions = TransactionTable()
        links = StorageLinks()
        replicator = Replicator(configuration.replication)
        replicationQueue = ReplicationQueue()
        serving = ServedRequests()
        checkOrders = []
        currentCheck = nil
        delayedReads = DelayedQueue()
        delayedWrites = DelayedQueue()
        clusterState = nil
        lastPackID = .zero
        completedPackID = nil
        stopBackground(&context)
        period &+= 1
    }
}
