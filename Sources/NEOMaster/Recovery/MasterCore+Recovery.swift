import NEOEngine
import NEOProtocol
import NEOTopology

/// RECOVERING: the table is read from storages, and enough of them are waited for (`spec/master.md §5`).
extension MasterCore {
    /// This master believes that it is the primary one.
    mutating func becomePrimary(_ context: inout Context) {
        election.role = .primary(since: timestamps.next(context.wallTime))
        recovery.beginTerm()
        records = TableRecords()
        transactions = TransactionTable(after: transactions)
        enterRecovery(&context)
    }

    mutating func enterRecovery(_ context: inout Context) {
        period += 1
        table = PartitionTable(partitions: configuration.partitions, replicas: configuration.replicas)
        members = []
        recovery.begin()
        clusterState = .recovering
        context.log(.info, "the cluster is RECOVERING")
        for node in registry.identified {
            guard let connection = node.connection else { continue }
            connections.notify(connection, NotifyClusterInformation(state: .recovering), &context)
            if node.type == .storage {
                registry.update(node.key) { $0.recordedPTID = nil }
                askRecovery(node, &context)
            }
        }
        planConnections(&context)
    }

    mutating func askRecovery(_ node: RegisteredNode, _ context: inout Context) {
        guard let nid = node.node.nid, let connection = node.connection else { return }
        recovery.asked(nid)
        connections.ask(connection, AskRecovery(), then: .recovery(period: period), &context)
    }

    mutating func recoveryAnswered(
        _ answer: AnswerRecovery,
        _ nid: NID,
        _ source: Source,
        _ context: inout Context
    ) {
        guard clusterState == .recovering else { return }
        if let ptid = answer.ptid, !(1...PartitionTable.maximumPTID).contains(ptid) {
            return refuse(source, "expected a PTID from 1 to \(PartitionTable.maximumPTID), got \(ptid)", &context)
        }
        context.log(.info, "\(nid) has \(answer.ptid.map { "partition table \($0)" } ?? "no partition table")")
        if let ptid = answer.ptid, recovery.isLoaded, ptid > recovery.targetPTID {
            context.log(.warning, "\(nid) has a newer partition table than \(recovery.targetPTID): it replaces it")
        }
        let report = Recovery.Report(
            ptid: answer.ptid,
            backupTID: answer.backupTID,
            truncateTID: answer.truncateTID
        )
        records.reported(answer.ptid, by: nid)
        perform(recovery.answered(report, by: nid), &context)
        rejectImpostors(&context)
    }

    private mutating func perform(_ action: Recovery.Action, _ context: inout Context) {
        switch action {
        case .none, .load:
            break
        case .askPartitionTable(let nid):
            guard let connection = registry.connection(of: nid) else { return }
            recovery.asked(nid)
            connections.ask(connection, AskPartitionTable(), then: .partitionTable(period: period), &context)
        case .waiting(let nid):
            context.log(
                .warning,
                "waiting for \(nid): no other node that is here has partition table \(recovery.targetPTID)"
            )
        }
    }

