import NEOEngine
import NEOProtocol
import NEOTopology
import OrderedCollections

/// The commands of operators, that admins forward (`spec/master.md §14`).
extension MasterCore {
    mutating func handle(_ packet: Packet, admin source: Source, _ context: inout Context) {
        switch packet {
        case .setClusterState(let command): setClusterState(command, source, &context)
        case .setNodeState(let command): setNodeState(command, source, &context)
        case .addPendingNodes(let command):
            if isAllowed("addPendingNodes", source, &context) { addPendingNodes(command, source, &context) }
        case .tweakPartitionTable(let command):
            if isAllowed("tweakPartitionTable", source, &context) { tweak(command, source, &context) }
        case .setNumReplicas(let command):
            if isAllowed("setNumReplicas", source, &context) { setReplicas(command, source, &context) }
        case .repair(let command): repair(command, source, &context)
        case .checkReplicas(let command):
            if isAllowed("checkReplicas", source, &context) { checkReplicas(command, source, &context) }
        case .truncate(let command):
            if isAllowed("truncate", source, &context) { truncate(command, source, &context) }
        default: unexpected(packet, source, &context)
        }
    }

    /// Denies a command that needs the service.
    private mutating func isAllowed(_ name: String, _ source: Source, _ context: inout Context) -> Bool {
        guard clusterState != .running else { return true }
        deny(source, "\(name) RPC can not be used in \(clusterState.name) state", &context)
        return false
    }

    // MARK: State of the cluster

    private mutating func setClusterState(
        _ command: SetClusterState,
        _ source: Source,
        _ context: inout Context
    ) {
        switch command.state {
        case .verifying:
            guard clusterState == .recovering else { return deny(source, "Can not switch to this state", &context) }
            let storages = registry.identified(.storage)
            guard !storages.isEmpty else {
                return deny(source, "Cannot exit recovery without any storage node", &context)
            }
            if let entering = storages.first(where: { $0.node.nid.map(recovery.awaited.contains) ?? true }) {
                return deny(source, "Cannot exit recovery now: node \(entering) is entering cluster", &context)
            }
            context.log(.info, "an operator starts the cluster")
            recovery.permission = .ordered
            acknowledge(source, "Cluster state changed", &context)
        case .stopping:
            acknowledge(source, "Cluster state changed", &context)
            if clusterState != .stopping { enterStopping(&context) }
        case .startingBackup:
            guard clusterState == .running else { return deny(source, "Can not switch to this state", &context) }
            if !transactions.isEmpty || !registry.identified(.client).isEmpty {
                deny(
                    source,
                    "Can not switch to STARTING_BACKUP state with pending transactions or connected clients",
                    &context
                )
            } else {
                deny(source, "No upstream cluster to backup defined in configuration", &context)
            }
        case .stoppingBackup:
            deny(source, "Can not switch to this state", &context)
        case .recovering, .running, .backingUp:
            deny(source, "Invalid state requested", &context)
        }
    }

    // MARK: Nodes

    private mutating func addPendingNodes(
        _ command: AddPendingNodes,
        _ source: Source,
        _ context: inout Context
    ) {
        let wanted = Set(command.nids)
        let added = registry.identified(.storage)
            .filter { node in
                guard let nid = node.node.nid else { return false }
                return node.state == .pending && wanted.contains(nid) && !members.contains(nid)
            }
            .sorted { ($0.node.nid?.rawValue ?? 0) < ($1.node.nid?.rawValue ?? 0) }
        guard !added.isEmpty else { return acknowledge(source, "No node added", &context) }
        for node in added {
            if let nid = node.node.nid { members.insert(nid) }
            registry.setState(.running, of: node.key)
            startOperation(node, &context)
        }
        tell(added.map(\.key), &context)
        let names = added.compactMap { $0.node.nid?.description }.joined(separator: ", ")
        context.log(.info, "an operator adds \(names)")
        acknowledge(source, "Nodes added: \(names)", &context)
    }

