import NEODatabase
import NEOProtocol

/// What the source of a replication does with a request: an exact merge of two sorted lists (`spec/replication.md §10.1,
/// §10.2`).
struct ReplicationPlan: Hashable, Sendable {
    /// Rows of the source, ascending: one more than a chunk has, if there are so many.
    private let own: [ObjectRecordID]
    /// Rows of the requester, ascending.
    private let known: [ObjectRecordID]
    private let length: Int
    /// False: the requester may have more rows, behind those that it told.
    private let isKnownComplete: Bool

    init(own: [ObjectRecordID], known: [ObjectRecordID], length: Int, isKnownComplete: Bool) {
        self.own = own
        self.known = known.sorted()
        self.length = length
        self.isKnownComplete = isKnownComplete
    }

    /// Where the next chunk begins; nil: this one is the last.
    ///
    /// Behind the last row that the requester told, if it may have more: they have still to be compared.
    /// - Parameter successor: of a key.
    func next(_ last: TID, successor: (ObjectRecordID) -> ObjectRecordID) -> ObjectRecordID? {
        let next = own.count > length ? own[length] : nil
        guard !isKnownComplete, let lastKnown = known.last, lastKnown.tid <= last else { return next }
        let after = successor(lastKnown)
        guard after.tid <= last else { return next }
        return next.map { min($0, after) } ?? after
    }

    /// What the requester lacks, the last one first.
    func missing(before next: ObjectRecordID?) -> [ObjectRecordID] {
        let known = Set(known)
        return own.reversed().filter { key in !known.contains(key) && next.map { key < $0 } ?? true }
    }

    /// What the requester has and the source has not.
    func deleted(before next: ObjectRecordID?) -> [ObjectRecordID] {
        let own = Set(own)
        return known.filter { key in !own.contains(key) && next.map { key < $0 } ?? true }
    }
}
