import DequeModule
import MessagePack
import NEOEngine
import NEOProtocol
import NEOTopology
import OrderedCollections

// The way to the primary master (`spec/client.md §7`).
extension ClientCore {
    /// The connection to the primary master, if it is established.
    var masterConnection: ConnectionID? {
        if case .ready(let id) = master { id } else { nil }
    }

    /// Does `task` now, or once there is a primary master.
    mutating func whenMaster(_ task: MasterTask, _ context: inout Context) {
        if case .ready(let id) = master {
            run(task, on: id, &context)
        } else {
            waitingForMaster.append(task)
            searchMaster(&context)
        }
    }

    private mutating func searchMaster(_ context: inout Context) {
        guard case .idle = master else { return }
        if let limit = configuration.waitTimeoutMilliseconds, !isSearchLimited {
            isSearchLimited = true
            context.startTimer(Timer.waitTimeout, milliseconds: limit)
        }
        connectToMaster(&context)
    }

    private mutating func connectToMaster(_ context: inout Context) {
        ignoresInvalidations = true
        nodes.beginSession()
        idTimestamp = nil
        availableOIDs = []
        let address: NodeAddress
        if let hint = primaryHint {
            address = hint
            primaryHint = nil
        } else if !masters.addresses.isEmpty {
            address = masters.addresses[nextMaster % masters.addresses.count]
            nextMaster = (nextMaster + 1) % masters.addresses.count
        } else {
            return failWaiting(ClientError(.invalidArgument, "no address of a master was given"))
        }
        let id = connections.connect(to: address, &context)
        roles[id] = .master
        master = .connecting(id, address)
    }

    mutating func retryMaster(_ context: inout Context) {
        guard case .waiting = master else { return }
        connectToMaster(&context)
    }

    mutating func identifyToMaster(_ id: ConnectionID, _ context: inout Context) {
        guard case .connecting(id, let address) = master else { return }
        master = .identifying(id, address)
        var extra = Properties()
        if configuration.isReadOnly { extra["read_only"] = .bool(true) }
        let request = RequestIdentification(
            type: .client,
            nid: nid,
            address: nil,
            cluster: configuration.cluster,
            idTimestamp: nil,
            extra: extra
        )
        connections.ask(id, request, then: .identification, &context)
    }

    mutating func acceptedByMaster(_ id: ConnectionID, _ answer: AcceptIdentification, _ context: inout Context) {
        guard case .identifying(id, let address) = master, answer.type == .master, let nid = answer.yourNID else {
            return drop(id, "expected to be identified by a master, with an id", &context)
        }
        self.nid = nid
        nodes.addMasters([address])
        master = .synchronizing(id)
        connections.ask(id, AskLastTransaction(), then: .lastTransaction, &context)
    }

    mutating func refusedByMaster(
        _ id: ConnectionID,
        _ error: ErrorPacket,
        _ failure: ClientError,
        _ context: inout Context
    ) {
        if error.code != .notReady { failWaiting(failure) }
        drop(id, failure.message, &context)
    }

    /// The answer to AskLastTransaction: the tables came before (`spec/client.md §7.2, §10.3`).
    mutating func synchronized(_ id: ConnectionID, _ tid: TID, _ context: inout Context) {
        guard case .synchronizing(id) = master else { return }
        guard let partitions, partitions.isFilled else {
            return drop(id, "the master serves no partition table", &context)
        }
        let isTruncated = lastTID.map { $0 > tid } ?? false
        if lastTID != tid {
            if isTruncated { cache.removeAll() } else { cache.dropCurrent() }
            lastTID = tid
            deliver(.invalidateAll(tid), then: tid)
        }
        // The reads of these entries start again on the new connections: what was invalidated before is included.
        for oid in loading.keys { loading[oid]?.invalidations = [] }
        ignoresInvalidations = false
        failedAttempts = 0
        master = .ready(id)
        isSearchLimited = false
        context.cancelTimer(Timer.waitTimeout)
        context.log(.info, "connected to the primary master \(connections[id]?.peer.description ?? "?")")
        let tasks = waitingForMaster
        waitingForMaster = []
        checkSavedCache(&context)
        for task in tasks {
            if isTruncated, case .read(let read) = task, reads[read]?.isLoad ?? false {
                endRead(read, .failure(ClientError(.primaryMasterLost, "the database was truncated")), &context)
            } else if case .ready(id) = master {
                run(task, on: id, &context)
            } else {
                waitingForMaster.append(task)
            }
        }
    }

