import MessagePack

// Transactions, between clients or storages and the master (`spec/protocol.md §13`).

/// A client begins a transaction.
public struct AskBeginTransaction: RequestPayload {
    public typealias Answer = AnswerBeginTransaction

    public static var code: PacketCode { .askBeginTransaction }

    /// The final TID wanted, nil: the master chooses.
    public var tid: TID?

    public init(tid: TID?) {
        self.tid = tid
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(1)
        tid = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(1)
        tid.encode(into: &writer)
    }

    public var packet: Packet { .askBeginTransaction(self) }
}

/// The answer to ``AskBeginTransaction``.
public struct AnswerBeginTransaction: AnswerPayload {
    public static var code: PacketCode { .answerBeginTransaction }

    public var ttid: TTID

    public init(ttid: TTID) {
        self.ttid = ttid
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(1)
        ttid = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(1)
        ttid.encode(into: &writer)
    }

    public var packet: Packet { .answerBeginTransaction(self) }
}

/// A client asks whether the transaction can be finished without some storages. Success is an error `ACK`.
public struct FailedVote: RequestPayload {
    public typealias Answer = ErrorPacket

    public static var code: PacketCode { .failedVote }

    public var ttid: TTID
    /// Running storages for which a write or the vote failed.
    public var nids: [NID]

    public init(ttid: TTID, nids: [NID]) {
        self.ttid = ttid
        self.nids = nids
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(2)
        ttid = try .init(from: &reader)
        nids = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(2)
        ttid.encode(into: &writer)
        nids.encode(into: &writer)
    }

    public var packet: Packet { .failedVote(self) }
}

/// A client asks to commit.
public struct AskFinishTransaction: RequestPayload {
    public typealias Answer = AnswerTransactionFinished

    public static var code: PacketCode { .askFinishTransaction }

    public var ttid: TTID
    /// That got data.
    public var stored: [OID]
    /// Partitions of deleted objects.
    public var deleted: [PartitionID]
    /// Partitions of objects that were only checked.
    public var checked: [PartitionID]
    public var pack: PackRequest?

    public init(ttid: TTID, stored: [OID], deleted: [PartitionID], checked: [PartitionID], pack: PackRequest?) {
        self.ttid = ttid
        self.stored = stored
        self.deleted = deleted
        self.checked = checked
        self.pack = pack
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(5)
        ttid = try .init(from: &reader)
        stored = try .init(from: &reader)
        deleted = try .init(from: &reader)
        checked = try .init(from: &reader)
        pack = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(5)
        ttid.encode(into: &writer)
        stored.encode(into: &writer)
        deleted.encode(into: &writer)
        checked.encode(into: &writer)
        pack.encode(into: &writer)
    }

    public var packet: Packet { .askFinishTransaction(self) }
}

/// The transaction is committed.
public struct AnswerTransactionFinished: AnswerPayload {
    public static var code: PacketCode { .answerTransactionFinished }

    public var ttid: TTID
    public var tid: TID

    public init(ttid: TTID, tid: TID) {
        self.ttid = ttid
        self.tid = tid
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(2)
        ttid = try .init(from: &reader)
        tid = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(2)
        ttid.encode(into: &writer)
        tid.encode(into: &writer)
    }

    public var packet: Packet { .answerTransactionFinished(self) }
}

/// The master asks a storage to make a commit durable and to lock its objects for reading.
public struct AskLockInformation: RequestPayload {
    public typealias Answer = AnswerInformationLocked

    public static var code: PacketCode { .askLockInformation }

    public var ttid: TTID
    public var tid: TID
    /// The attached pack order is approved.
    public var pack: Bool

    public init(ttid: TTID, tid: TID, pack: Bool) {
        self.ttid = ttid
        self.tid = tid
        self.pack = pack
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(3)
        ttid = try .init(from: &reader)
        tid = try .init(from: &reader)
        pack = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(3)
        ttid.encode(into: &writer)
        tid.encode(into: &writer)
        pack.encode(into: &writer)
    }

