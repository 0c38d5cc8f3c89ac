import NEOEngine
import NEOProtocol
import OrderedCollections

/// The transactions in progress, their order, and the ids that are allocated (`spec/master.md §12`).
///
/// ```
///   begin ──▶ in progress ──finish──▶ prepared ──all locked, first of the queue──▶ committed
///                  └── abort, loss of the client ──▶ aborted
/// ```
struct TransactionTable: Hashable, Sendable {
    /// In the order of their TTIDs: each new one is greater than all.
    private(set) var transactions: OrderedDictionary<TTID, Transaction> = [:]
    /// Prepared transactions, in the order of their TIDs, which is that of the commits. A transaction that began with a
    /// TID of its own is in it from the beginning.
    private(set) var queue: [TTID] = []
    /// The last committed TID.
    private(set) var last = TID.zero
    private(set) var first = TID.max
    private(set) var lastOID = OID.zero
    /// No TTID up to this one is given: they were given, or may have been by another master.
    ///
    /// A TTID that is given again, after the clock went back, could be asked for by the client of the first transaction,
    /// which would take the end of the second one for that of its own.
    private(set) var lastTTID = TTID.zero

    /// - Parameter previous: what a previous period gave is not given again.
    init(after previous: TransactionTable? = nil) {
        if let previous { lastTTID = previous.lastTTID }
    }

    subscript(ttid: TTID) -> Transaction? { transactions[ttid] }
    var isEmpty: Bool { transactions.isEmpty }
    var hasPrepared: Bool { transactions.values.contains { $0.commit != nil } }
    /// Whether a transaction is being committed whose client is gone.
    var hasOrphan: Bool { transactions.values.contains { $0.commit != nil && $0.client == nil } }
    func count(of client: NodeKey) -> Int { transactions.values.count { $0.client == client } }

    /// The greatest TID used so far (`spec/master.md §12.1`).
    var highest: TID {
        let queued = queue.last.flatMap { transactions[$0] }.map { $0.commit?.tid ?? $0.ttid }
        return max(last, transactions.keys.last ?? .zero, queued ?? .zero)
    }

    /// No TID or TTID up to this one is given.
    var highestGiven: TID { max(highest, lastTTID) }

    /// What verification found in the databases.
    /// - Parameter margin: what is left out after the last transaction, since another master may have given these TTIDs
    ///   to transactions of which nothing is left; 2^-32 minutes.
    mutating func recovered(last: TID, lastOID: OID, first: TID, lastTTID: TTID, margin: Int64) {
        self.last = last
        let given = max(self.lastTTID, lastTTID)
        self.lastTTID = last == .zero ? given : max(given, last.advanced(by: margin) ?? last)
        self.lastOID = lastOID
        self.first = first
    }

    /// Forgets the transactions in progress, and keeps the ids.
    mutating func clear() {
        transactions = [:]
        queue = []
    }

    // MARK: Begin

    struct Refusal: Error, Hashable, Sendable {
        let text: String
    }

    static let noConcurrency = "There can't be concurrent transactions when a TID is specified for any of them."

    /// `spec/master.md §12.4`
    mutating func begin(
        _ chosen: TID?,
        by client: NodeKey,
        readiness: Int,
        onlyStorage: NID? = nil,
        now: TID
    ) throws(Refusal) -> TTID {
        let ttid: TTID
        if let chosen {
            guard isEmpty else { throw Refusal(text: Self.noConcurrency) }
            guard chosen > last else { throw Refusal(text: "new TID must be greater than the last committed one") }
            guard chosen <= .max else { throw Refusal(text: "TID \(chosen) is out of range") }
            ttid = chosen
            queue.append(ttid)
        } else {
            if transactions.count == 1, let only = transactions.values.first, only.isTIDChosen, only.commit == nil {
                throw Refusal(text: Self.noConcurrency)
            }
            guard let next = TID.next(now: now, last: highestGiven) else {
                throw Refusal(text: "no TID is left after \(highestGiven)")
            }
            ttid = next
            lastTTID = next
        }
        transactions[ttid] = Transaction(
            ttid: ttid,
            client: client,
            readiness: readiness,
            onlyStorage: onlyStorage,
            isTIDChosen: chosen != nil
        )
        return ttid
    }

    // MARK: OIDs

    /// - Returns: nil if there are not so many left.
    mutating func newOIDs(_ count: Int) -> [OID]? {
        let (end, isOverflow) = lastOID.rawValue.addingReportingOverflow(UInt64(max(0, count)))
        guard !isOverflow, end < OID.invalid.rawValue else { return nil }
        let oids = (lastOID.rawValue..<end).map { OID($0 + 1) }
        lastOID = OID(end)
        return oids
    }