    /// `spec/master.md §14.4`
    private mutating func setNodeState(_ command: SetNodeState, _ source: Source, _ context: inout Context) {
        guard let node = registry[command.nid] else { return deny(source, "unknown node", &context) }
        let isAllowed =
            switch node.type {
            case .storage: command.state == .down || command.state == .unknown
            case .master: command.state == .down
            case .client, .admin: false
            }
        guard isAllowed else {
            return deny(source, "can not switch node to \(command.state.name) state", &context)
        }
        guard node.key != ownKey else { return deny(source, "can not kill primary master node", &context) }
        context.log(.warning, "an operator sets \(node) \(command.state.name)")
        if node.type == .master {
            let isChanged = node.state != .down
            registry.setState(.down, of: node.key)
            acknowledge(source, isChanged ? "state changed" : "node already in DOWN state", &context)
            if isChanged {
                tell([node.key], &context)
                if let connection = node.connection {
                    connections.closeAfterFlush(connection, &context)
                    registry.update(node.key) { $0.connection = nil }
                }
                // The connection may have been dead, and another life of this master may lead.
                planConnections(&context)
            }
        } else {
            setStorageState(command.state, node, command.nid, source, &context)
        }
    }

    private mutating func setStorageState(
        _ state: NodeState,
        _ node: RegisteredNode,
        _ nid: NID,
        _ source: Source,
        _ context: inout Context
    ) {
        if state == .unknown, node.state == .running {
            return deny(source, "a running node must be stopped before removal", &context)
        }
        // It would erase itself, and with the table of before the cluster would wait for it.
        if state == .unknown, removals.contains(where: { $0.nid == nid }) {
            return deny(source, "no storage recorded yet that \(nid) is removed: ask again", &context)
        }
        // Before the table is known, nobody knows whether the node has the only copies (`§18.3`).
        if state == .unknown, clusterState == .recovering, !recovery.isLoaded {
            let isUncertain = registry.identified(.storage).contains { storage in
                guard let nid = storage.node.nid else { return true }
                return recovery.awaited.contains(nid) || recovery.ptid(of: nid) != nil
            }
            if isUncertain { return deny(source, "the partition table is not loaded yet", &context) }
        }
        var dropped = table
        var changes: [CellChange]
        do {
            changes = try dropped.drop([nid])
        } catch {
            return deny(source, "\(error)", &context)
        }
        // The loss of such a node ends the service (``TableRecords``): an operator had better ask again a little later.
        if state == .down, clusterState != .recovering, node.state == .running,
            !records.isReplaceable(nid, in: table, isRunning: registry.isRunning)
        {
            return deny(source, "\(nid) did not record yet that others have all its partitions", &context)
        }
        // As if it was lost then: it may be the only one to have a commit that was decided.
        if state == .down, clusterState == .verifying, node.state == .running, table.readableNIDs.contains(nid) {
            return deny(source, "\(nid) is being verified: ask again", &context)
        }
        let isChanged = node.state != state
        let witnesses = state == .unknown && !changes.isEmpty ? witnesses(ofRemoving: nid) : []
        if state == .unknown, !changes.isEmpty, witnesses.isEmpty {
            return deny(source, "no storage is here that could record that \(nid) is removed", &context)
        }
        if state == .unknown {
            registry.remove(node.key)
            table = dropped
            members.remove(nid)
        } else {
            registry.setState(state, of: node.key)
        }
        if let connection = node.connection {
            var record = node.node.record
            record.state = state
            let information = NotifyNodeInformation(timestamp: timestamps.next(context.wallTime), nodes: [record])
            connections.notify(connection, information, &context)
            connections.closeAfterFlush(connection, &context)
            registry.update(node.key) { $0.connection = nil }
        }
        if state == .unknown {
            if clusterState == .recovering, !recovery.isLoaded { sendEmptyTable(&context) }
            tell(changes, &context)
        } else {
            // In RECOVERING no storage is RUNNING: all would be outdated (`§18.3`).
            changes = clusterState == .recovering ? [] : table.outdate(isRunning: registry.isRunning)
            tellOutdated(changes, &context)
        }
        if !witnesses.isEmpty {
            awaitRecords(by: witnesses, ofRemoving: nid, source, &context)
        } else {
            acknowledge(source, isChanged ? "state changed" : "node already in \(state.name) state", &context)
        }
        if state == .unknown { tellForgotten([node], &context) } else if isChanged { tell([node.key], &context) }
        guard node.connection != nil else { return }
        removalsLost(nid, &context)
        if clusterState == .recovering {
            storageLostInRecovery(node, &context)
        } else if isOperational() {
            storageGone(nid, &context)
        } else {
            leaveOperation("not all partitions can be read without \(nid)", &context)
        }
    }

