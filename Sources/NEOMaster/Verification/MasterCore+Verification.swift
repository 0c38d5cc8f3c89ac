import NEOEngine
import NEOProtocol
import NEOTopology
import OrderedCollections

/// VERIFYING: interrupted commits are finished or dropped, then the last ids are read (`spec/master.md §6`).
extension MasterCore {
    /// - Parameter isFarAhead: whether the PTID was moved on by more than changes of the table do.
    mutating func enterVerification(isFarAhead: Bool, _ context: inout Context) {
        clusterState = .verifying
        verification = Verification()
        verification.holdsTableBack = isFarAhead
        context.log(.info, "the cluster is VERIFYING")
        for node in registry.identified {
            guard let connection = node.connection else { continue }
            connections.notify(connection, NotifyClusterInformation(state: .verifying), &context)
            if node.type == .storage, !isHeldBack(node) { connections.notify(connection, fullTable, &context) }
        }
        transactions = TransactionTable(after: transactions)
        delayed = []
        packs = PackOrders()
        let nids = identifiedReadable
        verification.begin(.lockedTransactions, awaiting: nids)
        for nid in nids {
            guard let connection = registry.connection(of: nid) else { continue }
            connections.ask(connection, AskLockedTransactions(), then: .lockedTransactions(period: period), &context)
        }
        if nids.isEmpty { decideInterrupted(&context) }
    }

    /// Whether a storage is given the table later: see ``Verification/holdsTableBack``. Those without a cell do not matter: their
    /// tables give way.
    func isHeldBack(_ node: RegisteredNode) -> Bool {
        guard clusterState == .verifying, verification.holdsTableBack, node.type == .storage, let nid = node.node.nid
        else { return false }
        return table.nids.contains(nid) && !table.readableNIDs.contains(nid)
    }

    /// The identified storages that have a readable cell.
    var identifiedReadable: [NID] {
        table.readableNIDs.sorted().filter { registry.connection(of: $0) != nil }
    }

    mutating func lockedTransactionsAnswered(
        _ answer: AnswerLockedTransactions,
        _ nid: NID,
        _ source: Source,
        _ context: inout Context
    ) {
        if clusterState == .verifying, verification.step == .validation {
            // The answer comes behind what was validated.
            if verification.answered(nid) { validateElsewhere(&context) }
            return
        }
        guard clusterState == .verifying, verification.step == .lockedTransactions else { return }
        if let wrong = answer.transactions.first(where: { $0.key > .max || ($0.value.map { $0 > .max } ?? false) }) {
            return refuse(source, "transaction \(wrong.key) is out of range", &context)
        }
        guard verification.awaited.contains(nid) else { return }
        for ttid in verification.add(answer.transactions, from: nid) {
            context.log(.error, "\(nid) has locked transaction \(ttid) with another TID than other storages")
        }
        if verification.answered(nid) { decideInterrupted(&context) }
    }

    private mutating func decideInterrupted(_ context: inout Context) {
        verification.decide()
        askNextFinalTID(&context)
    }

    private mutating func askNextFinalTID(_ context: inout Context) {
        let table = table
        let registry = registry
        let question = verification.nextQuestion { ttid in
            table.cells(of: table.partition(of: ttid))
                .filter { $0.state.isReadable && registry.connection(of: $0.nid) != nil }.map(\.nid)
        }
        switch question {
        case .askFinalTID(let ttid, let nid):
            guard let connection = registry.connection(of: nid) else { return }
            connections.ask(connection, AskFinalTID(ttid: ttid), then: .finalTID(ttid, period: period), &context)
        case .none:
            validate(&context)
        }
    }

    mutating func finalTIDAnswered(
        _ answer: AnswerFinalTID,
        _ ttid: TTID,
        _ nid: NID,
        _ source: Source,
        _ context: inout Context
    ) {
        guard clusterState == .verifying else { return }
        if let tid = answer.tid, tid > .max {
            return refuse(source, "final TID \(tid) is out of range", &context)
        }
        if verification.finalTID(answer.tid, of: ttid, from: nid) { askNextFinalTID(&context) }
    }

    /// A storage that has the metadata of a transaction can be asked later how it ended; others have nothing left that names
    /// it once it is validated. If they were told first, and the metadata stayed unlocked in a crash, the next verification
    /// would drop there what is committed elsewhere.
    private mutating func validate(_ context: inout Context) {
        var first: Set<NID> = []
        for (ttid, tid, nids) in verification.validations {
            context.log(.info, "interrupted transaction \(ttid) is committed as \(tid)")
            let witnesses = nids.filter { table.isReadable(table.partition(of: ttid), at: $0) }
            notify(witnesses, ValidateTransaction(ttid: ttid, tid: tid), &context)
            if witnesses.count < nids.count { first.formUnion(witnesses) }
        }
        for ttid in verification.dropped {
            context.log(.info, "interrupted transaction \(ttid) is dropped: its commit was not decided")
        }
        guard !first.isEmpty else { return validateElsewhere(&context) }
        verification.begin(.validation, awaiting: first.sorted())
        for nid in first.sorted() {
            guard let connection = registry.connection(of: nid) else { continue }
            connections.ask(connection, AskLockedTransactions(), then: .lockedTransactions(period: period), &context)
        }
    }

