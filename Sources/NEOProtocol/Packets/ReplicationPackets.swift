import MessagePack
import NIOCore
import OrderedCollections

// Replication and backup (`spec/protocol.md §13`).

/// The storage is operational.
public struct NotifyReady: NotificationPayload {
    public static var code: PacketCode { .notifyReady }

    public init() {}

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(0)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(0)
    }

    public var packet: Packet { .notifyReady(self) }
}

/// Replicate up to a TID.
public struct Replicate: NotificationPayload {
    public static var code: PacketCode { .replicate }

    public var tid: TID
    /// Empty: the own one.
    public var cluster: String
    /// Source of each.
    public var partitions: OrderedDictionary<PartitionID, NodeAddress?>

    public init(tid: TID, cluster: String, partitions: OrderedDictionary<PartitionID, NodeAddress?>) {
        self.tid = tid
        self.cluster = cluster
        self.partitions = partitions
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(3)
        tid = try .init(from: &reader)
        cluster = try .init(from: &reader)
        partitions = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(3)
        tid.encode(into: &writer)
        cluster.encode(into: &writer)
        partitions.encode(into: &writer)
    }

    public var packet: Packet { .replicate(self) }
}

/// A cell is replicated up to a TID.
public struct NotifyReplicationDone: NotificationPayload {
    public static var code: PacketCode { .notifyReplicationDone }

    public var partition: PartitionID
    public var tid: TID

    public init(partition: PartitionID, tid: TID) {
        self.partition = partition
        self.tid = tid
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(2)
        partition = try .init(from: &reader)
        tid = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(2)
        partition.encode(into: &writer)
        tid.encode(into: &writer)
    }

    public var packet: Packet { .notifyReplicationDone(self) }
}

/// Fetch the transactions that the requester lacks.
public struct AskFetchTransactions: RequestPayload {
    public typealias Answer = AnswerFetchTransactions

    public static var code: PacketCode { .askFetchTransactions }

    public var partition: PartitionID
    public var length: Int
    public var min: TID
    public var max: TID
    /// Ascending.
    public var have: [TID]
    public var askPackInfo: Bool

    public init(partition: PartitionID, length: Int, min: TID, max: TID, have: [TID], askPackInfo: Bool) {
        self.partition = partition
        self.length = length
        self.min = min
        self.max = max
        self.have = have
        self.askPackInfo = askPackInfo
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(6)
        partition = try .init(from: &reader)
        length = try .init(from: &reader)
        min = try .init(from: &reader)
        max = try .init(from: &reader)
        have = try .init(from: &reader)
        askPackInfo = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(6)
        partition.encode(into: &writer)
        length.encode(into: &writer)
        min.encode(into: &writer)
        max.encode(into: &writer)
        have.encode(into: &writer)
        askPackInfo.encode(into: &writer)
    }

    public var packet: Packet { .askFetchTransactions(self) }
}

/// The answer to ``AskFetchTransactions``.
public struct AnswerFetchTransactions: AnswerPayload {
    public static var code: PacketCode { .answerFetchTransactions }

    /// Nil at the end.
    public var next: TID?
    /// Of `have`, that the source lacks.
    public var deleted: [TID]
    public var completedPack: TID?

    public init(next: TID?, deleted: [TID], completedPack: TID?) {
        self.next = next
        self.deleted = deleted
        self.completedPack = completedPack
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(3)
        next = try .init(from: &reader)
        deleted = try .init(from: &reader)
        completedPack = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(3)
        next.encode(into: &writer)
        deleted.encode(into: &writer)
        completedPack.encode(into: &writer)
    }

    public var packet: Packet { .answerFetchTransactions(self) }
}

/// Fetch the object records that the requester lacks.
public struct AskFetchObjects: RequestPayload {
    public typealias Answer = AnswerFetchObjects

    public static var code: PacketCode { .askFetchObjects }

    public var partition: PartitionID
    public var length: Int
    public var min: TID
    public var max: TID
    public var minOID: OID
    public var have: OrderedDictionary<TID, [OID]>

