import MessagePack
import NIOCore
import Testing

@Suite struct MessagePackScannerTests {
    /// One value of every form, and arrays and maps with some of them.
    static let values: [[UInt8]] =
        MessagePackForms.all.map(\.bytes) + [
            [0x90], [0x80], [0x92, 0xc0, 0xc4, 1, 7], [0x82, 1, 0x91, 2, 3, 0x80],
            [0xdc, 0, 2, 1, 2], [0xdd, 0, 0, 0, 1, 0xa1, 0x61], [0xde, 0, 1, 1, 2], [0xdf, 0, 0, 0, 1, 1, 2],
        ]

    @Test(arguments: values)
    func theEndIsFoundHoweverTheBytesCome(value: [UInt8]) throws {
        var scanner = MessagePackScanner()
        var received = ByteBuffer()
        for byte in value.dropLast() {
            received.writeInteger(byte)
            #expect(try scanner.scan(received) == nil)
        }
        received.writeBytes(value.suffix(1) + [0xc1, 0xc1])
        #expect(try scanner.scan(received) == value.count)
        // And the scanner is ready for another one.
        #expect(try scanner.scan(ByteBuffer(bytes: value)) == value.count)
    }

    @Test func theReservedByteIsRefused() {
        #expect(code([0x91, 0xc1]) == .invalid)
    }

    @Test func limitsHoldWhenLengthsAreAnnounced() {
        // Each time at the limit, then just over it; the contents have not come.
        let limits = MessagePackScanner.Limits(
            maximumBinaryBytes: 0x200,
            maximumValueBytes: 0x300,
            maximumValues: 20,
            maximumDepth: 3
        )
        for head: [UInt8] in [[0xc5], [0xc6, 0, 0], [0xda], [0xdb, 0, 0], [0xc8], [0xc9, 0, 0]] {
            #expect(code(head + [2, 0], limits) == nil)
            #expect(code(head + [2, 1], limits) == .limitExceeded)
        }
        // The value itself counts.
        #expect(code([0xdc, 0, 19], limits) == nil)
        #expect(code([0xdc, 0, 20], limits) == .limitExceeded)
        #expect(code([0xdd, 0xff, 0xff, 0xff, 0xff], limits) == .limitExceeded)
        #expect(code([0xde, 0, 9], limits) == nil)
        #expect(code([0xdf, 0, 0, 0, 10], limits) == .limitExceeded)
        #expect(code([0xdf, 0xff, 0xff, 0xff, 0xff], limits) == .limitExceeded)
        #expect(code([0x91, 0x91, 0x91], limits) == nil)
        #expect(code([0x91, 0x91, 0x91, 0x91], limits) == .limitExceeded)
        // Two strings below their limit, together over that of the value.
        let string: [UInt8] = [0xc5, 1, 0x80] + [UInt8](repeating: 0, count: 0x180)
        #expect(code([0x92] + string, limits) == nil)
        #expect(code([0x92] + string + [0xc5, 1, 0x80], limits) == .limitExceeded)
    }

    @Test func limitsAreThoseOfNow() throws {
        var scanner = MessagePackScanner(limits: .init(maximumBinaryBytes: 4))
        let bytes = ByteBuffer(bytes: [0xc4, 5, 1, 2, 3, 4, 5])
        scanner.limits.maximumBinaryBytes = 5
        #expect(try scanner.scan(bytes) == 7)
        scanner.limits.maximumBinaryBytes = 4
        #expect(throws: MessagePackError.self) { try scanner.scan(bytes) }
    }

    /// What a scan of `bytes` fails with, nil if it does not.
    private func code(_ bytes: [UInt8], _ limits: MessagePackScanner.Limits = .init()) -> MessagePackError.Code? {
        var scanner = MessagePackScanner(limits: limits)
        do throws(MessagePackError) {
            _ = try scanner.scan(ByteBuffer(bytes: bytes))
            return nil
        } catch {
            return error.code
        }
    }
}
