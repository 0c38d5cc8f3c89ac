import MessagePack
import NIOCore
import OrderedCollections

// Reads (`spec/protocol.md §13`).

/// Load an object; its latest revision if there is neither `at` nor `before`.
public struct AskObject: RequestPayload {
    public typealias Answer = AnswerObject

    public static var code: PacketCode { .askObject }

    public var oid: OID
    /// Exactly this revision.
    public var at: TID?
    /// The greatest revision before.
    public var before: TID?

    public init(oid: OID, at: TID?, before: TID?) {
        self.oid = oid
        self.at = at
        self.before = before
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(3)
        oid = try .init(from: &reader)
        at = try .init(from: &reader)
        before = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(3)
        oid.encode(into: &writer)
        at.encode(into: &writer)
        before.encode(into: &writer)
    }

    public var packet: Packet { .askObject(self) }
}

/// The answer to ``AskObject``.
public struct AnswerObject: AnswerPayload {
    public static var code: PacketCode { .answerObject }

    public var oid: OID
    public var serial: TID
    public var nextSerial: TID?
    /// Nil if there is no data.
    public var compression: Int?
    public var checksum: Checksum
    public var data: ByteBuffer
    public var dataTID: TID?

    public init(
        oid: OID,
        serial: TID,
        nextSerial: TID?,
        compression: Int?,
        checksum: Checksum,
        data: ByteBuffer,
        dataTID: TID?
    ) {
        self.oid = oid
        self.serial = serial
        self.nextSerial = nextSerial
        self.compression = compression
        self.checksum = checksum
        self.data = data
        self.dataTID = dataTID
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(7)
        oid = try .init(from: &reader)
        serial = try .init(from: &reader)
        nextSerial = try .init(from: &reader)
        compression = try .init(from: &reader)
        checksum = try .init(from: &reader)
        data = try .init(from: &reader)
        dataTID = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(7)
        oid.encode(into: &writer)
        serial.encode(into: &writer)
        nextSerial.encode(into: &writer)
        compression.encode(into: &writer)
        checksum.encode(into: &writer)
        data.encode(into: &writer)
        dataTID.encode(into: &writer)
    }

    public var packet: Packet { .answerObject(self) }
}

/// TIDs of ranks `first ..< last`, newest first.
public struct AskTIDs: RequestPayload {
    public typealias Answer = AnswerTIDs

    public static var code: PacketCode { .askTIDs }

    public var first: Int
    public var last: Int
    /// Or `invalidPartition`.
    public var partition: Int

    public init(first: Int, last: Int, partition: Int) {
        self.first = first
        self.last = last
        self.partition = partition
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(3)
        first = try .init(from: &reader)
        last = try .init(from: &reader)
        partition = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(3)
        first.encode(into: &writer)
        last.encode(into: &writer)
        partition.encode(into: &writer)
    }

    public var packet: Packet { .askTIDs(self) }
}

/// The answer to ``AskTIDs``.
public struct AnswerTIDs: AnswerPayload {
    public static var code: PacketCode { .answerTIDs }

    public var tids: [TID]

    public init(tids: [TID]) {
        self.tids = tids
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(1)
        tids = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(1)
        tids.encode(into: &writer)
    }

    public var packet: Packet { .answerTIDs(self) }
}

/// The metadata of a transaction.
public struct AskTransactionInformation: RequestPayload {
    public typealias Answer = AnswerTransactionInformation

    public static var code: PacketCode { .askTransactionInformation }

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

    public var packet: Packet { .askTransactionInformation(self) }
}

/// The answer to ``AskTransactionInformation``.
public struct AnswerTransactionInformation: AnswerPayload {
    public static var code: PacketCode { .answerTransactionInformation }

    public var tid: TID
    public var user: ByteBuffer
    public var description: ByteBuffer
    public var extensionData: ByteBuffer
    public var packed: Bool
    public var oids: [OID]

    public init(
        tid: TID,
        user: ByteBuffer,
        description: ByteBuffer,
        extensionData: ByteBuffer,
        packed: Bool,
        oids: [OID]
    ) {
        self.tid = tid
        self.user = user
        self.description = description
        self.extensionData = extensionData
        self.packed = packed
        self.oids = oids
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(6)
        tid = try .init(from: &reader)
        user = try .init(from: &reader)
        description = try .init(from: &reader)
        extensionData = try .init(from: &reader)
        packed = try .init(from: &reader)
        oids = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(6)
        tid.encode(into: &writer)
        user.encode(into: &writer)
        description.encode(into: &writer)
        extensionData.encode(into: &writer)
        packed.encode(into: &writer)
        oids.encode(into: &writer)
    }

    public var packet: Packet { .answerTransactionInformation(self) }
}

/// Revisions of ranks `first ..< last`, newest first.
public struct AskObjectHistory: RequestPayload {
    public typealias Answer = AnswerObjectHistory

    public static var code: PacketCode { .askObjectHistory }

