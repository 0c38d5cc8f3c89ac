import MessagePack

// Packs (`spec/protocol.md §13`).

/// Answered when the pack is completed.
public struct WaitForPack: RequestPayload {
    public typealias Answer = WaitedForPack

    public static var code: PacketCode { .waitForPack }

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

    public var packet: Packet { .waitForPack(self) }
}

/// The answer to ``WaitForPack``.
public struct WaitedForPack: AnswerPayload {
    public static var code: PacketCode { .waitedForPack }

    public init() {}

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(0)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(0)
    }

    public var packet: Packet { .waitedForPack(self) }
}

/// Pack orders from an id on.
public struct AskPackOrders: RequestPayload {
    public typealias Answer = AnswerPackOrders

    public static var code: PacketCode { .askPackOrders }

    public var min: TID

    public init(min: TID) {
        self.min = min
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(1)
        min = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(1)
        min.encode(into: &writer)
    }

    public var packet: Packet { .askPackOrders(self) }
}

/// The answer to ``AskPackOrders``.
public struct AnswerPackOrders: AnswerPayload {
    public static var code: PacketCode { .answerPackOrders }

    public var orders: [PackOrder]

    public init(orders: [PackOrder]) {
        self.orders = orders
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(1)
        orders = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(1)
        orders.encode(into: &writer)
    }

    public var packet: Packet { .answerPackOrders(self) }
}

/// Pack orders that are approved or rejected.
public struct NotifyPackSigned: NotificationPayload {
    public static var code: PacketCode { .notifyPackSigned }

    public var approved: [TID]
    public var rejected: [TID]

    public init(approved: [TID], rejected: [TID]) {
        self.approved = approved
        self.rejected = rejected
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(2)
        approved = try .init(from: &reader)
        rejected = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(2)
        approved.encode(into: &writer)
        rejected.encode(into: &writer)
    }

    public var packet: Packet { .notifyPackSigned(self) }
}

/// A storage is packed up to this order.
public struct NotifyPackCompleted: NotificationPayload {
    public static var code: PacketCode { .notifyPackCompleted }

    /// Zero: never.
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

    public var packet: Packet { .notifyPackCompleted(self) }
}
