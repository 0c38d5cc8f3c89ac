import NEOEngine
import NEOProtocol

/// The pending transactions and their locks: what is forgotten when operation is interrupted.
struct TransactionTable: Sendable {
    /// What became of the wish to write an object.
    enum LockOutcome: Hashable, Sendable {
        /// Nothing stands against it; the lock is to be taken by ``take(_:for:)``.
        case available
        /// Accepted without lock.
        case lockless
        /// Another transaction has the lock.
        /// - notify: its owner is to be told that this may be a deadlock.
        case blocked(holder: TTID, notify: NID?)
        /// The object changed: its current revision.
        case conflict(TID)
        /// This node cannot tell.
        case nonReadable
        /// What the client says cannot be.
        case invalid(String)
    }

    /// What is committed of an object.
    enum Current: Hashable, Sendable {
        case nonReadable
        /// Nil: no revision.
        case revision(TID?)
    }

    private(set) var transactions: [TTID: Transaction] = [:]
    private(set) var writeLocks: [OID: TTID] = [:]
    private(set) var loadLocks: [OID: TTID] = [:]
    /// Final TIDs of locked transactions, ascending.
    private(set) var lockedTIDs: [TID] = []
    /// Partitions that are being replicated: objects are written there without lock (`spec/storage.md §10.1`).
    var replicating: Set<PartitionID> = []
    /// Partitions that have all that was committed, and are not readable yet (`spec/storage.md §10.2`).
    var replicated: [PartitionID: ReplicatedCell] = [:]

    subscript(ttid: TTID) -> Transaction? { transactions[ttid] }

    var count: Int { transactions.count }

    /// The TTIDs of the transactions that satisfy `condition`, ascending.
    func ttids(where condition: (Transaction) -> Bool) -> [TTID] {
        transactions.filter { condition($0.value) }.keys.sorted()
    }

    /// Whether a transaction that is not visible yet has a final TID up to `tid` (`spec/storage.md §9.8`).
    func hidesTransactions(through tid: TID) -> Bool {
        lockedTIDs.first.map { $0 <= tid } ?? false
    }

    // MARK: Life

    mutating func register(_ ttid: TTID, owner: NID, now: Instant) {
        transactions[ttid] = Transaction(owner: owner, birth: now)
    }

    mutating func update(_ ttid: TTID, _ change: (inout Transaction) -> Void) {
        guard transactions[ttid] != nil else { return }
        change(&transactions[ttid]!)
    }

    /// From now on its objects cannot be read (`spec/storage.md §9.7`).
    mutating func lock(_ ttid: TTID, at tid: TID, hasMetadata: Bool) {
        guard let transaction = transactions[ttid] else { return }
        transactions[ttid]?.stage = .locked(tid, hasMetadata: hasMetadata)
        for (oid, write) in transaction.writes where write.store != nil { loadLocks[oid] = ttid }
        lockedTIDs.insert(tid, at: lockedTIDs.firstIndex { $0 > tid } ?? lockedTIDs.endIndex)
    }

    /// Forgets a transaction with its locks (`spec/storage.md §9.10`).
    mutating func end(_ ttid: TTID) {
        guard let transaction = transactions.removeValue(forKey: ttid) else { return }
        for oid in transaction.writes.keys {
            if writeLocks[oid] == ttid { writeLocks[oid] = nil }
            if transaction.isLocked, loadLocks[oid] == ttid { loadLocks[oid] = nil }
        }
        if let tid = transaction.tid, let index = lockedTIDs.firstIndex(of: tid) { lockedTIDs.remove(at: index) }
    }

    // MARK: Write locks

    /// Whether `ttid` may write an object on top of `serial` (`spec/storage.md §9.3`).
    ///
    /// It is evaluated from the beginning at each attempt. It remembers that an owner was notified; it takes no lock.
    mutating func evaluate(
        _ oid: OID,
        basedOn serial: TID,
        for ttid: TTID,
        in partition: PartitionID,
        current: () throws -> Current
    ) rethrows -> LockOutcome {
        if !replicating.isEmpty, replicating.contains(partition) { return .lockless }
        if let holder = writeLocks[oid], let other = transactions[holder] {
            if holder < ttid || (holder != ttid && other.isVoted) { return .blocked(holder: holder, notify: nil) }
            let own = transactions[ttid]?.writes[oid]
            if own?.isLockless == true { return .lockless }
            if holder != ttid {
                guard let write = other.writes[oid] else { return .blocked(holder: holder, notify: nil) }
                if write.isLockless { return .lockless }
                if write.isDeadlockNotified { return .blocked(holder: holder, notify: nil) }
                transactions[holder]?.writes[oid]?.isDeadlockNotified = true
                return .blocked(holder: holder, notify: other.owner)
            }
            guard let store = own?.store else { return .invalid("object \(oid) is already checked by \(ttid)") }
            guard let target = store.dataTID else { return .available }
            // The first store was an undo: the new one must start from the value it took back.
            return serial == target ? .available : conflict(target, serial, oid)
        }
        switch try current() {
        case .nonReadable: return .nonReadable
        case .revision(let revision):
            guard let revision, revision != serial else { return .available }
            return conflict(revision, serial, oid)
        }
    }

    private func conflict(_ current: TID, _ serial: TID, _ oid: OID) -> LockOutcome {
        if serial < current { return .conflict(current) }
        return .invalid("object \(oid): revision \(serial) is newer than the current one, \(current)")
    }

    mutating func take(_ oid: OID, for ttid: TTID) {
        writeLocks[oid] = ttid
    }

    /// Gives back a lock for an older transaction (`spec/storage.md §9.6`, step 2).
    mutating func release(_ oid: OID, of ttid: TTID) {
        transactions[ttid]?.writes[oid]?.isDeadlockNotified = false
        if writeLocks[oid] == ttid { writeLocks[oid] = nil }
    }

    /// Forgets what transactions do in partitions that this node lost (`spec/storage.md §10.5`).
    mutating func discard(_ isLost: (OID) -> Bool) {
        writeLocks = writeLocks.filter { !isLost($0.key) }
        loadLocks = loadLocks.filter { !isLost($0.key) }
        for (ttid, transaction) in transactions {
            transactions[ttid]?.writes = transaction.writes.filter { !isLost($0.key) }
        }
    }
}