    private mutating func run(_ task: MasterTask, on id: ConnectionID, _ context: inout Context) {
        switch task {
        case .lastTransaction(let operation): addBarrier(operation, wantsTID: true)
        case .sync(let operation): connections.ask(id, Ping(), then: .sync(operation), &context)
        case .newOIDs: askOIDs(&context)
        case .begin(let transaction, let tid): askBegin(transaction, tid, on: id, &context)
        case .load(let operation, let oid, let revision):
            load(LoadRequest(operation: operation, oid: oid, revision: revision), &context)
        case .read(let read): restartRead(read, &context)
        case .finalTID(let operation): askFinalTID(operation, &context)
        case .waitForPack(let operation, let tid):
            connections.ask(id, WaitForPack(tid: tid), then: .waitForPack(operation, tid), &context)
        case .packOrders(let operation, let tid):
            connections.ask(id, AskPackOrders(min: tid), then: .packOrders(operation, tid), &context)
        case .lastOID(let operation): connections.ask(id, AskLastIDs(), then: .lastOID(operation), &context)
        case .storeBarrier(let transaction):
            connections.ask(id, Ping(), then: .storeBarrier(transaction), &context)
        }
    }

    /// Ends all that waits for a master, except the outcomes of commits.
    mutating func failWaiting(_ error: ClientError) {
        let tasks = waitingForMaster
        waitingForMaster = []
        for task in tasks {
            switch task {
            case .lastTransaction(let operation), .sync(let operation), .load(let operation, _, _),
                .waitForPack(let operation, _), .packOrders(let operation, _), .lastOID(let operation):
                fail(operation, error)
            case .newOIDs: newOIDsFailed(error)
            case .begin(let transaction, _): beginFailed(transaction, error)
            case .read(let id):
                guard let read = reads[id] else { continue }
                if case .finish = read.owner {
                    waitingForMaster.append(task)
                } else {
                    reads[id] = nil
                    failOwner(of: read, error)
                }
            case .finalTID: waitingForMaster.append(task)
            case .storeBarrier(let id):
                guard var transaction = transactions[id] else { continue }
                transaction.failure = error
                if let waiting = transaction.waitingStore { fail(waiting.operation, error) }
                transaction.waitingStore = nil
                transactions[id] = transaction
            }
        }
    }

    mutating func expireWaiting() {
        isSearchLimited = false
        guard masterConnection == nil else { return }
        let reason = "no primary master was found in the time allowed\(masterFailure.map { " (last: \($0))" } ?? "")"
        failWaiting(ClientError(.unavailable, reason))
        for case .finalTID(let operation) in waitingForMaster { outcomeUnknown(operation, reason) }
        for case .read(let id) in waitingForMaster {
            if case .finish(let operation)? = reads.removeValue(forKey: id)?.owner { outcomeUnknown(operation, reason) }
        }
        waitingForMaster = []
    }