    mutating func partitionTableAnswered(
        _ answer: AnswerPartitionTable,
        _ nid: NID,
        _ source: Source,
        _ context: inout Context
    ) {
        guard clusterState == .recovering else { return }
        let loaded: PartitionTable
        do {
            loaded = try PartitionTable(ptid: answer.ptid, replicas: answer.replicas, rows: answer.rows)
        } catch {
            return refuse(source, "\(error)", &context)
        }
        let nids = loaded.nids
        if let wrong = nids.sorted().first(where: {
            $0.type != .storage || registry[$0].map { $0.type != .storage } ?? false
        }) {
            return refuse(source, "the partition table names \(wrong), which is not a storage", &context)
        }
        registry.saw(nids)
        let action = recovery.tableAnswered(ptid: answer.ptid, by: nid, isMember: nids.contains(nid))
        guard action == .load else { return perform(action, &context) }
        table = loaded
        members = nids
        context.log(
            .info,
            "partition table \(recovery.targetPTID) of \(nid) is loaded: \(table.partitions) partitions, "
                + "\(table.replicas) replicas, \(describeCells())"
        )
        if recovery.targetPTID < recovery.highestPTID, recovery.permission != .complete {
            // Who has the newer table may be the only one to have what was committed since; and even if nothing was, it
            // could start with it under another master, beside what would be committed here.
            recovery.permission = .complete
            context.log(
                .warning,
                "partition table \(recovery.highestPTID) is not here: "
                    + "all the nodes that table \(recovery.targetPTID) needs are waited for"
            )
        }
        let absent = nids.sorted().filter { registry[$0] == nil }
            .map { registry.add(Node(type: .storage, nid: $0, state: .down)) }
        let records = absent.compactMap { registry[$0]?.node.record }
        let timestamp = timestamps.next(context.wallTime)
        for admin in registry.identified(.admin) {
            guard let connection = admin.connection else { continue }
            connections.notify(connection, NotifyNodeInformation(timestamp: timestamp, nodes: records), &context)
            connections.notify(connection, fullTable, &context)
        }
        rejectImpostors(&context)
    }

    mutating func storageLostInRecovery(_ node: RegisteredNode, _ context: inout Context) {
        guard let nid = node.node.nid else { return }
        perform(recovery.lost(nid), &context)
        guard let known = registry[node.key], known.state != .down else { return }
        registry.setState(.down, of: node.key)
        tell([node.key], &context)
    }

    // MARK: Leaving RECOVERING

    /// `spec/master.md §5.4`
    mutating func startIfPossible(_ context: inout Context) {
        let isLoaded = recovery.isLoaded && table.isFilled
        if isLoaded, recovery.adoptsTruncation(of: table.readableNIDs), let tid = recovery.truncateTID {
            context.log(
                .warning,
                "not all storages know that the database is to be truncated after \(tid): they are told"
            )
        }
        guard let candidates = isLoaded ? candidatesOfTable(&context) : candidatesOfCreation() else { return }
        guard !candidates.isEmpty, candidates.allSatisfy({ !recovery.awaited.contains($0) }) else { return }
        if isLoaded, let truncateTID = recovery.truncateTID {
            let late = registry.identified(.storage).filter { node in
                guard let nid = node.node.nid, let report = recovery.reports[nid] else { return false }
                // A smaller one would delete more than the others do (`spec/replication.md §10.26`).
                return report.truncateTID != truncateTID
            }
            if !late.isEmpty {
                for node in late {
                    guard let connection = node.connection else { continue }
                    connections.send(connection, Truncate(tid: truncateTID).packet, &context)
                    askRecovery(node, &context)
                }
                return
            }
        }
        guard areConfirmed(candidates, &context) else { return }
        start(with: candidates, &context)
    }

    /// Whether those with which the service is to begin are here, and are those that the table means.
    ///
    /// The ends of connections are noticed late, and another master may serve with them: a table that was given to some of its
    /// storages only would be the newest one, and not have what was committed there (seed 9322 of the simulation). And who has an
    /// older table may have got the id of an owner from a master that did not know of that one (seed 2674).
    private mutating func areConfirmed(_ nids: [NID], _ context: inout Context) -> Bool {
        // A storage that was to be filled may not have heard of it: nothing is read there.
        let doubtful = table.readableNIDs.intersection(nids.filter { recovery.isDoubtful($0) })
        let asked = hasPeers ? nids : nids.filter(doubtful.contains)
        if recovery.confirms(asked) {
            let round = recovery.round
            for nid in asked {
                guard let connection = registry.connection(of: nid) else { continue }
                if doubtful.contains(nid) {
                    connections.ask(
                        connection,
                        AskPartitionTable(),
                        then: .ownTable(period: period, round: round),
                        &context
                    )
                } else {
                    connections.ask(connection, Ping(), then: .presence(period: period, round: round), &context)
                }
            }
        }
        return recovery.unconfirmed.isEmpty
    }

