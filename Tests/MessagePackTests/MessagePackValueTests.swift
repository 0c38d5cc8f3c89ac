import MessagePack
import NIOCore
import Testing

@Suite struct MessagePackValueTests {
    @Test func everyFormIsReadAndTheShortestIsWritten() throws {
        for form in MessagePackForms.all {
            var reader = MessagePackReader(ByteBuffer(bytes: form.bytes))
            #expect(try reader.readValue() == form.value)
            #expect(reader.isAtEnd)
            var writer = MessagePackWriter()
            writer.write(form.value)
            #expect((writer.finish() == ByteBuffer(bytes: form.bytes)) == form.isShortest)
        }
    }

    @Test func aValueCutAnywhereIsTruncated() {
        // The longest ones would only repeat the same.
        let forms = MessagePackForms.all.map(\.bytes).filter { $0.count < 0x200 }
        for bytes in forms + [[0x92, 1, 0x91, 2], [0x81, 1, 2], [0xdc, 0, 1, 5], [0xdf, 0, 0, 0, 1, 1, 2]] {
            for count in 0..<bytes.count {
                var reader = MessagePackReader(ByteBuffer(bytes: bytes.prefix(count)))
                #expect(failure { _ = try reader.readValue() } == .truncated)
            }
        }
    }

    @Test func collectionsOfEveryWidthAreWrittenAndRead() throws {
        let heads: [(Int, array: [UInt8], map: [UInt8])] = [
            (0, [0x90], [0x80]), (15, [0x9f], [0x8f]), (16, [0xdc, 0, 16], [0xde, 0, 16]),
            (0xffff, [0xdc, 0xff, 0xff], [0xde, 0xff, 0xff]), (0x1_0000, [0xdd, 0, 1, 0, 0], [0xdf, 0, 1, 0, 0]),
        ]
        for (count, array, map) in heads {
            let pair = MessagePackPair(key: .integer(1), value: .nil)
            let values: [(MessagePackValue, [UInt8], Int)] = [
                (.array(.init(repeating: .nil, count: count)), array, count),
                (.map(.init(repeating: pair, count: count)), map, 2 * count),
            ]
            for (value, head, size) in values {
                var writer = MessagePackWriter()
                writer.write(value)
                let bytes = writer.finish()
                #expect(bytes.readableBytesView.starts(with: head))
                #expect(bytes.readableBytes == head.count + size)
                var reader = MessagePackReader(bytes)
                #expect(try reader.readValue() == value)
            }
        }
    }

    @Test func depthIsLimited() throws {
        for head: [UInt8] in [[0x91], [0x81, 0xc0]] {
            // The innermost value is a level too.
            let nested = { (levels: Int) in
                MessagePackReader(ByteBuffer(bytes: (0..<levels).flatMap { _ in head } + [0xc0]))
            }
            var accepted = nested(15)
            _ = try accepted.readValue()
            var refused = nested(16)
            #expect(failure { _ = try refused.readValue() } == .limitExceeded)
        }
    }

    @Test func theReservedByteIsRefused() {
        var reader = MessagePackReader(ByteBuffer(bytes: [0x91, 0xc1]))
        #expect(failure { _ = try reader.readValue() } == .invalid)
    }
}

/// The code of what `body` throws, nil if it does not.
func failure(_ body: () throws -> Void) -> MessagePackError.Code? {
    do {
        try body()
        return nil
    } catch {
        return (error as? MessagePackError)?.code
    }
}
