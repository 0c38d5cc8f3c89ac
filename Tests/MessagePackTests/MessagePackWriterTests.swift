import MessagePack
import NIOCore
import Testing

@Suite struct MessagePackWriterTests {
    @Test func smallAndLargeValuesKeepTheirOrder() throws {
        // Small values are gathered before they go to the buffer: every position of a large one between them.
        for count in 0..<300 {
            var writer = MessagePackWriter(ByteBuffer(bytes: [0xc0]))
            for number in 0..<count { writer.write(number) }
            writer.writeBinary(ByteBuffer(repeating: 7, count: 200))
            writer.writeBinary8(0x0102_0304_0506_0708)
            var reader = MessagePackReader(writer.finish())
            #expect(try reader.readNilIfPresent())
            for number in 0..<count { #expect(try reader.readInteger() == number) }
            #expect(try reader.readBinary() == ByteBuffer(repeating: 7, count: 200))
            #expect(try reader.readBinary8() == 0x0102_0304_0506_0708)
            #expect(reader.isAtEnd)
        }
    }

    @Test func lookingAtTheBufferDoesNotChangeIt() {
        var writer = MessagePackWriter()
        writer.write(1)
        #expect(writer.buffer == ByteBuffer(bytes: [1]))
        writer.write(2)
        #expect(writer.buffer == ByteBuffer(bytes: [1, 2]))
        #expect(writer.finish() == ByteBuffer(bytes: [1, 2]))
        #expect(writer.buffer == ByteBuffer())
    }

    @Test func onlyTheReadableBytesOfDataAreWritten() {
        var data = ByteBuffer(bytes: [1, 2, 3, 4])
        data.moveReaderIndex(forwardBy: 1)
        data.moveWriterIndex(to: 3)
        var writer = MessagePackWriter()
        writer.writeBinary(data)
        writer.writeBinary([5])
        writer.writeText("é")
        writer.writeExtension(type: 3, 1)
        #expect(writer.finish() == ByteBuffer(bytes: [0xc4, 2, 2, 3, 0xc4, 1, 5, 0xc4, 2, 0xc3, 0xa9, 0xd4, 3, 1]))
    }
}