    public var packet: Packet { .askLockInformation(self) }
}

/// The answer to ``AskLockInformation``.
public struct AnswerInformationLocked: AnswerPayload {
    public static var code: PacketCode { .answerInformationLocked }

    public var ttid: TTID

    public init(ttid: TTID) {
        self.ttid = ttid
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(1)
        ttid = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(1)
        ttid.encode(into: &writer)
    }

    public var packet: Packet { .answerInformationLocked(self) }
}

/// Objects changed by a transaction of another client.
public struct InvalidateObjects: NotificationPayload {
    public static var code: PacketCode { .invalidateObjects }

    public var tid: TID
    public var oids: [OID]

    public init(tid: TID, oids: [OID]) {
        self.tid = tid
        self.oids = oids
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(2)
        tid = try .init(from: &reader)
        oids = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(2)
        tid.encode(into: &writer)
        oids.encode(into: &writer)
    }

    public var packet: Packet { .invalidateObjects(self) }
}

/// Partitions changed by a transaction, for backup masters.
public struct InvalidatePartitions: NotificationPayload {
    public static var code: PacketCode { .invalidatePartitions }

    public var tid: TID
    public var partitions: [PartitionID]

    public init(tid: TID, partitions: [PartitionID]) {
        self.tid = tid
        self.partitions = partitions
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(2)
        tid = try .init(from: &reader)
        partitions = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(2)
        tid.encode(into: &writer)
        partitions.encode(into: &writer)
    }

    public var packet: Packet { .invalidatePartitions(self) }
}

/// All storages have locked: data become readable.
public struct NotifyUnlockInformation: NotificationPayload {
    public static var code: PacketCode { .notifyUnlockInformation }

    public var ttid: TTID

    public init(ttid: TTID) {
        self.ttid = ttid
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(1)
        ttid = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(1)
        ttid.encode(into: &writer)
    }

    public var packet: Packet { .notifyUnlockInformation(self) }
}

/// A client asks for unused OIDs.
public struct AskNewOIDs: RequestPayload {
    public typealias Answer = AnswerNewOIDs

    public static var code: PacketCode { .askNewOIDs }

    /// At least 1.
    public var count: Int

    public init(count: Int) {
        self.count = count
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(1)
        count = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(1)
        count.encode(into: &writer)
    }

    public var packet: Packet { .askNewOIDs(self) }
}

/// The answer to ``AskNewOIDs``.
public struct AnswerNewOIDs: AnswerPayload {
    public static var code: PacketCode { .answerNewOIDs }

    /// Consecutive.
    public var oids: [OID]

    public init(oids: [OID]) {
        self.oids = oids
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(1)
        oids = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(1)
        oids.encode(into: &writer)
    }

    public var packet: Packet { .answerNewOIDs(self) }
}

/// A transaction that a replicating storage waits for is committed.
public struct NotifyTransactionFinished: NotificationPayload {
    public static var code: PacketCode { .notifyTransactionFinished }

    public var ttid: TTID
    public var tid: TID

    public init(ttid: TTID, tid: TID) {
        self.ttid = ttid
        self.tid = tid
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(2)
        ttid = try .init(from: &reader)
        tid = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(2)
        ttid.encode(into: &writer)
        tid.encode(into: &writer)
    }

    public var packet: Packet { .notifyTransactionFinished(self) }
}

/// The last committed transaction.
public struct AskLastTransaction: RequestPayload {
    public typealias Answer = AnswerLastTransaction

    public static var code: PacketCode { .askLastTransaction }

    public init() {}

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(0)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(0)
    }

    public var packet: Packet { .askLastTransaction(self) }
}

/// The answer to ``AskLastTransaction``.
public struct AnswerLastTransaction: AnswerPayload {
    public static var code: PacketCode { .answerLastTransaction }

    /// Zero if there is none.
    public var tid: TID

    public init(tid: TID) {
        self.tid = tid
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(1)
        tid = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(1)
        tid.encode(into: &writer)
    }

    public var packet: Packet { .answerLastTransaction(self) }
}
