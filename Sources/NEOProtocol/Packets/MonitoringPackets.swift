import MessagePack

// Monitoring of clusters and of their backups (`spec/protocol.md §13`).

/// neoctl asks for a summary.
public struct AskMonitorInformation: RequestPayload {
    public typealias Answer = AnswerMonitorInformation

    public static var code: PacketCode { .askMonitorInformation }

    public init() {}

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(0)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(0)
    }

    public var packet: Packet { .askMonitorInformation(self) }
}

/// The answer to ``AskMonitorInformation``.
public struct AnswerMonitorInformation: AnswerPayload {
    public static var code: PacketCode { .answerMonitorInformation }

    /// Backup clusters, nil is the cluster itself.
    public var warning: [String?]
    public var problem: [String?]
    public var summary: String

    public init(warning: [String?], problem: [String?], summary: String) {
        self.warning = warning
        self.problem = problem
        self.summary = summary
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(3)
        warning = try .init(from: &reader)
        problem = try .init(from: &reader)
        summary = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(3)
        warning.encode(into: &writer)
        problem.encode(into: &writer)
        summary.encode(into: &writer)
    }

    public var packet: Packet { .answerMonitorInformation(self) }
}

/// A backup admin tells the admin of the upstream cluster what changed.
public struct NotifyMonitorInformation: NotificationPayload {
    public static var code: PacketCode { .notifyMonitorInformation }

    public var properties: Properties

    public init(properties: Properties) {
        self.properties = properties
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(1)
        properties = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(1)
        properties.encode(into: &writer)
    }

    public var packet: Packet { .notifyMonitorInformation(self) }
}

/// Where the admin of the upstream cluster is.
public struct NotifyUpstreamAdmin: NotificationPayload {
    public static var code: PacketCode { .notifyUpstreamAdmin }

    public var address: NodeAddress

    public init(address: NodeAddress) {
        self.address = address
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(1)
        address = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(1)
        address.encode(into: &writer)
    }

    public var packet: Packet { .notifyUpstreamAdmin(self) }
}
