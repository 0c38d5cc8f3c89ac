import NEOEngine
import NEOProtocol
import NEOTopology

/// What storages say, and what their loss means (`spec/master.md §7`).
extension MasterCore {
    func isOperational(without excluded: Set<NID> = []) -> Bool {
        table.isOperational { !excluded.contains($0) && registry.isRunning($0) }
    }

    mutating func startOperation(_ node: RegisteredNode, _ context: inout Context) {
        guard let nid = node.node.nid, let connection = node.connection else { return }
        readiness.start(nid)
        connections.notify(connection, StartOperation(backup: false), &context)
        let patience = context.buggify(.earlyTimeouts) ? 1 : configuration.limits.readinessMilliseconds
        context.startTimer(.readiness(nid), milliseconds: patience)
    }

    /// A storage starts for too long (`§18.1`): transactions must not wait for ever.
    mutating func readinessTimedOut(_ nid: NID, _ context: inout Context) {
        guard readiness.starting.contains(nid), !readiness.late.contains(nid) else { return }
        if !table.readableNIDs.contains(nid) {
            context.log(.warning, "\(nid) is still not ready: transactions begin without it")
            readiness.stopWaiting(for: nid)
            retryDelayed(&context)
        } else if isOperational(without: [nid]), let connection = registry.connection(of: nid) {
            disconnect(connection, "still not ready, and the cluster can do without it", &context)
        } else {
            context.log(.warning, "\(nid) is still not ready and has the only readable cells: transactions wait for it")
            context.startTimer(.readiness(nid), milliseconds: configuration.limits.readinessMilliseconds)
        }
    }

    mutating func handle(
        _ packet: Packet,
        from node: RegisteredNode,
        storage source: Source,
        _ context: inout Context
    ) {
        guard let nid = node.node.nid else { return }
        switch (clusterState, packet) {
        case (.verifying, .notifyPackCompleted(let completed)):
            packs.completed(completed.tid, by: nid)
        case (.running, _), (.stopping, _):
            handleInService(packet, nid, source, &context)
        case (.recovering, .notifyReady), (.recovering, .notifyReplicationDone),
            (.recovering, .notifyPackCompleted), (.recovering, .askUnfinishedTransactions),
            (.recovering, .askPackOrders), (.recovering, .notifyPartitionCorrupted):
            // Sent before the storage knew that the service is over (`§18.1`).
            context.log(.debug, "late \(packet.code) of \(nid) is ignored")
        default:
            unexpected(packet, source, &context)
        }
    }

    private mutating func handleInService(
        _ packet: Packet,
        _ nid: NID,
        _ source: Source,
        _ context: inout Context
    ) {
        switch packet {
        case .notifyReady:
            becameReady(nid, source, &context)
        case .askUnfinishedTransactions(let request):
            answerUnfinished(request, nid, source, &context)
        case .notifyReplicationDone(let done):
            replicationDone(done, nid, source, &context)
        case .notifyPartitionCorrupted(let report):
            let nids = report.nids.prefix(100).map(\.description).joined(separator: ", ")
            context.log(.error, "\(nid) finds that partition \(report.partition) is corrupted at \(nids)")
        case .notifyPackCompleted(let completed):
            packs.completed(completed.tid, by: nid)
            recomputePackCompletion(&context)
        case .askPackOrders(let request):
            answerPackOrders(request, isStorage: true, source, &context)
        default:
            unexpected(packet, source, &context)
        }
    }

    private mutating func becameReady(_ nid: NID, _ source: Source, _ context: inout Context) {
        guard readiness.becameReady(nid) else {
            return refuse(source, "\(nid) is ready but was not told to start", &context)
        }
        context.cancelTimer(.readiness(nid))
        context.log(.info, "\(nid) is ready")
        if let signatures = packs.signatures {
            connections.notify(source.connection, signatures, &context)
        }
        retryDelayed(&context)
    }

    /// `spec/master.md §7.4`
    private mutating func answerUnfinished(
        _ request: AskUnfinishedTransactions,
        _ nid: NID,
        _ source: Source,
        _ context: inout Context
    ) {
        if let wrong = request.partitions.first(where: { !table.rows.indices.contains($0) }) {
            return refuse(source, "no partition \(wrong): there are \(table.partitions) partitions", &context)
        }
        connections.answer(
            source.connection,
            to: source.request,
            AnswerUnfinishedTransactions(lastTID: transactions.last, ttids: transactions.wait(storage: nid)),
            &context
        )
        for partition in request.partitions where !table.isReadable(partition, at: nid) {
            updatable.insert(Cell(partition: partition, nid: nid))
        }
    }

    /// `spec/master.md §10.6`
    private mutating func replicationDone(
        _ done: NotifyReplicationDone,
        _ nid: NID,
        _ source: Source,
        _ context: inout Context
    ) {
        guard let state = table.state(of: done.partition, at: nid) else {
            // The cell may have been discarded while the notification was on its way.
            guard table.rows.indices.contains(done.partition) else {
                return refuse(
                    source,
                    "no partition \(done.partition): there are \(table.partitions) partitions",
                    &context
                )
            }
            return context.log(
                .debug,
                "end of replication of partition \(done.partition), discarded at \(nid), is ignored"
            )
        }
        guard state == .outOfDate, updatable.remove(Cell(partition: done.partition, nid: nid)) != nil else {
            return context.log(.debug, "late end of replication of partition \(done.partition) at \(nid) is ignored")
        }
        let changes = table.setUpToDate(done.partition, at: nid)
        context.log(.info, "partition \(done.partition) is replicated at \(nid)")
        tell(changes, &context)
        records.promoted(Cell(partition: done.partition, nid: nid), ptid: table.ptid ?? 0)
        askWhetherRecorded(table.cells(of: done.partition).map(\.nid), of: done.partition, &context)
    }

