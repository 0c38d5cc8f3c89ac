import MessagePack

// General packets (`spec/protocol.md §13`).

/// Takes the place of any answer, or complains about any packet (`spec/protocol.md §11`). `Error` in the protocol.
public struct ErrorPacket: AnswerPayload {
    public static var code: PacketCode { .error }

    public var code: ErrorCode
    /// For humans and logs, never interpreted.
    public var message: String

    public init(code: ErrorCode, message: String) {
        self.code = code
        self.message = message
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(2)
        code = try .init(from: &reader)
        message = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(2)
        code.encode(into: &writer)
        message.encode(into: &writer)
    }

    public var packet: Packet { .error(self) }
}

/// The first packet of a connector (`spec/protocol.md §10`).
public struct RequestIdentification: RequestPayload {
    public typealias Answer = AcceptIdentification

    public static var code: PacketCode { .requestIdentification }

    public var type: NodeType
    /// The id that the requester has or would like to keep.
    public var nid: NID?
    /// Where the requester listens.
    public var address: NodeAddress?
    /// Name of the cluster of the listener.
    public var cluster: String
    public var idTimestamp: Double?
    public var extra: Properties

    public init(
        type: NodeType,
        nid: NID?,
        address: NodeAddress?,
        cluster: String,
        idTimestamp: Double?,
        extra: Properties
    ) {
        self.type = type
        self.nid = nid
        self.address = address
        self.cluster = cluster
        self.idTimestamp = idTimestamp
        self.extra = extra
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(6)
        type = try .init(from: &reader)
        nid = try .init(from: &reader)
        address = try .init(from: &reader)
        cluster = try .init(from: &reader)
        idTimestamp = try .init(from: &reader)
        extra = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(6)
        type.encode(into: &writer)
        nid.encode(into: &writer)
        address.encode(into: &writer)
        cluster.encode(into: &writer)
        idTimestamp.encode(into: &writer)
        extra.encode(into: &writer)
    }

    public var packet: Packet { .requestIdentification(self) }
}

/// The listener accepts the requester.
public struct AcceptIdentification: AnswerPayload {
    public static var code: PacketCode { .acceptIdentification }

    /// Of the listener.
    public var type: NodeType
    /// Of the listener.
    public var nid: NID?
    /// Given to, or recognised for, the requester.
    public var yourNID: NID?

    public init(type: NodeType, nid: NID?, yourNID: NID?) {
        self.type = type
        self.nid = nid
        self.yourNID = yourNID
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(3)
        type = try .init(from: &reader)
        nid = try .init(from: &reader)
        yourNID = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(3)
        type.encode(into: &writer)
        nid.encode(into: &writer)
        yourNID.encode(into: &writer)
    }

    public var packet: Packet { .acceptIdentification(self) }
}

/// Answered at once in any state: a barrier (`spec/protocol.md §9.7`).
public struct Ping: RequestPayload {
    public typealias Answer = Pong

    public static var code: PacketCode { .ping }

    public init() {}

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(0)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(0)
    }

    public var packet: Packet { .ping(self) }
}

/// The answer to ``Ping``.
public struct Pong: AnswerPayload {
    public static var code: PacketCode { .pong }

    public init() {}

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(0)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(0)
    }

    public var packet: Packet { .pong(self) }
}

/// The sender does not use this connection as a client any more (`spec/protocol.md §9.8`).
public struct CloseClient: NotificationPayload {
    public static var code: PacketCode { .closeClient }

    public init() {}

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(0)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(0)
    }

    public var packet: Packet { .closeClient(self) }
}

/// neoctl asks an admin for the primary master.
public struct AskPrimary: RequestPayload {
    public typealias Answer = AnswerPrimary

    public static var code: PacketCode { .askPrimary }

    public init() {}

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(0)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(0)
    }

    public var packet: Packet { .askPrimary(self) }
}

/// The primary master to which the admin is connected.
public struct AnswerPrimary: AnswerPayload {
    public static var code: PacketCode { .answerPrimary }

    public var nid: NID

    public init(nid: NID) {
        self.nid = nid
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(1)
        nid = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(1)
        nid.encode(into: &writer)
    }

    public var packet: Packet { .answerPrimary(self) }
}

/// A secondary master tells where the primary is, then closes (`spec/protocol.md §10.4`).
public struct NotPrimaryMaster: NotificationPayload {
    public static var code: PacketCode { .notPrimaryMaster }

    /// Position of the primary master in the list, if known.
    public var primaryIndex: Int?
    public var masters: [NodeAddress]

    public init(primaryIndex: Int?, masters: [NodeAddress]) {
        self.primaryIndex = primaryIndex
        self.masters = masters
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(2)
        primaryIndex = try .init(from: &reader)
        masters = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(2)
        primaryIndex.encode(into: &writer)
        masters.encode(into: &writer)
    }

    public var packet: Packet { .notPrimaryMaster(self) }
}

/// Nodes that appear, change or go.
public struct NotifyNodeInformation: NotificationPayload {
    public static var code: PacketCode { .notifyNodeInformation }

    /// Seconds since the epoch, strictly increasing on a connection.
    public var timestamp: Double
    public var nodes: [NodeRecord]

    public init(timestamp: Double, nodes: [NodeRecord]) {
        self.timestamp = timestamp
        self.nodes = nodes
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(2)
        timestamp = try .init(from: &reader)
        nodes = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(2)
        timestamp.encode(into: &writer)
        nodes.encode(into: &writer)
    }

    public var packet: Packet { .notifyNodeInformation(self) }
}

/// Flush the logs to disk.
public struct FlushLog: NotificationPayload {
    public static var code: PacketCode { .flushLog }

    public init() {}

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(0)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(0)
    }

    public var packet: Packet { .flushLog(self) }
}