    private mutating func validateElsewhere(_ context: inout Context) {
        for (ttid, tid, nids) in verification.validations {
            let others = nids.filter { !table.isReadable(table.partition(of: ttid), at: $0) }
            notify(others, ValidateTransaction(ttid: ttid, tid: tid), &context)
        }
        askLastIDs(of: registry.identified(.storage).filter { !isHeldBack($0) }, &context)
    }

    private mutating func notify(_ nids: [NID], _ validation: ValidateTransaction, _ context: inout Context) {
        for nid in nids {
            guard let connection = registry.connection(of: nid) else { continue }
            connections.notify(connection, validation, &context)
        }
    }

    private mutating func askLastIDs(of storages: [RegisteredNode], _ context: inout Context) {
        verification.begin(.lastIDs, awaiting: storages.compactMap(\.node.nid))
        verification.ptid = table.ptid
        for node in storages {
            guard let connection = node.connection else { continue }
            connections.ask(connection, AskLastIDs(), then: .lastIDs(period: period), &context)
        }
        if storages.isEmpty { lastIDsAreKnown(&context) }
    }

    private mutating func lastIDsAreKnown(_ context: inout Context) {
        let late = registry.identified(.storage).filter(isHeldBack)
        verification.holdsTableBack = false
        guard !late.isEmpty else { return askPackOrders(&context) }
        for node in late {
            if let connection = node.connection { connections.notify(connection, fullTable, &context) }
        }
        askLastIDs(of: late, &context)
    }

    mutating func lastIDsAnswered(
        _ answer: AnswerLastIDs,
        _ nid: NID,
        _ source: Source,
        _ context: inout Context
    ) {
        guard clusterState == .verifying, verification.step == .lastIDs else { return }
        if let tid = answer.lastTID, tid > .max {
            return refuse(source, "last TID \(tid) is out of range", &context)
        }
        guard verification.awaited.contains(nid) else { return }
        // It was given the table before the question, and answers once that is on its disk.
        if let ptid = verification.ptid { records.recorded(ptid, at: nid) }
        verification.add(answer)
        if verification.answered(nid) { lastIDsAreKnown(&context) }
    }

    /// About 15 ms.
    private static var maximumMargin: Int64 { 1 << 20 }

    private mutating func askPackOrders(_ context: inout Context) {
        transactions.recovered(
            last: verification.lastTID,
            lastOID: verification.lastOID,
            first: verification.firstTID,
            lastTTID: verification.lastTTID,
            margin: Int64.random(in: 1...Self.maximumMargin, using: &context.random)
        )
        if let tid = recovery.truncateTID {
            context.log(.info, "the database is truncated after \(tid)")
            recovery.truncateTID = nil
        }
        context.log(.info, "last transaction \(verification.lastTID), last object \(verification.lastOID)")
        let nids = identifiedReadable
        let completed = packs.completion(of: table.readableNIDs)
        let minimum = completed.map { TID(min($0.rawValue, TID.max.rawValue) + 1) } ?? .zero
        // Orders up to there are not asked for: a storage that missed one must be told that they were, and gets them from
        // those that executed them.
        if let completed, completed > .zero { packs.setCompleted(below: minimum) }
        verification.begin(.packOrders, awaiting: nids)
        for nid in nids {
            guard let connection = registry.connection(of: nid) else { continue }
            connections.ask(connection, AskPackOrders(min: minimum), then: .packOrders(period: period), &context)
        }
        if nids.isEmpty { enterService(&context) }
    }

    mutating func packOrdersAnswered(_ answer: AnswerPackOrders, _ nid: NID, _ context: inout Context) {
        guard clusterState == .verifying, verification.step == .packOrders, verification.awaited.contains(nid)
        else { return }
        packs.merge(answer.orders)
        if verification.answered(nid) { enterService(&context) }
    }

    /// A storage was lost and the cluster is still operational: it is not awaited any more.
    mutating func storageLostInVerification(_ nid: NID, _ context: inout Context) {
        verification.lost(nid)
        let wasAwaited = verification.awaited.contains(nid)
        let isComplete = verification.answered(nid)
        guard wasAwaited, isComplete else { return }
        switch verification.step {
        case .lockedTransactions: decideInterrupted(&context)
        case .finalTIDs: askNextFinalTID(&context)
        case .validation: validateElsewhere(&context)
        case .lastIDs: lastIDsAreKnown(&context)
        case .packOrders: enterService(&context)
        case .done: break
        }
    }

    private mutating func enterService(_ context: inout Context) {
        verification = Verification()
        clusterState = .running
        onlyStorage = OnlyStorage(table)
        context.log(.info, "the cluster is RUNNING")
        for node in registry.identified {
            guard let connection = node.connection else { continue }
            connections.notify(connection, NotifyClusterInformation(state: .running), &context)
            if node.type == .storage, node.state == .running { startOperation(node, &context) }
        }
        // Left by a master that was lost before their storages knew that they are replaced.
        discardReplaced(
            table.rows.indices.filter { table.cells(of: $0).allSatisfy(\.state.isReadable) },
            &context
        )
    }
}
