import MessagePack
import NIOCore
import Testing

@Suite struct MessagePackReaderTests {
    @Test func integersOfEveryWidthAreRead() throws {
        let forms: [[UInt8]] = [
            [0x05], [0xcc, 5], [0xcd, 0, 5], [0xce, 0, 0, 0, 5], [0xcf, 0, 0, 0, 0, 0, 0, 0, 5], [0xd0, 5],
            [0xd1, 0, 5],
            [0xd2, 0, 0, 0, 5], [0xd3, 0, 0, 0, 0, 0, 0, 0, 5],
        ]
        for bytes in forms {
            var reader = MessagePackReader(ByteBuffer(bytes: bytes))
            #expect(try reader.readInteger(as: UInt8.self) == 5)
            #expect(reader.isAtEnd)
        }
    }
}
