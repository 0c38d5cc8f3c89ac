import NEOEngine
import NEOProtocol

/// The requests of clients (`spec/master.md §12`).
extension MasterCore {
    mutating func handle(
        _ packet: Packet,
        from node: RegisteredNode,
        client source: Source,
        _ context: inout Context
    ) {
        guard clusterState == .running || clusterState == .stopping else {
            return unexpected(packet, source, &context)
        }
        if node.isReadOnly, isWrite(packet) {
            guard packet.code.answer != nil else { return }
            return connections.fail(
                source.connection,
                to: source.request,
                .readOnlyAccess,
                "read-only access as requested by the client",
                &context
            )
        }
        switch packet {
        case .askBeginTransaction(let request):
            begin(request, source, &context)
        case .askNewOIDs(let request):
            answerNewOIDs(request, source, &context)
        case .failedVote(let request):
            arbitrate(request, source, &context)
        case .askFinishTransaction(let request):
            finish(request, node, source, &context)
        case .askFinalTID(let request):
            answerFinalTID(request, node, source, &context)
        case .abortTransaction(let notification):
            abort(notification, node, &context)
        case .askPackOrders(let request):
            answerPackOrders(request, isStorage: false, source, &context)
        case .waitForPack(let request):
            waitForPack(request, source, &context)
        default:
            unexpected(packet, source, &context)
        }
    }

    private func isWrite(_ packet: Packet) -> Bool {
        switch packet {
        case .askBeginTransaction, .askNewOIDs, .askFinishTransaction, .askFinalTID, .abortTransaction: true
        default: false
        }
    }

    /// The loss of a client (`spec/master.md §12.9`): its transactions first, then all are told, in one turn.
    mutating func clientLost(_ node: RegisteredNode, _ context: inout Context) {
        let aborted = transactions.clientLost(node.key)
        for transaction in aborted {
            context.log(.debug, "transaction \(transaction.ttid) of \(node) is aborted")
            tellAborted(transaction, at: [], &context)
        }
        registry.remove(node.key)
        tellForgotten([node], &context)
        if !aborted.isEmpty { retryDelayed(&context) }
    }

    // MARK: Begin

    private mutating func begin(_ request: AskBeginTransaction, _ source: Source, _ context: inout Context) {
        guard let client = registry[source.connection] else { return }
        let held =
            transactions.count(of: client.key) + delayed.count { $0.source.connection == source.connection }
        guard held < configuration.limits.heldRequestsPerClient else {
            return refuse(source, "too many transactions in progress: \(held)", &context)
        }
        guard !readiness.isBlocking, clusterState == .running, departure == .none else {
            delayed.append(DelayedRequest(source: source, request: .begin(request)))
            return
        }
        guard let now = TID(unixTime: context.wallTime) else {
            return refuse(source, "the clock of the master is out of range", &context)
        }
        let ttid: TTID
        do {
            ttid = try transactions.begin(
                request.tid,
                by: client.key,
                readiness: readiness.counter,
                onlyStorage: onlyStorage.nid,
                now: now
            )
        } catch {
            return refuse(source, error.text, &context)
        }
        connections.answer(source.connection, to: source.request, AnswerBeginTransaction(ttid: ttid), &context)
    }

    /// Tries again, in order, what could not be answered.
    mutating func retryDelayed(_ context: inout Context) {
        let requests = delayed
        delayed = []
        for delayedRequest in requests where connections.isOpen(delayedRequest.source.connection) {
            switch delayedRequest.request {
            case .begin(let request): begin(request, delayedRequest.source, &context)
            case .failedVote(let request): arbitrate(request, delayedRequest.source, &context)
            }
        }
    }

