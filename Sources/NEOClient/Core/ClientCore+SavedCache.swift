import NEOEngine
import NEOProtocol
import NEOTopology

/// Records of an earlier process that are not used yet: the cluster is asked which objects changed since.
///
/// ```
///   waiting ──connected──▶ the same TID? ──yes──▶ adopted
///      ▲                        │no
///      │                   AskTIDsFrom each partition, from that TID on
///      │                        │     it is not there, or too many came after it ──▶ forgotten
///      └──master lost──    AskTransactionInformation of each later one
///                               │
///                          adopted, without what was current and has changed
/// ```
///
/// TIDs are never used twice: a database that has the last transaction of the cache has all that was before it, whatever was
/// truncated or restored meanwhile.
struct SavedCacheCheck: Sendable {
    var saved: SavedCache
    /// The objects of the records that were current.
    var oids: Set<OID>
    /// Those that are not current any more, or may not be.
    var changed: Set<OID> = []
    /// Changes with each connection to a master, so that late answers of an earlier attempt are not counted.
    var attempt = 0
    /// Transactions that are known, then those that are still to be asked about.
    var tids: [TID] = []
    /// Questions that are not answered.
    var missingCount = 0

    init(_ saved: SavedCache) {
        self.saved = saved
        oids = Set(saved.entries.lazy.filter { $0.record.next == nil }.map(\.oid))
    }
}

extension ClientCore {
    /// Most transactions that are asked about: after more of them, little would be left of the cache.
    static var maximumCheckedTransactions: Int { 20_000 }
    /// Transactions that are asked about at once. Each can have millions of objects.
    private static var checkedTransactionWindow: Int { 32 }

    /// Takes what an earlier process knew; it is used once the cluster has said what of it is still current.
    public mutating func restore(_ saved: SavedCache) {
        savedCache = SavedCacheCheck(saved)
    }

    /// What the next process can begin with. Nil: nothing, or nothing that was checked yet.
    public var cacheToSave: SavedCache? {
        guard savedCache == nil, let lastTID, lastTID > .zero, cache.count > 0 else { return nil }
        return SavedCache(tid: lastTID, entries: cache.saved)
    }

    /// A transaction changed an object: the record of the earlier process is not current.
    mutating func savedRecordChanged(_ oid: OID) {
        if savedCache?.oids.contains(oid) ?? false { savedCache?.changed.insert(oid) }
    }

    /// There is a new connection to a master: asks about the records of the earlier process.
    mutating func checkSavedCache(_ context: inout Context) {
        guard let partitions, let lastTID, var check = savedCache else { return }
        check.attempt += 1
        check.changed = []
        check.tids = []
        check.missingCount = partitions.partitions
        savedCache = check
        let first = check.saved.tid
        guard first <= lastTID else { return forgetSavedCache("the database ends at \(lastTID)", &context) }
        guard first < lastTID else { return adoptSavedCache(&context) }
        for partition in 0..<partitions.partitions {
            let request = AskTIDsFrom(
                min: first,
                max: lastTID,
                length: Self.maximumCheckedTransactions,
                partition: partition
            )
            startRead(.tidsFrom(request), for: .savedCache(attempt: check.attempt), &context)
        }
    }

    mutating func savedCacheAnswered(_ attempt: Int, _ answer: ReadAnswer, _ context: inout Context) {
        guard savedCache?.attempt == attempt else { return }
        switch answer {
        case .failure(let error): forgetSavedCache(error.message, &context)
        case .success(.answerTIDsFrom(let answer)): foundLaterTransactions(answer.tids, &context)
        case .success(.answerTransactionInformation(let answer)):
            for oid in answer.oids { savedRecordChanged(oid) }
            savedCache?.missingCount -= 1
            askAboutLaterTransactions(&context)
        case .success(let packet): forgetSavedCache("unexpected \(packet.code)", &context)
        }
    }

    private mutating func foundLaterTransactions(_ tids: [TID], _ context: inout Context) {
        savedCache?.tids += tids
        savedCache?.missingCount -= 1
        guard let check = savedCache else { return }
        guard check.tids.count < Self.maximumCheckedTransactions else {
            return forgetSavedCache("more than \(Self.maximumCheckedTransactions) transactions came later", &context)
        }
        guard check.missingCount == 0 else { return }
        guard let index = check.tids.firstIndex(of: check.saved.tid) else {
            return forgetSavedCache("the database has no transaction \(check.saved.tid)", &context)
        }
        savedCache?.tids.remove(at: index)
        for _ in 0..<Self.checkedTransactionWindow { askAboutLaterTransactions(&context) }
    }

    private mutating func askAboutLaterTransactions(_ context: inout Context) {
        guard let check = savedCache else { return }
        if let tid = savedCache?.tids.popLast() {
            savedCache?.missingCount += 1
            let request = ReadRequest.transaction(AskTransactionInformation(tid: tid))
            startRead(request, for: .savedCache(attempt: check.attempt), &context)
        } else if check.missingCount == 0 {
            adoptSavedCache(&context)
        }
    }

    private mutating func adoptSavedCache(_ context: inout Context) {
        guard let check = savedCache else { return }
        savedCache = nil
        var count = 0
        // The most useful ones last: they are the last ones to be thrown out.
        for entry in check.saved.entries.reversed() {
            if entry.record.next == nil, check.changed.contains(entry.oid) { continue }
            cache.restore(entry)
            count += 1
        }
        context.log(.info, "cache file: \(count) of \(check.saved.entries.count) records are still of use")
    }

    private mutating func forgetSavedCache(_ reason: String, _ context: inout Context) {
        guard savedCache != nil else { return }
        savedCache = nil
        context.log(.warning, "cache file: its records are not used, \(reason)")
    }
}