    /// A storage records that it has a cell before it fills it, so that the owner of a readable one knows that it has some.
    mutating func ownTableAnswered(_ answer: AnswerPartitionTable, _ nid: NID, _ context: inout Context) {
        guard clusterState == .recovering, let node = registry[nid] else { return }
        if answer.rows.contains(where: { row in row.contains { $0.nid == nid } }) {
            recovery.isOwner(nid)
        } else {
            rejectID(of: node, because: "no cell in its partition table, and the id of another storage", &context)
        }
    }

    /// Whether other masters are known, who may lead without this one noticing.
    var hasPeers: Bool { registry.all(of: .master).count > 1 }

    private mutating func candidatesOfTable(_ context: inout Context) -> [NID]? {
        let (registry, recovery, untried) = (registry, recovery, untriedOwners)
        let isHere = { (nid: NID) in registry[nid]?.state == .pending && !untried.contains(nid) }
        let isPending = { (nid: NID) in isHere(nid) && !recovery.gaveUpItsCells(nid) }
        if !untried.isEmpty {
            let names = untried.sorted().map(\.description).joined(separator: ", ")
            waitMessage("\(names): no partition table is there; an operator can say that the cluster is new", &context)
        }
        guard table.isOperational(isPending) else {
            waitMessage("waiting for nodes: not all partitions have a readable cell", &context)
            return nil
        }
        let readable = table.readableNIDs.sorted()
        if recovery.permission == .ordered { return readable.filter(isPending) }
        let needed = recovery.truncateTID == nil ? readable : table.nids.sorted()
        var missing = needed.filter { !isHere($0) }
        // Another master may have become known since the service ended.
        if recovery.permission == .partial, !hasPeers {
            missing.removeAll { records.isReplaceable($0, in: table, isRunning: isPending) }
            if missing.isEmpty { return readable.filter(isPending) }
        }
        guard missing.isEmpty else {
            let names = missing.map(\.description).joined(separator: ", ")
            waitMessage("waiting for \(names), or for an operator to start without", &context)
            return nil
        }
        return needed
    }

    /// Those that come with the id of an owner of readable cells, and without a table. With the first table of a cluster,
    /// they may be the owners, lost before they recorded it, or have the id from a master that did not see the owners. Only
    /// who creates the cluster knows: the one who starts it; or, if it starts by itself, all the storages are there, the
    /// owners among them (seed 1000774 of the simulation).
    private var untriedOwners: Set<NID> {
        guard recovery.permission != .ordered else { return [] }
        if configuration.autostart > 0, registry.identified(.storage).count >= configuration.autostart { return [] }
        return table.readableNIDs.filter(recovery.isWithoutTable)
    }

    private mutating func waitMessage(_ message: String, _ context: inout Context) {
        guard recovery.lastMessage != message else { return }
        recovery.lastMessage = message
        context.log(.info, message)
    }

    private func candidatesOfCreation() -> [NID]? {
        // A table that is known and not loaded yet must not be replaced by a new one.
        guard recovery.targetPTID == 0 else { return nil }
        let storages = registry.identified(.storage).compactMap(\.node.nid)
        let isEnough = configuration.autostart > 0 && storages.count >= configuration.autostart
        return recovery.permission == .ordered || isEnough ? storages : nil
    }