    /// The connection to a master is over, established or not (`spec/client.md §7.6`).
    mutating func masterClosed(_ connection: Connection<Pending>, reason: String, _ context: inout Context) {
        var wasReady = false
        if case .ready(connection.id) = master { wasReady = true }
        master = .idle
        partitions = nil
        nodes.beginSession()
        masterFailure = "\(connection.peer): \(reason)"
        if wasReady {
            context.log(.warning, "connection to the primary master \(connection.peer) closed: \(reason)")
        } else {
            failedAttempts += 1
        }
        // Another client may be given our id: no storage may take us for it.
        closeStorages(&context)
        for pending in connection.pendingRequests { requeue(pending) }
        requeueFinalTIDs()
        for id in Array(reads.keys) where !isWaitingForMaster(id) { waitingForMaster.append(.read(id)) }
        for id in Array(transactions.keys) where transactions[id]?.master == connection.id {
            failTransaction(id, masterLost, &context)
        }
        guard !waitingForMaster.isEmpty else { return }
        if failedAttempts > 0, failedAttempts % max(masters.addresses.count, 1) == 0, primaryHint == nil {
            master = .waiting
            let round = min(failedAttempts / max(masters.addresses.count, 1), 7)
            let limit = min(UInt64(50) << UInt64(round - 1), 2_000)
            context.startTimer(
                Timer.masterRetry,
                milliseconds: UInt64.random(in: limit / 2...limit, using: &context.random)
            )
        } else {
            searchMaster(&context)
        }
    }

    private func isWaitingForMaster(_ read: ReadID) -> Bool {
        waitingForMaster.contains { if case .read(read) = $0 { true } else { false } }
    }

    /// What becomes of a request to the master that will not be answered.
    private mutating func requeue(_ pending: Pending) {
        switch pending {
        case .sync(let operation): waitingForMaster.append(.sync(operation))
        case .newOIDs:
            isAskingOIDs = false
            if !newOIDOperations.isEmpty { waitingForMaster.append(.newOIDs) }
        case .finish(let operation), .finalTID(let operation), .finalBarrier(let operation):
            guard finishes[operation] != nil else { return }
            finishes[operation]?.state = .recovering
            waitingForMaster.append(.finalTID(operation))
        case .waitForPack(let operation, let tid): waitingForMaster.append(.waitForPack(operation, tid))
        case .packOrders(let operation, let tid): waitingForMaster.append(.packOrders(operation, tid))
        case .lastOID(let operation): waitingForMaster.append(.lastOID(operation))
        case .identification, .lastTransaction, .readBarrier, .storeBarrier, .begin, .failedVote, .read, .write,
            .relock, .vote:
            // Reads and transactions are dealt with as a whole.
            break
        }
    }

    // MARK: Packets of the master

    mutating func receivedFromMaster(
        _ id: ConnectionID,
        _ request: UInt32,
        _ packet: Packet,
        _ context: inout Context
    ) {
        switch packet {
        case .notPrimaryMaster(let notification): redirected(notification)
        case .notifyNodeInformation(let information): updateNodes(id, information, &context)
        case .sendPartitionTable(let table):
            do {
                partitions = try PartitionTable(ptid: table.ptid, replicas: table.replicas, rows: table.rows)
                topologyChanged(&context)
            } catch {
                drop(id, "\(error)", &context)
            }
        case .notifyPartitionChanges(let changes):
            do {
                try partitions?.apply(ptid: changes.ptid, replicas: changes.replicas, cells: changes.cells)
                topologyChanged(&context)
            } catch {
                drop(id, "\(error)", &context)
            }
        case .invalidateObjects(let invalidation): invalidate(invalidation)
        case .stopOperation: context.log(.info, "the cluster stops its operation")
        case .notifyClusterInformation(let information): context.log(.info, "the cluster is \(information.state.name)")
        case .flushLog, .closeClient: break
        default:
            if let connection = connections.abort(id, about: request, .protocolError, "unexpected packet", &context) {
                ended(connection, reason: "unexpected packet \(packet.code)", &context)
            }
        }
    }

    private mutating func redirected(_ notification: NotPrimaryMaster) {
        masters.learn(notification.masters)
        if let index = notification.primaryIndex, notification.masters.indices.contains(index) {
            primaryHint = notification.masters[index]
        }
    }