    public init(
        partition: PartitionID,
        length: Int,
        min: TID,
        max: TID,
        minOID: OID,
        have: OrderedDictionary<TID, [OID]>
    ) {
        self.partition = partition
        self.length = length
        self.min = min
        self.max = max
        self.minOID = minOID
        self.have = have
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(6)
        partition = try .init(from: &reader)
        length = try .init(from: &reader)
        min = try .init(from: &reader)
        max = try .init(from: &reader)
        minOID = try .init(from: &reader)
        have = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(6)
        partition.encode(into: &writer)
        length.encode(into: &writer)
        min.encode(into: &writer)
        max.encode(into: &writer)
        minOID.encode(into: &writer)
        have.encode(into: &writer)
    }

    public var packet: Packet { .askFetchObjects(self) }
}

/// The answer to ``AskFetchObjects``.
public struct AnswerFetchObjects: AnswerPayload {
    public static var code: PacketCode { .answerFetchObjects }

    public var nextTID: TID?
    public var nextOID: OID?
    public var deleted: OrderedDictionary<TID, [OID]>

    public init(nextTID: TID?, nextOID: OID?, deleted: OrderedDictionary<TID, [OID]>) {
        self.nextTID = nextTID
        self.nextOID = nextOID
        self.deleted = deleted
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(3)
        nextTID = try .init(from: &reader)
        nextOID = try .init(from: &reader)
        deleted = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(3)
        nextTID.encode(into: &writer)
        nextOID.encode(into: &writer)
        deleted.encode(into: &writer)
    }

    public var packet: Packet { .answerFetchObjects(self) }
}

/// A fetched transaction, with the id of the request.
public struct AddTransaction: NotificationPayload {
    public static var code: PacketCode { .addTransaction }

    public var tid: TID
    public var user: ByteBuffer
    public var description: ByteBuffer
    public var extensionData: ByteBuffer
    public var packed: Bool
    public var ttid: TTID
    public var oids: [OID]
    public var pack: ReplicatedPack?

    public init(
        tid: TID,
        user: ByteBuffer,
        description: ByteBuffer,
        extensionData: ByteBuffer,
        packed: Bool,
        ttid: TTID,
        oids: [OID],
        pack: ReplicatedPack?
    ) {
        self.tid = tid
        self.user = user
        self.description = description
        self.extensionData = extensionData
        self.packed = packed
        self.ttid = ttid
        self.oids = oids
        self.pack = pack
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(8)
        tid = try .init(from: &reader)
        user = try .init(from: &reader)
        description = try .init(from: &reader)
        extensionData = try .init(from: &reader)
        packed = try .init(from: &reader)
        ttid = try .init(from: &reader)
        oids = try .init(from: &reader)
        pack = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(8)
        tid.encode(into: &writer)
        user.encode(into: &writer)
        description.encode(into: &writer)
        extensionData.encode(into: &writer)
        packed.encode(into: &writer)
        ttid.encode(into: &writer)
        oids.encode(into: &writer)
        pack.encode(into: &writer)
    }

    public var packet: Packet { .addTransaction(self) }
}

/// A fetched object record, with the id of the request.
public struct AddObject: NotificationPayload {
    public static var code: PacketCode { .addObject }

    public var oid: OID
    public var serial: TID
    public var compression: Int
    public var checksum: Checksum
    public var data: ByteBuffer
    public var dataTID: TID?

    public init(oid: OID, serial: TID, compression: Int, checksum: Checksum, data: ByteBuffer, dataTID: TID?) {
        self.oid = oid
        self.serial = serial
        self.compression = compression
        self.checksum = checksum
        self.data = data
        self.dataTID = dataTID
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(6)
        oid = try .init(from: &reader)
        serial = try .init(from: &reader)
        compression = try .init(from: &reader)
        checksum = try .init(from: &reader)
        data = try .init(from: &reader)
        dataTID = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(6)
        oid.encode(into: &writer)
        serial.encode(into: &writer)
        compression.encode(into: &writer)
        checksum.encode(into: &writer)
        data.encode(into: &writer)
        dataTID.encode(into: &writer)
    }

    public var packet: Packet { .addObject(self) }
}