    public var oid: OID
    public var first: Int
    public var last: Int

    public init(oid: OID, first: Int, last: Int) {
        self.oid = oid
        self.first = first
        self.last = last
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(3)
        oid = try .init(from: &reader)
        first = try .init(from: &reader)
        last = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(3)
        oid.encode(into: &writer)
        first.encode(into: &writer)
        last.encode(into: &writer)
    }

    public var packet: Packet { .askObjectHistory(self) }
}

/// The answer to ``AskObjectHistory``.
public struct AnswerObjectHistory: AnswerPayload {
    public static var code: PacketCode { .answerObjectHistory }

    public var oid: OID
    public var history: [HistoryRecord]

    public init(oid: OID, history: [HistoryRecord]) {
        self.oid = oid
        self.history = history
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(2)
        oid = try .init(from: &reader)
        history = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(2)
        oid.encode(into: &writer)
        history.encode(into: &writer)
    }

    public var packet: Packet { .answerObjectHistory(self) }
}

/// What to store in order to undo a transaction.
public struct AskObjectUndoSerial: RequestPayload {
    public typealias Answer = AnswerObjectUndoSerial

    public static var code: PacketCode { .askObjectUndoSerial }

    public var ttid: TTID
    /// Excluded upper bound of what it sees.
    public var limit: TID?
    public var undone: TID
    public var oids: [OID]

    public init(ttid: TTID, limit: TID?, undone: TID, oids: [OID]) {
        self.ttid = ttid
        self.limit = limit
        self.undone = undone
        self.oids = oids
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(4)
        ttid = try .init(from: &reader)
        limit = try .init(from: &reader)
        undone = try .init(from: &reader)
        oids = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(4)
        ttid.encode(into: &writer)
        limit.encode(into: &writer)
        undone.encode(into: &writer)
        oids.encode(into: &writer)
    }

    public var packet: Packet { .askObjectUndoSerial(self) }
}

/// The answer to ``AskObjectUndoSerial``.
public struct AnswerObjectUndoSerial: AnswerPayload {
    public static var code: PacketCode { .answerObjectUndoSerial }

    public var serials: OrderedDictionary<OID, UndoRecord>

    public init(serials: OrderedDictionary<OID, UndoRecord>) {
        self.serials = serials
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(1)
        serials = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(1)
        serials.encode(into: &writer)
    }

    public var packet: Packet { .answerObjectUndoSerial(self) }
}

/// At most `length` TIDs of a partition, oldest first.
public struct AskTIDsFrom: RequestPayload {
    public typealias Answer = AnswerTIDsFrom

    public static var code: PacketCode { .askTIDsFrom }

    public var min: TID
    public var max: TID
    public var length: Int
    public var partition: PartitionID

    public init(min: TID, max: TID, length: Int, partition: PartitionID) {
        self.min = min
        self.max = max
        self.length = length
        self.partition = partition
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(4)
        min = try .init(from: &reader)
        max = try .init(from: &reader)
        length = try .init(from: &reader)
        partition = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(4)
        min.encode(into: &writer)
        max.encode(into: &writer)
        length.encode(into: &writer)
        partition.encode(into: &writer)
    }

    public var packet: Packet { .askTIDsFrom(self) }
}

/// The answer to ``AskTIDsFrom``.
public struct AnswerTIDsFrom: AnswerPayload {
    public static var code: PacketCode { .answerTIDsFrom }

    public var tids: [TID]

    public init(tids: [TID]) {
        self.tids = tids
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(1)
        tids = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(1)
        tids.encode(into: &writer)
    }

    public var packet: Packet { .answerTIDsFrom(self) }
}

/// OIDs of a partition that have data at a TID.
public struct AskOIDsFrom: RequestPayload {
    public typealias Answer = AnswerOIDsFrom

    public static var code: PacketCode { .askOIDsFrom }

    public var partition: PartitionID
    public var length: Int
    public var min: OID
    public var tid: TID

    public init(partition: PartitionID, length: Int, min: OID, tid: TID) {
        self.partition = partition
        self.length = length
        self.min = min
        self.tid = tid
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(4)
        partition = try .init(from: &reader)
        length = try .init(from: &reader)
        min = try .init(from: &reader)
        tid = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(4)
        partition.encode(into: &writer)
        length.encode(into: &writer)
        min.encode(into: &writer)
        tid.encode(into: &writer)
    }

    public var packet: Packet { .askOIDsFrom(self) }
}

/// The answer to ``AskOIDsFrom``.
public struct AnswerOIDsFrom: AnswerPayload {
    public static var code: PacketCode { .answerOIDsFrom }

    /// Nil at the end.
    public var next: OID?
    public var oids: [OID]

    public init(next: OID?, oids: [OID]) {
        self.next = next
        self.oids = oids
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(2)
        next = try .init(from: &reader)
        oids = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(2)
        next.encode(into: &writer)
        oids.encode(into: &writer)
    }

    public var packet: Packet { .answerOIDsFrom(self) }
}
