import MessagePack

/// The arguments of one kind of packet. The types have the names of the protocol.
public protocol PacketPayload: WireValue {
    static var code: PacketCode { get }
    /// The payload as a packet of any kind.
    var packet: Packet { get }
}

/// A packet that expects nothing in return.
public protocol NotificationPayload: PacketPayload {}

/// A packet that expects exactly one ``Answer``, or an ``ErrorPacket``.
///
/// Where success is reported by an error `ACK`, the answer is ``ErrorPacket`` itself.
public protocol RequestPayload: PacketPayload {
    associatedtype Answer: AnswerPayload
}

/// A packet that ends a request.
public protocol AnswerPayload: PacketPayload {}
