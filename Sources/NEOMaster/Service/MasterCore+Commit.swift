import NEOEngine
import NEOProtocol
import NEOTopology
import OrderedCollections

/// The second phase of transactions (`spec/master.md §12.6, §12.7`).
extension MasterCore {
    mutating func finish(
        _ request: AskFinishTransaction,
        _ node: RegisteredNode,
        _ source: Source,
        _ context: inout Context
    ) {
        if let pack = request.pack, pack.tid == .zero || pack.tid > transactions.last {
            return refuse(source, "invalid pack time", &context)
        }
        guard let transaction = owned(request.ttid, source, &context) else { return }
        let partitions = request.deleted + request.checked
        if let wrong = partitions.first(where: { !table.rows.indices.contains($0) }) {
            return refuse(source, "no partition \(wrong): there are \(table.partitions) partitions", &context)
        }
        if !transaction.failed.isEmpty {
            guard isOperational(without: Set(transaction.failed)) else {
                return reject(transaction, source, &context)
            }
        }
        let modified = Set(request.stored.map(table.partition(of:))).union(request.deleted)
        let touched = modified.union(request.checked).union([table.partition(of: request.ttid)])
        // The cells of failed nodes are out of date, and storages know it, before any lock.
        for nid in transaction.failed {
            let isTouched = touched.contains { table.state(of: $0, at: nid) != nil }
            guard isTouched, let connection = registry.connection(of: nid) else { continue }
            disconnect(connection, "\(node) could not write transaction \(request.ttid) to it", &context)
        }
        guard clusterState == .running || clusterState == .stopping, let current = transactions[request.ttid] else {
            return
        }
        let involved = Set(touched.flatMap { table.cells(of: $0).map(\.nid) })
            .filter { readiness.isReady($0, since: current.readiness) && registry.connection(of: $0) != nil }
            .sorted()
        guard !involved.isEmpty else { return reject(current, source, &context) }
        guard
            let now = TID(unixTime: context.wallTime),
            let tid = transactions.finalTID(of: current, now: now, partitions: table.partitions)
        else { return refuse(source, "no TID is left", &context) }
        var isPackApproved = false
        if let pack = request.pack { isPackApproved = packs.add(pack, id: tid) }
        let first = current.onlyStorage.flatMap { involved.count > 1 && involved.contains($0) ? $0 : nil }
        transactions.prepare(
            request.ttid,
            Transaction.Commit(
                tid: tid,
                oids: request.stored,
                modified: modified.sorted(),
                involved: involved,
                locking: Set(involved),
                deferred: first.map { first in involved.filter { $0 != first } } ?? [],
                source: source,
                isPack: request.pack != nil,
                isPackApproved: isPackApproved
            )
        )
        askLock(request.ttid, at: first.map { [$0] } ?? involved, &context)
    }

    private mutating func askLock(_ ttid: TTID, at nids: [NID], _ context: inout Context) {
        guard let commit = transactions[ttid]?.commit else { return }
        for nid in nids {
            guard let connection = registry.connection(of: nid) else { continue }
            connections.ask(
                connection,
                AskLockInformation(ttid: ttid, tid: commit.tid, pack: commit.isPackApproved),
                then: .lock(ttid, period: period),
                &context
            )
        }
    }

    /// After the loss of a storage that others waited for.
    mutating func askDeferredLocks(_ context: inout Context) {
        for ttid in transactions.queue { askLock(ttid, at: transactions.takeDeferred(ttid), &context) }
    }

    /// The transaction cannot be committed any more: it is aborted everywhere (`spec/master.md §12.6` step 3).
    private mutating func reject(_ transaction: Transaction, _ source: Source, _ context: inout Context) {
        context.log(.warning, "transaction \(transaction.ttid) is incomplete and cannot be committed")
        connections.fail(source.connection, to: source.request, .incompleteTransaction, "", &context)
        transactions.remove(transaction.ttid)
        tellAborted(transaction, at: Array(readiness.ready.keys), &context)
        retryDelayed(&context)
    }

    mutating func locked(
        _ ttid: TTID,
        _ answer: AnswerInformationLocked,
        _ nid: NID,
        _ source: Source,
        _ context: inout Context
    ) {
        guard answer.ttid == ttid else {
            return refuse(source, "expected the lock of \(ttid), got that of \(answer.ttid)", &context)
        }
        guard transactions.locked(ttid, at: nid) else { return }
        askLock(ttid, at: transactions.takeDeferred(ttid), &context)
        if commitLocked(&context) { retryDelayed(&context) }
    }

    /// Commits what is locked everywhere, in the order of TIDs.
    @discardableResult
    mutating func commitLocked(_ context: inout Context) -> Bool {
        var isDone = false
        while let transaction = transactions.popLocked() {
            guard let commit = transaction.commit else { continue }
            tellCommitted(transaction, commit, &context)
            isDone = true
        }
        return isDone
    }

    /// One turn: clients first, then unlocks, then pack signatures, then those that wait (`spec/master.md §12.7`).
    private mutating func tellCommitted(
        _ transaction: Transaction,
        _ commit: Transaction.Commit,
        _ context: inout Context
    ) {
        for client in registry.identified(.client) {
            guard let connection = client.connection else { continue }
            if client.key == transaction.client {
                connections.answer(
                    connection,
                    to: commit.source.request,
                    AnswerTransactionFinished(ttid: transaction.ttid, tid: commit.tid),
                    &context
                )
            } else if client.backupCluster != nil {
                connections.notify(
                    connection,
                    InvalidatePartitions(tid: commit.tid, partitions: commit.modified),
                    &context
                )
            } else {
                connections.notify(connection, InvalidateObjects(tid: commit.tid, oids: commit.oids), &context)
            }
        }
        for nid in commit.involved {
            guard let connection = registry.connection(of: nid) else { continue }
            connections.notify(connection, NotifyUnlockInformation(ttid: transaction.ttid), &context)
        }
        if commit.isPack, packs.isApproved(commit.tid) {
            let signatures = NotifyPackSigned(approved: [commit.tid], rejected: [])
            for nid in readiness.ready.keys {
                guard let connection = registry.connection(of: nid) else { continue }
                connections.notify(connection, signatures, &context)
            }
            for client in registry.identified(.client) where client.backupCluster != nil {
                if let connection = client.connection { connections.notify(connection, signatures, &context) }
            }
        }
        for waiter in transaction.waiters {
            switch waiter {
            case .storage(let nid):
                guard let connection = registry.connection(of: nid) else { continue }
                connections.notify(
                    connection,
                    NotifyTransactionFinished(ttid: transaction.ttid, tid: commit.tid),
                    &context
                )
            case .client(let source):
                connections.answer(source.connection, to: source.request, AnswerFinalTID(tid: commit.tid), &context)
            }
        }
    }
}
