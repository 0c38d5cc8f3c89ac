import NEOProtocol
import NIOCore

/// Which revision of an object is wanted (`spec/storage.md §11`).
public enum RevisionSelector: Hashable, Sendable {
    case latest
    /// Exactly this one.
    case at(TID)
    /// The last one with a smaller TID.
    case before(TID)
}

/// What was found for a read.
public enum LoadOutcome: Hashable, Sendable {
    case found(Revision)
    /// The object has revisions, but not the one that was asked: `OID_NOT_FOUND`.
    case noSuchRevision
    /// `OID_DOES_NOT_EXIST`.
    case noSuchObject
}

/// A revision of an object.
public struct Revision: Hashable, Sendable {
    public var tid: TID
    /// The following revision; nil if this is the last one (or if it was not asked).
    public var nextTID: TID?
    /// Nil: the object is deleted, or its creation was undone.
    public var data: StoredData?
    /// The revision of which this one has the data, if it is an undo. It may be gone.
    public var dataTID: TID?

    public init(tid: TID, nextTID: TID?, data: StoredData?, dataTID: TID?) {
        self.tid = tid
        self.nextTID = nextTID
        self.data = data
        self.dataTID = dataTID
    }
}

/// The revisions of an object from some TID on, without data.
public struct RevisionChain: Hashable, Sendable {
    public struct Link: Hashable, Sendable {
        public var tid: TID
        /// See ``Revision/dataTID``.
        public var dataTID: TID?

        public init(tid: TID, dataTID: TID?) {
            self.tid = tid
            self.dataTID = dataTID
        }
    }

    /// The greatest TID before that one.
    public var previous: TID?
    /// Ascending.
    public var revisions: [Link]

    public init(previous: TID?, revisions: [Link]) {
        self.previous = previous
        self.revisions = revisions
    }
}

/// The answer to "how to undo".
public enum UndoOutcome: Hashable, Sendable {
    /// The object was not changed by that transaction, or the revision was packed.
    case nothingToUndo
    /// The undoing transaction sees no revision: `OID_NOT_FOUND`.
    case notVisible
    case found(UndoRecord)
}

/// A slice of the objects of a partition.
public struct OIDSlice: Hashable, Sendable {
    /// Those that exist, ascending.
    public var oids: [OID]
    /// The last OID that was considered; nil: the end was reached. The next slice begins one number of partitions
    /// further.
    public var lastConsidered: OID?

    public init(oids: [OID], lastConsidered: OID?) {
        self.oids = oids
        self.lastConsidered = lastConsidered
    }
}

/// Key of an object record.
public struct ObjectRecordID: Hashable, Comparable, Sendable {
    public var tid: TID
    public var oid: OID

    public init(tid: TID, oid: OID) {
        self.tid = tid
        self.oid = oid
    }

    public static func < (left: ObjectRecordID, right: ObjectRecordID) -> Bool {
        (left.tid, left.oid) < (right.tid, right.oid)
    }

    /// The smallest key behind this one, of a record that exists.
    public var successor: ObjectRecordID {
        oid.rawValue < TID.max.rawValue
            ? ObjectRecordID(tid: tid, oid: OID(oid.rawValue + 1))
            : ObjectRecordID(tid: TID(tid.rawValue &+ 1), oid: .zero)
    }
}

/// The greatest ids.
public struct LastIDs: Hashable, Sendable {
    /// Of transactions.
    public var transactionTID: TID?
    /// Of object records.
    public var recordTID: TID?
    public var oid: OID?

    public init(transactionTID: TID? = nil, recordTID: TID? = nil, oid: OID? = nil) {
        self.transactionTID = transactionTID
        self.recordTID = recordTID
        self.oid = oid
    }

    /// Of transactions and object records.
    public var tid: TID? { largest(transactionTID, recordTID) }
}
