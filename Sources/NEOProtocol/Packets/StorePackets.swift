import MessagePack
import NIOCore

// Transactions, between clients and storages (`spec/protocol.md §13`).

/// This transaction has the lock of an object for which an older one waits.
public struct NotifyDeadlock: NotificationPayload {
    public static var code: PacketCode { .notifyDeadlock }

    public var ttid: TTID
    public var oid: OID

    public init(ttid: TTID, oid: OID) {
        self.ttid = ttid
        self.oid = oid
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(2)
        ttid = try .init(from: &reader)
        oid = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(2)
        ttid.encode(into: &writer)
        oid.encode(into: &writer)
    }

    public var packet: Packet { .notifyDeadlock(self) }
}

/// Release the lock of an object and queue for it again.
public struct AskRelockObject: RequestPayload {
    public typealias Answer = AnswerRelockObject

    public static var code: PacketCode { .askRelockObject }

    public var ttid: TTID
    public var oid: OID

    public init(ttid: TTID, oid: OID) {
        self.ttid = ttid
        self.oid = oid
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(2)
        ttid = try .init(from: &reader)
        oid = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(2)
        ttid.encode(into: &writer)
        oid.encode(into: &writer)
    }

    public var packet: Packet { .askRelockObject(self) }
}

/// The answer to ``AskRelockObject``.
public struct AnswerRelockObject: AnswerPayload {
    public static var code: PacketCode { .answerRelockObject }

    /// Nil: locked again.
    public var conflict: RelockConflict?

    public init(conflict: RelockConflict?) {
        self.conflict = conflict
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(1)
        conflict = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(1)
        conflict.encode(into: &writer)
    }

    public var packet: Packet { .answerRelockObject(self) }
}

/// Store a revision of an object.
public struct AskStoreObject: RequestPayload {
    public typealias Answer = AnswerStoreObject

    public static var code: PacketCode { .askStoreObject }

    public var oid: OID
    /// Base revision, zero for a new object.
    public var serial: TID
    public var compression: Int
    public var checksum: Checksum
    /// As stored.
    public var data: ByteBuffer
    /// Undo: the revision whose data this is.
    public var dataTID: TID?
    public var ttid: TTID

    public init(
        oid: OID,
        serial: TID,
        compression: Int,
        checksum: Checksum,
        data: ByteBuffer,
        dataTID: TID?,
        ttid: TTID
    ) {
        self.oid = oid
        self.serial = serial
        self.compression = compression
        self.checksum = checksum
        self.data = data
        self.dataTID = dataTID
        self.ttid = ttid
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(7)
        oid = try .init(from: &reader)
        serial = try .init(from: &reader)
        compression = try .init(from: &reader)
        checksum = try .init(from: &reader)
        data = try .init(from: &reader)
        dataTID = try .init(from: &reader)
        ttid = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(7)
        oid.encode(into: &writer)
        serial.encode(into: &writer)
        compression.encode(into: &writer)
        checksum.encode(into: &writer)
        data.encode(into: &writer)
        dataTID.encode(into: &writer)
        ttid.encode(into: &writer)
    }

    public var packet: Packet { .askStoreObject(self) }
}

/// The answer to ``AskStoreObject``.
public struct AnswerStoreObject: AnswerPayload {
    public static var code: PacketCode { .answerStoreObject }

    /// Nil: locked, zero: stored without lock or ignored, else the current revision.
    public var conflict: TID?

    public init(conflict: TID?) {
        self.conflict = conflict
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(1)
        conflict = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(1)
        conflict.encode(into: &writer)
    }

    public var packet: Packet { .answerStoreObject(self) }
}

/// The transaction is aborted.
public struct AbortTransaction: NotificationPayload {
    public static var code: PacketCode { .abortTransaction }

    public var ttid: TTID
    /// To the master: the storages that the client tried to write to.
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

    public var packet: Packet { .abortTransaction(self) }
}

/// Vote, with the metadata.
public struct AskStoreTransaction: RequestPayload {
    public typealias Answer = AnswerStoreTransaction

    public static var code: PacketCode { .askStoreTransaction }

    public var ttid: TTID
    public var user: ByteBuffer
    public var description: ByteBuffer
    /// A pickle, or empty.
    public var extensionData: ByteBuffer
    /// Stored or checked.
    public var oids: [OID]
    public var pack: PackRequest?

    public init(
        ttid: TTID,
        user: ByteBuffer,
        description: ByteBuffer,
        extensionData: ByteBuffer,
        oids: [OID],
        pack: PackRequest?
    ) {
        self.ttid = ttid
        self.user = user
        self.description = description
        self.extensionData = extensionData
        self.oids = oids
        self.pack = pack
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(6)
        ttid = try .init(from: &reader)
        user = try .init(from: &reader)
        description = try .init(from: &reader)
        extensionData = try .init(from: &reader)
        oids = try .init(from: &reader)
        pack = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(6)
        ttid.encode(into: &writer)
        user.encode(into: &writer)
        description.encode(into: &writer)
        extensionData.encode(into: &writer)
        oids.encode(into: &writer)
        pack.encode(into: &writer)
    }

    public var packet: Packet { .askStoreTransaction(self) }
}

/// Everything is on disk.
public struct AnswerStoreTransaction: AnswerPayload {
    public static var code: PacketCode { .answerStoreTransaction }

    public init() {}

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(0)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(0)
    }

    public var packet: Packet { .answerStoreTransaction(self) }
}

/// Vote, without the metadata.
public struct AskVoteTransaction: RequestPayload {
    public typealias Answer = AnswerVoteTransaction

    public static var code: PacketCode { .askVoteTransaction }

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

    public var packet: Packet { .askVoteTransaction(self) }
}

/// Everything is on disk.
public struct AnswerVoteTransaction: AnswerPayload {
    public static var code: PacketCode { .answerVoteTransaction }

    public init() {}

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(0)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(0)
    }

    public var packet: Packet { .answerVoteTransaction(self) }
}

/// Lock an object provided that this is its current revision.
public struct AskCheckCurrentSerial: RequestPayload {
    public typealias Answer = AnswerCheckCurrentSerial

    public static var code: PacketCode { .askCheckCurrentSerial }

    public var ttid: TTID
    public var oid: OID
    public var serial: TID

    public init(ttid: TTID, oid: OID, serial: TID) {
        self.ttid = ttid
        self.oid = oid
        self.serial = serial
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(3)
        ttid = try .init(from: &reader)
        oid = try .init(from: &reader)
        serial = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(3)
        ttid.encode(into: &writer)
        oid.encode(into: &writer)
        serial.encode(into: &writer)
    }

    public var packet: Packet { .askCheckCurrentSerial(self) }
}

/// The answer to ``AskCheckCurrentSerial``.
public struct AnswerCheckCurrentSerial: AnswerPayload {
    public static var code: PacketCode { .answerCheckCurrentSerial }

    /// As in ``AnswerStoreObject``.
    public var conflict: TID?

    public init(conflict: TID?) {
        self.conflict = conflict
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(1)
        conflict = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(1)
        conflict.encode(into: &writer)
    }

    public var packet: Packet { .answerCheckCurrentSerial(self) }
}