    private mutating func answerNewOIDs(_ request: AskNewOIDs, _ source: Source, _ context: inout Context) {
        guard (1...configuration.limits.oidsPerRequest).contains(request.count) else {
            return refuse(
                source,
                "expected to be asked for 1 to \(configuration.limits.oidsPerRequest) OIDs, got \(request.count)",
                &context
            )
        }
        guard let oids = transactions.newOIDs(request.count) else {
            return refuse(source, "no OID is left after \(transactions.lastOID)", &context)
        }
        connections.answer(source.connection, to: source.request, AnswerNewOIDs(oids: oids), &context)
    }

    // MARK: Vote and abort

    /// May a client go on without the storages to which it could not write? (`spec/master.md §12.5`)
    private mutating func arbitrate(_ request: FailedVote, _ source: Source, _ context: inout Context) {
        guard let transaction = owned(request.ttid, source, &context) else { return }
        let failed = Set(request.nids).filter { readiness.isReady($0, since: transaction.readiness) }
        if failed.isEmpty { return acknowledge(source, "", &context) }
        guard isOperational(without: failed) else {
            return connections.fail(source.connection, to: source.request, .incompleteTransaction, "", &context)
        }
        guard isOperational(without: failed.union(transactions.allFailed)) else {
            // Whether this is possible depends on the end of a transaction that was allowed to go on.
            delayed.append(DelayedRequest(source: source, request: .failedVote(request)))
            return
        }
        transactions.setFailed(failed.sorted(), request.ttid)
        acknowledge(source, "", &context)
    }

    /// - Returns: a transaction of the client that is not being finished; nil if the request was refused.
    func isOwner(_ transaction: Transaction, _ source: Source) -> Bool {
        transaction.client != nil && transaction.client == registry[source.connection]?.key
    }

    mutating func owned(_ ttid: TTID, _ source: Source, _ context: inout Context) -> Transaction? {
        guard let transaction = transactions[ttid], isOwner(transaction, source) else {
            refuse(source, "unknown ttid \(ttid)", &context)
            return nil
        }
        guard transaction.commit == nil else {
            refuse(source, "commit already requested for ttid \(ttid)", &context)
            return nil
        }
        return transaction
    }

    private mutating func abort(
        _ notification: AbortTransaction,
        _ node: RegisteredNode,
        _ context: inout Context
    ) {
        // An unknown transaction is a normal race: it ended with the previous connection of its client (`§18.1`).
        guard let transaction = transactions[notification.ttid], transaction.client == node.key else {
            return context.log(.debug, "\(node) aborts transaction \(notification.ttid), which is not one of its own")
        }
        guard transaction.commit == nil else {
            return context.log(.warning, "\(node) aborts transaction \(notification.ttid), which is being committed")
        }
        transactions.remove(notification.ttid)
        tellAborted(transaction, at: notification.nids, &context)
        retryDelayed(&context)
    }

    /// Tells the end of a transaction that was removed to ready storages among `nids` and to those that wait for it.
    mutating func tellAborted(_ transaction: Transaction, at nids: [NID], _ context: inout Context) {
        var told = Set(nids.filter(readiness.isReady))
        for waiter in transaction.waiters {
            switch waiter {
            case .storage(let nid):
                told.insert(nid)
            case .client(let source):
                connections.answer(source.connection, to: source.request, AnswerFinalTID(tid: nil), &context)
            }
        }
        for nid in told.sorted() {
            guard let connection = registry.connection(of: nid) else { continue }
            connections.notify(connection, AbortTransaction(ttid: transaction.ttid, nids: []), &context)
        }
    }

    /// `spec/master.md §12.11`
    private mutating func answerFinalTID(
        _ request: AskFinalTID,
        _ node: RegisteredNode,
        _ source: Source,
        _ context: inout Context
    ) {
        if transactions[request.ttid] != nil {
            guard transactions.waiterCount(source.connection) < configuration.limits.heldRequestsPerClient else {
                return refuse(source, "too many requests that wait for the end of a transaction", &context)
            }
            return transactions.wait(request.ttid, source)
        }
        let tid: TID? = transactions.highestGiven < request.ttid ? nil : .max
        connections.answer(source.connection, to: source.request, AnswerFinalTID(tid: tid), &context)
    }
}