    /// Storages answer a ping once they recorded the table that was told before (``TableRecords``).
    /// - Parameter partition: where cells go once they did.
    mutating func askWhetherRecorded(_ nids: [NID], of partition: PartitionID? = nil, _ context: inout Context) {
        guard let ptid = table.ptid else { return }
        for nid in nids {
            guard let connection = registry.connection(of: nid) else { continue }
            connections.ask(connection, Ping(), then: .recordedTable(ptid, partition), &context)
        }
    }

    /// Feeding cells go once their storages, and those that replace them, recorded that: see ``TableRecords``.
    mutating func discardReplaced(_ partitions: some Sequence<PartitionID>, _ context: inout Context) {
        guard clusterState == .running || clusterState == .stopping else { return }
        var changes: [CellChange] = []
        for partition in partitions {
            for nid in table.replacedCells(of: partition) {
                let cell = Cell(partition: partition, nid: nid)
                guard records.isDispensable(cell, in: table, isRunning: registry.isRunning) else { continue }
                let change = CellChange(partition: partition, nid: nid, state: .discarded)
                table.apply([change])
                changes.append(change)
            }
        }
        tell(changes, &context)
    }

    /// The loss of a storage out of RECOVERING (`spec/master.md §7.3`): node, table, then what follows, in one turn.
    mutating func storageLost(_ lost: RegisteredNode, _ context: inout Context) {
        guard let nid = lost.node.nid else { return }
        if let node = registry[lost.key], node.state != .down {
            if node.state == .pending {
                registry.remove(node.key)
                tellForgotten([node], &context)
            } else {
                registry.setState(.down, of: node.key)
                tell([node.key], &context)
            }
            if clusterState == .verifying, recovery.truncateTID != nil || table.readableNIDs.contains(nid) {
                // It may have a commit that was decided, by this master or by the one before, and that no other storage
                // knows of yet.
                return leaveOperation("\(nid) was lost during the verification", &context)
            }
            let isReplaceable = records.isReplaceable(nid, in: table, isRunning: registry.isRunning)
            let (records, registry, known) = (records, registry, table)
            let changes = table.outdate(lost: nid, isRunning: registry.isRunning) { partition in
                records.isReplaceable(Cell(partition: partition, nid: nid), in: known, isRunning: registry.isRunning)
            }
            tellOutdated(changes, &context)
            guard isOperational() else {
                return leaveOperation("not all partitions can be read without \(nid)", &context)
            }
            guard isReplaceable else {
                return leaveOperation("\(nid) may not know that others have all its partitions", &context)
            }
        }
        storageGone(nid, &context)
    }

    /// A storage does not take part in anything any more, and the cluster goes on.
    mutating func storageGone(_ nid: NID, _ context: inout Context) {
        if clusterState == .verifying { return storageLostInVerification(nid, &context) }
        guard clusterState == .running || clusterState == .stopping else { return }
        context.cancelTimer(.readiness(nid))
        readiness.lost(nid)
        updatable = updatable.filter { $0.nid != nid }
        transactions.storageLost(nid)
        askDeferredLocks(&context)
        commitLocked(&context)
        retryDelayed(&context)
        packs.lost(nid)
        askForgottenPackOrdersAgain(nid, &context)
        recomputePackCompletion(&context)
    }

    /// Tells changes that make cells unreadable, and forgets what was expected of these cells.
    mutating func tellOutdated(_ changes: [CellChange], _ context: inout Context) {
        for change in changes { updatable.remove(Cell(partition: change.partition, nid: change.nid)) }
        if !changes.isEmpty { context.log(.warning, "\(changes.count) cells are out of date") }
        tell(changes, &context)
    }

    /// Back to RECOVERING (`spec/master.md §4.5`).
    /// - Parameter truncation: storages are to forget what was committed after it.
    mutating func leaveOperation(_ reason: String, truncation: TID? = nil, _ context: inout Context) {
        context.log(.warning, "the service stops: \(reason)")
        if clusterState == .stopping {
            // Nothing can be committed any more: the cluster does not wait.
            transactions.clear()
            return
        }
        for nid in readiness.starting { context.cancelTimer(.readiness(nid)) }
        readiness = Readiness()
        packs = PackOrders()
        updatable = []
        delayed = []
        transactions.clear()
        let isInService = clusterState != .verifying
        let isCertain = isInService && truncation == nil && recovery.truncateTID == nil && !hasPeers
        recovery.permission = isCertain ? .partial : .complete
        var pending: [NodeKey] = []
        var clients: [RegisteredNode] = []
        for node in registry.identified {
            guard let connection = node.connection else { continue }
            switch node.type {
            case .storage:
                connections.notify(connection, StopOperation(), &context)
                if let truncation { connections.send(connection, Truncate(tid: truncation).packet, &context) }
                if node.state == .running {
                    registry.setState(.pending, of: node.key)
                    pending.append(node.key)
                }
            case .client:
                connections.notify(connection, StopOperation(), &context)
                connections.closeAfterFlush(connection, &context)
                registry.remove(node.key)
                clients.append(node)
            case .master, .admin:
                break
            }
        }
        tell(pending, &context)
        enterRecovery(&context)
        tellForgotten(clients, &context)
    }
}
