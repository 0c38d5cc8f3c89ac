import NEOProtocol

/// What is to be packed in a partition (`spec/storage.md §15.4`): of each object, the revisions that are not the last one
/// up to a TID; that one too if it is a deletion.
public struct PackSlice: Hashable, Sendable {
    /// Later revisions are kept.
    public var tid: TID
    /// Objects of the partition, ascending; nil: all of them.
    public var oids: [OID]?
    /// Where to begin. An object may be begun again: what was deleted of it stays deleted.
    public var from: OID

    public init(tid: TID, oids: [OID]? = nil, from: OID = .zero) {
        self.tid = tid
        self.oids = oids
        self.from = from
    }
}