    /// Admins may have the table of before the loss of operation, with cells of a node that is going to be forgotten.
    private mutating func sendEmptyTable(_ context: inout Context) {
        for admin in registry.identified(.admin) {
            if let connection = admin.connection { connections.notify(connection, fullTable, &context) }
        }
    }

    // MARK: Table

    private mutating func tweak(_ command: TweakPartitionTable, _ source: Source, _ context: inout Context) {
        var excluded = Set(command.excluded)
        for node in registry.all(of: .storage) {
            guard let nid = node.node.nid, !excluded.contains(nid) else { continue }
            switch node.state {
            case .running: break
            case .pending: excluded.insert(nid)
            case .down, .unknown:
                // A storage without a place in the table is of no concern.
                guard members.contains(nid) else { continue }
                return deny(source, "tweak: down nodes must be listed explicitly", &context)
            }
        }
        let considered = members.subtracting(excluded).sorted().compactMap { registry[$0] }
        var tweaked = table
        var tweak: Tweak
        do {
            tweak = try tweaked.tweak(over: tweakMembers(considered))
        } catch {
            return deny(source, "\(error)", &context)
        }
        let kept = keepUnknowing(&tweak, &tweaked)
        if tweak.ignoresTopology, !tweak.changes.isEmpty { warnAboutTopology(&context) }
        if !command.dryRun {
            context.log(.info, "an operator tweaks the partition table")
            table = tweaked
            for change in tweak.changes {
                updatable.remove(Cell(partition: change.partition, nid: change.nid))
            }
            tell(tweak.changes, &context)
            for partition in OrderedSet(kept.map(\.partition)) {
                askWhetherRecorded(table.cells(of: partition).map(\.nid), of: partition, &context)
            }
        }
        connections.answer(
            source.connection,
            to: source.request,
            AnswerTweakPartitionTable(changed: !tweak.changes.isEmpty, rows: tweaked.rows),
            &context
        )
    }

    /// Readable cells feed until their storages, and those that replace them, recorded that: ``TableRecords``.
    ///
    /// - Returns: these cells.
    private func keepUnknowing(_ tweak: inout Tweak, _ tweaked: inout PartitionTable) -> [Cell] {
        var kept: [Cell] = []
        for index in tweak.changes.indices.reversed() {
            let change = tweak.changes[index]
            let cell = Cell(partition: change.partition, nid: change.nid)
            guard change.state == .discarded, let state = table.state(of: cell.partition, at: cell.nid),
                state.isReadable, !records.isDispensable(cell, in: tweaked, isRunning: registry.isRunning)
            else { continue }
            kept.append(cell)
            tweak.changes[index].state = .feeding
            if state == .feeding { tweak.changes.remove(at: index) }
        }
        tweaked.apply(kept.map { CellChange(partition: $0.partition, nid: $0.nid, state: .feeding) })
        return kept.reversed()
    }

    private mutating func setReplicas(_ command: SetNumReplicas, _ source: Source, _ context: inout Context) {
        guard command.replicas >= 0 else {
            return deny(source, "expected a number of replicas, got \(command.replicas)", &context)
        }
        context.log(.info, "an operator sets the number of replicas to \(command.replicas)")
        table.setReplicas(command.replicas)
        advanceTable([], &context)
        acknowledge(source, "", &context)
    }

    /// `spec/master.md §14.8`
    private mutating func truncate(_ command: Truncate, _ source: Source, _ context: inout Context) {
        if transactions.last <= command.tid {
            return deny(source, "Truncating after last transaction does nothing", &context)
        }
        if transactions.first > command.tid {
            return deny(
                source,
                "Truncating before first transaction is probably not what you intended to do",
                &context
            )
        }
        if packs.preventsTruncation(after: command.tid) {
            return deny(source, "Can not truncate before an approved pack", &context)
        }
        if transactions.hasPrepared {
            return deny(source, "Can not truncate while transactions are being committed", &context)
        }
        acknowledge(source, "", &context)
        leaveOperation("an operator truncates the database after \(command.tid)", truncation: command.tid, &context)
    }
}
