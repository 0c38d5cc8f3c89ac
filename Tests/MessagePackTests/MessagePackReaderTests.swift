import MessagePack
import NIOCore
import Testing

@Suite struct MessagePackReaderTests {
    @Test func integersOfEveryWidthAreRead() throws {
        for form in MessagePackForms.integers + MessagePackForms.longIntegers {
            guard let expected = form.value.integer else { continue }
            var reader = MessagePackReader(ByteBuffer(bytes: form.bytes))
            #expect(try reader.readInteger(as: Int64.self) == expected)
            #expect(reader.isAtEnd)
        }
    }

    @Test func integersThatDoNotFitAreRefused() throws {
        #expect(failure([0xcd, 1, 0]) { _ = try $0.readInteger(as: UInt8.self) } == .outOfRange)
        #expect(failure([0xff]) { _ = try $0.readInteger(as: UInt64.self) } == .outOfRange)
        #expect(failure([0xcf, 0x80, 0, 0, 0, 0, 0, 0, 0]) { _ = try $0.readInteger(as: Int.self) } == .outOfRange)
        #expect(failure([0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0]) { _ = try $0.readInteger(as: Int32.self) } == .outOfRange)
    }

    @Test func otherTypesAreRefused() {
        for byte: UInt8 in [0xc1, 0xc0] {
            #expect(failure([byte]) { _ = try $0.readInteger(as: Int.self) } == .unexpectedType)
            #expect(failure([byte]) { _ = try $0.readBool() } == .unexpectedType)
            #expect(failure([byte]) { _ = try $0.readDouble() } == .unexpectedType)
            #expect(failure([byte]) { _ = try $0.readBinary() } == .unexpectedType)
            #expect(failure([byte]) { _ = try $0.readText() } == .unexpectedType)
            #expect(failure([byte]) { _ = try $0.readArrayHeader() } == .unexpectedType)
            #expect(failure([byte]) { _ = try $0.readMapHeader() } == .unexpectedType)
            #expect(failure([byte]) { _ = try $0.readExtension() } == .unexpectedType)
        }
        // Byte strings are never `str`; integers are no floats.
        #expect(failure([0xa1, 0x61]) { _ = try $0.readBinary() } == .unexpectedType)
        #expect(failure([5]) { _ = try $0.readDouble() } == .unexpectedType)
    }

    @Test func identifiersAreReadInEveryForm() throws {
        let content: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 8]
        for head: [UInt8] in [[0xc4, 8], [0xc5, 0, 8], [0xc6, 0, 0, 0, 8]] {
            var reader = MessagePackReader(ByteBuffer(bytes: head + content + [0xc0]))
            #expect(try reader.readBinary8() == 0x0102_0304_0506_0708)
            #expect(try reader.readNilIfPresent())
            for count in 0..<head.count + 8 {
                #expect(failure(Array((head + content).prefix(count))) { _ = try $0.readBinary8() } == .truncated)
            }
        }
        #expect(failure([0xc4, 7] + content) { _ = try $0.readBinary8() } == .wrongCount)
        #expect(failure([0xc4, 9] + content + [0]) { _ = try $0.readBinary8() } == .wrongCount)
    }

    @Test func textIsReadAsBinOrStrOfValidUTF8() throws {
        for head: [UInt8] in [[0xa2], [0xd9, 2], [0xda, 0, 2], [0xdb, 0, 0, 0, 2], [0xc4, 2], [0xc5, 0, 2]] {
            var reader = MessagePackReader(ByteBuffer(bytes: head + [0xc3, 0xa9]))
            #expect(try reader.readText() == "é")
            #expect(failure(head + [0xc3, 0x28]) { _ = try $0.readText() } == .invalidUTF8)
            #expect(failure(head + [0xc3]) { _ = try $0.readText() } == .truncated)
        }
    }

    @Test func announcedCountsAreNotBelieved() {
        #expect(failure([0xdd, 0xff, 0xff, 0xff, 0xff, 0]) { _ = try $0.readArrayHeader() } == .truncated)
        #expect(failure([0xdf, 0xff, 0xff, 0xff, 0xff, 0]) { _ = try $0.readMapHeader() } == .truncated)
        #expect(failure([0x81, 0]) { _ = try $0.readMapHeader() } == .truncated)
        #expect(failure([0xc6, 0xff, 0xff, 0xff, 0xff, 0]) { _ = try $0.readBinary() } == .truncated)
        #expect(failure([0xc9, 0xff, 0xff, 0xff, 0xff, 0]) { _ = try $0.readExtension() } == .truncated)
        #expect(failure([0x92, 0, 0]) { try $0.expectArray(3) } == .wrongCount)
    }

    @Test func aReaderBeginsAtTheReaderIndexAndKeepsItsBytes() throws {
        var bytes = ByteBuffer(bytes: [0xc1, 0xc4, 2, 7, 8, 5, 0xc1])
        bytes.moveReaderIndex(forwardBy: 1)
        bytes.moveWriterIndex(to: 6)
        var reader = MessagePackReader(bytes)
        // What is written to the buffer later is not seen.
        bytes.setInteger(0xff as UInt8, at: 3)
        let data = try reader.readBinary()
        #expect(data == ByteBuffer(bytes: [7, 8]))
        #expect(reader.buffer == ByteBuffer(bytes: [5]))
        #expect(try reader.readInteger() == 5)
        #expect(reader.isAtEnd)
        #expect(reader.buffer.readableBytes == 0)
        #expect(throws: MessagePackError.self) { try reader.peek() }
    }

    /// The code of what `body` throws when it reads from `bytes`, nil if it does not.
    private func failure(
        _ bytes: [UInt8],
        _ body: (inout MessagePackReader) throws -> Void
    ) -> MessagePackError.Code? {
        var reader = MessagePackReader(ByteBuffer(bytes: bytes))
        do {
            try body(&reader)
            return nil
        } catch {
            return (error as? MessagePackError)?.code
        }
    }
}