    private mutating func updateNodes(
        _ id: ConnectionID,
        _ information: NotifyNodeInformation,
        _ context: inout Context
    ) {
        let update: NodeTable.Update
        do {
            update = try nodes.apply(information, keeping: partitions?.nids ?? [])
        } catch {
            return drop(id, "\(error)", &context)
        }
        for node in update.changed where node.nid == nid && node.type == .client { idTimestamp = node.idTimestamp }
        masters.update(learning: update.masters, forgetting: update.abandonedAddresses)
        for node in update.forgotten + update.changed.filter({ $0.state != .running }) {
            guard let nid = node.nid, node.type == .storage, let link = links[nid] else { continue }
            if let connection = connections.close(link.connection, &context) {
                ended(connection, reason: "\(nid) does not run any more", &context)
            }
        }
        topologyChanged(&context)
    }

    /// Transactions of other clients (`spec/client.md §10.1`).
    private mutating func invalidate(_ invalidation: InvalidateObjects) {
        guard !ignoresInvalidations, let lastTID, invalidation.tid > lastTID else { return }
        let tid = invalidation.tid
        if let finish = finishes.values.first(where: { $0.state == .committed(tid) }) {
            // Our own, whose answer was lost with the previous connection.
            return finished(finish.operation, tid)
        }
        for oid in invalidation.oids {
            cache.invalidate(oid, tid)
            loading[oid]?.invalidations.append(tid)
            savedRecordChanged(oid)
        }
        self.lastTID = tid
        deliver(.invalidate(tid, invalidation.oids), then: tid)
    }

    // MARK: Operations

    /// Gives ``lastTransaction`` once it is known: connects if it never was.
    public mutating func lastTransaction(_ operation: OperationID, _ context: inout CoreContext<Never>) {
        if lastTransaction != nil, isInvalidatingAll {
            addBarrier(operation, wantsTID: true)
        } else if let lastTransaction {
            complete(operation, .lastTransaction(lastTransaction))
        } else {
            whenMaster(.lastTransaction(operation), &context)
        }
    }

    /// A barrier: what was committed before, by any client, is in ``lastTransaction`` after (R7).
    public mutating func sync(_ operation: OperationID, _ context: inout CoreContext<Never>) {
        whenMaster(.sync(operation), &context)
    }

    /// Waits until the pack order of a transaction is carried out.
    public mutating func waitForPack(_ operation: OperationID, _ tid: TID, _ context: inout CoreContext<Never>) {
        whenMaster(.waitForPack(operation, tid), &context)
    }

    public mutating func packOrders(_ operation: OperationID, from tid: TID, _ context: inout CoreContext<Never>) {
        whenMaster(.packOrders(operation, tid), &context)
    }

    /// The greatest OID that the cluster gave or has; nil: none.
    public mutating func lastOID(_ operation: OperationID, _ context: inout CoreContext<Never>) {
        whenMaster(.lastOID(operation), &context)
    }

    /// An OID that was never given.
    public mutating func newOID(_ operation: OperationID, _ context: inout CoreContext<Never>) {
        if configuration.isReadOnly { return fail(operation, Self.readOnly) }
        if let oid = availableOIDs.popLast() { return complete(operation, .newOID(oid)) }
        newOIDOperations.append(operation)
        guard !isAskingOIDs else { return }
        whenMaster(.newOIDs, &context)
    }

    static var readOnly: ClientError { ClientError(.readOnly, "the client was opened read-only") }

    private mutating func askOIDs(_ context: inout Context) {
        guard !isAskingOIDs, !newOIDOperations.isEmpty, let id = masterConnection else { return }
        isAskingOIDs = true
        connections.ask(id, AskNewOIDs(count: ClientConfiguration.newOIDCount), then: .newOIDs, &context)
    }

    mutating func receivedOIDs(_ oids: [OID], _ context: inout Context) {
        isAskingOIDs = false
        guard !oids.isEmpty else { return newOIDsFailed(ClientError(.refused, "the master gave no OID")) }
        availableOIDs = oids.reversed()
        while !newOIDOperations.isEmpty, let oid = availableOIDs.popLast() {
            complete(newOIDOperations.removeFirst(), .newOID(oid))
        }
        askOIDs(&context)
    }

    mutating func newOIDsFailed(_ error: ClientError) {
        isAskingOIDs = false
        for operation in newOIDOperations { fail(operation, error) }
        newOIDOperations = []
    }
}