    /// `spec/master.md §5.5`
    private mutating func start(with candidates: [NID], _ context: inout Context) {
        let isLoaded = recovery.isLoaded && table.isFilled
        var changed: [NodeKey] = []
        var isFarAhead = false
        for node in registry.identified(.storage) {
            guard let nid = node.node.nid else { continue }
            guard isLoaded ? members.contains(nid) : candidates.contains(nid) else { continue }
            registry.setState(.running, of: node.key)
            changed.append(node.key)
        }
        changed += forgetConnectingMasters(&context)
        tell(changed, &context)
        if isLoaded {
            records.begin(with: recovery.targetPTID)
            let (registry, reports) = (registry, recovery)
            let isOwner = { (nid: NID) in registry.isRunning(nid) && !reports.gaveUpItsCells(nid) }
            // A storage that is here may still have to tell that it has a newer table.
            let isComplete = table.nids.allSatisfy(isOwner) && recovery.targetPTID == recovery.highestPTID
            let changes = table.outdate(isRunning: isOwner)
            // With a first table that one of them did not record, no service ever began.
            let isUntried = table.readableNIDs.contains(where: recovery.isWithoutTable)
            let takesOver = hasPeers && !isUntried
            if !isComplete || takesOver {
                // A newer table may exist at absent nodes, given by a master that is gone, or that leads them still and did not
                // notice that the others left. Nothing was committed with it, since all that this one needs is here; it must
                // not be taken later for the newer one of the two (seed 1795 of the simulation).
                let isKnown = recovery.hasServed && !hasPeers
                let range = recovery.permission == .ordered ? Self.orderedPTIDGap : Self.ptidGap
                let gap = isKnown ? 0 : Int.random(in: range, using: &context.random)
                isFarAhead = gap > 0
                table.advance(beyond: recovery.highestPTID + gap)
                recovery.saw(ptid: table.ptid ?? 0)
                let reason = isComplete ? "other masters may have led" : "without absent nodes"
                context.log(.info, "\(reason): partition table \(table.ptid ?? 0), \(describeCells())")
                let notification = NotifyPartitionChanges(
                    ptid: table.ptid ?? 0,
                    replicas: table.replicas,
                    cells: changes
                )
                for admin in registry.identified(.admin) {
                    if let connection = admin.connection { connections.notify(connection, notification, &context) }
                }
            }
        } else {
            guard create(over: changed.compactMap { registry[$0] }.filter { $0.type == .storage }, &context) else {
                return
            }
        }
        recovery.hasServed = true
        enterVerification(isFarAhead: isFarAhead, &context)
    }

    /// More changes than a storage can have missed while it ran.
    private static var ptidGap: ClosedRange<Int> { (1 << 16)...(1 << 17) }

    /// More than that: another master may begin with the storages that an operator does without, give them a table of its own,
    /// and lead no service, since what is here does not answer it. What is committed here must not be older than that table.
    private static var orderedPTIDGap: ClosedRange<Int> { (1 << 18)...(1 << 19) }

    private mutating func create(over nodes: [RegisteredNode], _ context: inout Context) -> Bool {
        let created = tweakMembers(nodes)
        table = PartitionTable(partitions: configuration.partitions, replicas: configuration.replicas)
        do {
            let tweak = try table.create(over: created)
            if tweak.ignoresTopology { warnAboutTopology(&context) }
        } catch {
            context.log(.error, "no partition table can be made: \(error)")
            return false
        }
        // Another one may have been created, and be at storages that are absent.
        if recovery.highestPTID > 0 { table.advance(beyond: recovery.highestPTID) }
        recovery.saw(ptid: table.ptid ?? 0)
        records.begin(with: table.ptid ?? 0)
        recovery.createdPTID = table.ptid
        members = Set(created.map(\.nid))
        context.log(
            .info,
            "partition table \(table.ptid ?? 0) is created over \(created.count) storages: \(describeCells())"
        )
        for admin in registry.identified(.admin) {
            if let connection = admin.connection { connections.notify(connection, fullTable, &context) }
        }
        return true
    }

    func tweakMembers(_ nodes: [RegisteredNode]) -> [TweakMember] {
        nodes.compactMap { node in node.node.nid.map { TweakMember($0, devicePath: node.devicePath) } }
    }

    func warnAboutTopology(_ context: inout Context) {
        context.log(
            .warning,
            "the devices of the storages do not allow the best resilience: the failure of one may make data unavailable"
        )
    }
}
