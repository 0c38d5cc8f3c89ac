import MessagePack
import NEOProtocol
import NIOCore
import Testing

/// What a hostile peer announces is refused before its bytes come.
@Suite struct LimitTests {
    static func failure(_ bytes: [UInt8], limits: MessagePackScanner.Limits = .init()) -> MessagePackError.Code? {
        var decoder = FrameDecoder(limits: limits)
        decoder.receive(ByteBuffer(bytes: FrameDecoder.handshake + bytes))
        do throws(FrameDecoder.Failure) {
            while try decoder.next() != nil {}
            return nil
        } catch {
            guard case .malformed(let reason) = error else { return nil }
            return reason.code
        }
    }

    @Test(
        arguments: [
            // The args, as an array or a map of 2^32 - 1 elements.
            [0x93, 0x00, 0x02, 0xdd, 0xff, 0xff, 0xff, 0xff], [0x93, 0x00, 0x02, 0xdf, 0xff, 0xff, 0xff, 0xff],
            // The frame itself.
            [0xdd, 0xff, 0xff, 0xff, 0xff],
            // A `bin`, a `str` and an `ext` of 4 GiB, and of one byte more than the limit.
            [0x93, 0x00, 0x20, 0x91, 0xc6, 0xff, 0xff, 0xff, 0xff],
            [0x93, 0x00, 0x20, 0x91, 0xdb, 0xff, 0xff, 0xff, 0xff],
            [0x93, 0x00, 0x20, 0x91, 0xc9, 0xff, 0xff, 0xff, 0xff],
            [0x93, 0x00, 0x20, 0x91, 0xc6, 0x04, 0x00, 0x00, 0x01],
            // Arrays that each are within the limit.
            [0x93, 0x00, 0x20, 0x92] + [0xdd, 0x00, 0x7f, 0x00, 0x00, 0xdd, 0x00, 0x7f, 0x00, 0x00],
            [0x93] + [UInt8](repeating: 0x91, count: 100),
            [0x93] + [UInt8](repeating: 0x81, count: 100),
        ] as [[UInt8]]
    )
    func hugeAnnouncementsAreRefused(bytes: [UInt8]) {
        #expect(Self.failure(bytes) == .limitExceeded)
    }

    @Test func aLongPacketIsRefusedBeforeItsEnd() {
        let limits = MessagePackScanner.Limits(maximumBinaryBytes: 1000, maximumValueBytes: 1500)
        let bin: [UInt8] = [0xc5, 0x03, 0xe8] + [UInt8](repeating: 0, count: 1000)
        #expect(Self.failure([0x93, 0x00, 0x20, 0x92] + bin, limits: limits) == nil)
        #expect(Self.failure([0x93, 0x00, 0x20, 0x92] + bin + bin.prefix(3), limits: limits) == .limitExceeded)
    }

    @Test func whatIsNoFrameIsRefusedAtItsFirstByte() {
        for byte in [0x00, 0x90, 0x92, 0x94, 0xc0, 0xc1, 0xc4, 0x83] as [UInt8] {
            #expect(Self.failure([byte]) != nil)
        }
        #expect(Self.failure([0x93, 0xc1]) == .invalid)
    }
}
