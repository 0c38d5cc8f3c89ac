import MessagePack
import NIOCore

/// A packet and its id: what travels on a connection (`spec/protocol.md §4.1`).
public struct Frame: Hashable, Sendable {
    /// Stands for the nil id of an error that is about no packet in particular: no request has this id.
    ///
    /// The reference sends one when it complains before it has processed any packet (`spec/protocol.md §5.5`).
    public static let noID = UInt32.max

    /// Id of the packet; an answer has that of its request.
    public var id: UInt32
    public var packet: Packet

    public init(id: UInt32, _ packet: Packet) {
        self.id = id
        self.packet = packet
    }

    /// Appends the encoded frame to `buffer`.
    public func encode(into buffer: inout ByteBuffer) {
        // The buffer is moved into the writer and back, so that it is never copied.
        var writer = MessagePackWriter(buffer)
        buffer = ByteBuffer()
        writer.writeArrayHeader(3)
        writer.write(id)
        writer.write(packet.code.rawValue)
        packet.encode(into: &writer)
        buffer = writer.finish()
    }

    /// Decodes a frame that takes all of `bytes`.
    public init(decoding bytes: ByteBuffer) throws(MessagePackError) {
        var reader = MessagePackReader(bytes)
        try reader.expectArray(3)
        let isAboutNoPacket = try reader.readNilIfPresent()
        id = isAboutNoPacket ? Self.noID : try reader.readInteger()
        let rawCode: UInt32 = try reader.readInteger()
        guard let code = UInt16(exactly: rawCode).flatMap(PacketCode.init(rawValue:)) else {
            throw MessagePackError(.invalid, "no packet has the code \(rawCode)")
        }
        guard !isAboutNoPacket || code == .error else {
            throw MessagePackError(.unexpectedType, "expected the id of a \(code.name), got nil")
        }
        packet = try Packet(code, from: &reader)
        guard reader.isAtEnd else {
            throw MessagePackError(.wrongCount, "\(reader.buffer.readableBytes) bytes after the packet")
        }
    }
}
