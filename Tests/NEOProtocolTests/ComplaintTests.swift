import MessagePack
import NEOProtocol
import NIOCore
import Testing

@Suite struct ComplaintTests {
    /// `[nil, code, arguments]` after the handshake.
    private func decoder(_ packet: [UInt8]) -> FrameDecoder {
        var decoder = FrameDecoder()
        decoder.receive(ByteBuffer(bytes: FrameDecoder.handshake + [0x93, 0xc0] + packet))
        return decoder
    }

    @Test func anErrorAboutNoPacketIsNotMalformed() throws {
        var decoder = decoder([0xcd, 0x80, 0x00, 0x92, 6, 0xc4, 1, 0x3f])
        let expected = ErrorPacket(code: .protocolError, message: "?")
        #expect(try decoder.next() == Frame(id: Frame.noID, expected.packet))
    }

    @Test func otherPacketsNeedAnID() {
        // `Ping`.
        var decoder = decoder([0x02, 0x90])
        #expect(throws: FrameDecoder.Failure.self) { try decoder.next() }
    }

    @Test func limitsCanBeRaisedOnceThePeerIsKnown() throws {
        var decoder = FrameDecoder(limits: .init(maximumValueBytes: 64))
        let large = Frame(id: 1, ErrorPacket(code: .ack, message: String(repeating: "a", count: 100)).packet)
        var bytes = ByteBuffer(bytes: FrameDecoder.handshake)
        Frame(id: 0, Ping().packet).encode(into: &bytes)
        large.encode(into: &bytes)
        decoder.receive(bytes)
        #expect(try decoder.next() == Frame(id: 0, Ping().packet))
        var unidentified = decoder
        #expect(throws: FrameDecoder.Failure.self) { try unidentified.next() }
        decoder.limits = .init()
        #expect(try decoder.next() == large)
    }
}