    // MARK: Finish

    mutating func setFailed(_ nids: [NID], _ ttid: TTID) {
        transactions[ttid]?.failed = nids
    }

    /// The storages that failed for a client that was allowed to go on, of all the transactions in progress.
    var allFailed: Set<NID> { Set(transactions.values.flatMap(\.failed)) }

    /// The final TID of a transaction (`spec/master.md §12.6` step 5); nil if none is left.
    func finalTID(of transaction: Transaction, now: TID, partitions: Int) -> TID? {
        if transaction.isTIDChosen { return transaction.ttid }
        return TID.next(now: now, last: highest, ttid: transaction.ttid, partitions: partitions)
    }

    mutating func prepare(_ ttid: TTID, _ commit: Transaction.Commit) {
        guard transactions[ttid] != nil else { return }
        if !(transactions[ttid]?.isTIDChosen ?? false) { queue.append(ttid) }
        transactions[ttid]?.commit = commit
        // A client may store objects whose OIDs it was not given: those of another database.
        if let oid = commit.oids.max(), oid < .invalid { lastOID = max(lastOID, oid) }
    }

    /// - Returns: false if the storage was not expected to lock this transaction.
    mutating func locked(_ ttid: TTID, at nid: NID) -> Bool {
        transactions[ttid]?.commit?.locking.remove(nid) != nil
    }

    /// Takes the storages that can be asked to lock a transaction now.
    mutating func takeDeferred(_ ttid: TTID) -> [NID] {
        guard let transaction = transactions[ttid], let commit = transaction.commit, !commit.deferred.isEmpty,
            !(transaction.onlyStorage.map(commit.locking.contains) ?? false)
        else { return [] }
        transactions[ttid]?.commit?.deferred = []
        return commit.deferred
    }

    /// Takes the next transaction that can be committed, if any. It becomes the last one.
    mutating func popLocked() -> Transaction? {
        guard
            let ttid = queue.first, let transaction = transactions[ttid],
            let commit = transaction.commit, commit.locking.isEmpty
        else { return nil }
        remove(ttid)
        last = max(last, commit.tid)
        if first >= .max { first = commit.tid }
        return transaction
    }

    // MARK: Ends

    @discardableResult
    mutating func remove(_ ttid: TTID) -> Transaction? {
        if let index = queue.firstIndex(of: ttid) { queue.remove(at: index) }
        return transactions.removeValue(forKey: ttid)
    }

    /// `spec/master.md §12.9`
    /// - Returns: the transactions that end with the client.
    mutating func clientLost(_ client: NodeKey) -> [Transaction] {
        var aborted: [Transaction] = []
        for (ttid, transaction) in transactions where transaction.client == client {
            if transaction.commit == nil {
                aborted.append(transaction)
            } else {
                transactions[ttid]?.client = nil
            }
        }
        for transaction in aborted { remove(transaction.ttid) }
        return aborted
    }

    /// A connection is over: nothing can be answered there any more.
    mutating func forgetWaiters(_ connection: ConnectionID) {
        for (ttid, transaction) in transactions {
            let left = transaction.waiters.filter { waiter in
                if case .client(let source) = waiter { source.connection != connection } else { true }
            }
            if left.count != transaction.waiters.count { transactions[ttid]?.waiters = left }
        }
    }

    /// `spec/master.md §12.8`
    mutating func storageLost(_ nid: NID) {
        for ttid in Array(transactions.keys) {
            transactions[ttid]?.waiters.removeAll { $0 == .storage(nid) }
            transactions[ttid]?.commit?.involved.removeAll { $0 == nid }
            transactions[ttid]?.commit?.deferred.removeAll { $0 == nid }
            transactions[ttid]?.commit?.locking.remove(nid)
        }
    }

    // MARK: Waiters

    /// A storage waits for the end of all that is in progress.
    /// - Returns: their TTIDs.
    mutating func wait(storage nid: NID) -> [TTID] {
        let ttids = Array(transactions.keys)
        for ttid in ttids where !(transactions[ttid]?.waiters.contains(.storage(nid)) ?? true) {
            transactions[ttid]?.waiters.append(.storage(nid))
        }
        return ttids
    }

    mutating func wait(_ ttid: TTID, _ source: Source) {
        transactions[ttid]?.waiters.append(.client(source))
    }
}

extension TransactionTable {
    /// Requests of a connection that wait for the end of a transaction.
    func waiterCount(_ connection: ConnectionID) -> Int {
        transactions.values.reduce(0) { count, transaction in
            count
                + transaction.waiters.count { waiter in
                    if case .client(let source) = waiter { source.connection == connection } else { false }
                }
        }
    }
}
