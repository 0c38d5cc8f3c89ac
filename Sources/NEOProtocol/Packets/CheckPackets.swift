import MessagePack
import OrderedCollections

// Comparison of replicas (`spec/protocol.md §13`).

/// Compare the cells of partitions.
public struct CheckReplicas: RequestPayload {
    public typealias Answer = ErrorPacket

    public static var code: PacketCode { .checkReplicas }

    /// Reference storage of each.
    public var partitions: OrderedDictionary<PartitionID, NID?>
    public var min: TID
    public var max: TID?

    public init(partitions: OrderedDictionary<PartitionID, NID?>, min: TID, max: TID?) {
        self.partitions = partitions
        self.min = min
        self.max = max
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(3)
        partitions = try .init(from: &reader)
        min = try .init(from: &reader)
        max = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(3)
        partitions.encode(into: &writer)
        min.encode(into: &writer)
        max.encode(into: &writer)
    }

    public var packet: Packet { .checkReplicas(self) }
}

/// A storage compares its cell with the others.
public struct CheckPartition: NotificationPayload {
    public static var code: PacketCode { .checkPartition }

    public var partition: PartitionID
    public var source: ReplicationSource
    public var min: TID
    public var max: TID

    public init(partition: PartitionID, source: ReplicationSource, min: TID, max: TID) {
        self.partition = partition
        self.source = source
        self.min = min
        self.max = max
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(4)
        partition = try .init(from: &reader)
        source = try .init(from: &reader)
        min = try .init(from: &reader)
        max = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(4)
        partition.encode(into: &writer)
        source.encode(into: &writer)
        min.encode(into: &writer)
        max.encode(into: &writer)
    }

    public var packet: Packet { .checkPartition(self) }
}

/// A digest of transactions (`spec/protocol.md §7.5`).
public struct AskCheckTIDRange: RequestPayload {
    public typealias Answer = AnswerCheckTIDRange

    public static var code: PacketCode { .askCheckTIDRange }

    public var partition: PartitionID
    public var length: Int
    public var min: TID
    public var max: TID

    public init(partition: PartitionID, length: Int, min: TID, max: TID) {
        self.partition = partition
        self.length = length
        self.min = min
        self.max = max
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(4)
        partition = try .init(from: &reader)
        length = try .init(from: &reader)
        min = try .init(from: &reader)
        max = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(4)
        partition.encode(into: &writer)
        length.encode(into: &writer)
        min.encode(into: &writer)
        max.encode(into: &writer)
    }

    public var packet: Packet { .askCheckTIDRange(self) }
}

/// The answer to ``AskCheckTIDRange``.
public struct AnswerCheckTIDRange: AnswerPayload {
    public static var code: PacketCode { .answerCheckTIDRange }

    public var count: Int
    public var digest: Checksum
    public var last: TID

    public init(count: Int, digest: Checksum, last: TID) {
        self.count = count
        self.digest = digest
        self.last = last
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(3)
        count = try .init(from: &reader)
        digest = try .init(from: &reader)
        last = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(3)
        count.encode(into: &writer)
        digest.encode(into: &writer)
        last.encode(into: &writer)
    }

    public var packet: Packet { .answerCheckTIDRange(self) }
}

/// Digests of object records.
public struct AskCheckSerialRange: RequestPayload {
    public typealias Answer = AnswerCheckSerialRange

    public static var code: PacketCode { .askCheckSerialRange }

    public var partition: PartitionID
    public var length: Int
    public var min: TID
    public var max: TID
    public var minOID: OID

    public init(partition: PartitionID, length: Int, min: TID, max: TID, minOID: OID) {
        self.partition = partition
        self.length = length
        self.min = min
        self.max = max
        self.minOID = minOID
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(5)
        partition = try .init(from: &reader)
        length = try .init(from: &reader)
        min = try .init(from: &reader)
        max = try .init(from: &reader)
        minOID = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(5)
        partition.encode(into: &writer)
        length.encode(into: &writer)
        min.encode(into: &writer)
        max.encode(into: &writer)
        minOID.encode(into: &writer)
    }

    public var packet: Packet { .askCheckSerialRange(self) }
}

/// The answer to ``AskCheckSerialRange``.
public struct AnswerCheckSerialRange: AnswerPayload {
    public static var code: PacketCode { .answerCheckSerialRange }

    public var count: Int
    public var tidDigest: Checksum
    public var lastTID: TID
    public var oidDigest: Checksum
    public var lastOID: OID

    public init(count: Int, tidDigest: Checksum, lastTID: TID, oidDigest: Checksum, lastOID: OID) {
        self.count = count
        self.tidDigest = tidDigest
        self.lastTID = lastTID
        self.oidDigest = oidDigest
        self.lastOID = lastOID
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(5)
        count = try .init(from: &reader)
        tidDigest = try .init(from: &reader)
        lastTID = try .init(from: &reader)
        oidDigest = try .init(from: &reader)
        lastOID = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(5)
        count.encode(into: &writer)
        tidDigest.encode(into: &writer)
        lastTID.encode(into: &writer)
        oidDigest.encode(into: &writer)
        lastOID.encode(into: &writer)
    }

    public var packet: Packet { .answerCheckSerialRange(self) }
}

/// Cells differ.
public struct NotifyPartitionCorrupted: NotificationPayload {
    public static var code: PacketCode { .notifyPartitionCorrupted }

    public var partition: PartitionID
    public var nids: [NID]

    public init(partition: PartitionID, nids: [NID]) {
        self.partition = partition
        self.nids = nids
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(2)
        partition = try .init(from: &reader)
        nids = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(2)
        partition.encode(into: &writer)
        nids.encode(into: &writer)
    }

    public var packet: Packet { .notifyPartitionCorrupted(self) }
}
