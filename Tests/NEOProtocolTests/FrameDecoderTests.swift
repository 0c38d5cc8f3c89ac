// The names are those of the golden data.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import MessagePack
import NEOProtocol
import NIOCore
import TestVectors
import Testing

extension FrameDecoder {
    /// The frames of a whole stream without its handshake, cut into chunks of the sizes that `size` tells.
    static func frames(in stream: ByteBuffer, chunk size: () -> Int = { .max }) throws -> [Frame] {
        var decoder = FrameDecoder()
        var frames: [Frame] = []
        var rest = ByteBuffer(bytes: FrameDecoder.handshake)
        rest.writeImmutableBuffer(stream)
        while let chunk = rest.readSlice(length: min(size(), rest.readableBytes)), chunk.readableBytes > 0 {
            decoder.receive(chunk)
            while let frame = try decoder.next() { frames.append(frame) }
        }
        guard decoder.bufferedBytes == 0 else { throw MessagePackError(.truncated, "\(decoder.bufferedBytes) bytes") }
        return frames
    }
}

@Suite struct FrameDecoderTests {
    @Test func streamsAreCutAnywhere() throws {
        var stream = ByteBuffer()
        var expected: [Frame] = []
        for golden in try GoldenPacket.all() {
            stream.writeBytes(golden.encoded_hex.bytes)
            expected.append(try Frame(decoding: golden.encoded_hex.buffer))
        }
        #expect(try FrameDecoder.frames(in: stream) == expected)
        #expect(try FrameDecoder.frames(in: stream, chunk: { 1 }) == expected)
        for seed in 0..<20 as Range<UInt64> {
            var random = SplitMix(seed: seed)
            let chunked = try FrameDecoder.frames(in: stream) {
                [1, 2, 5, 100, 3000, 70_000].randomElement(using: &random)!
            }
            #expect(chunked == expected, "seed \(seed)")
        }
    }

    /// What a consumer keeps of a packet is not changed by what comes after it.
    @Test func dataStaysWhenTheStreamGoesOn() throws {
        var decoder = FrameDecoder()
        decoder.receive(ByteBuffer(bytes: FrameDecoder.handshake))
        var kept: [ByteBuffer] = []
        var stream = ByteBuffer()
        for index in 0..<200 as Range<UInt8> {
            let data = StoredData(record: ByteBuffer(repeating: index, count: 1000), policy: .off)
            Frame(
                id: UInt32(index),
                AnswerObject(
                    oid: OID(UInt64(index)),
                    serial: .zero,
                    nextSerial: nil,
                    compression: data.compression,
                    checksum: data.checksum,
                    data: data.data,
                    dataTID: nil
                ).packet
            ).encode(into: &stream)
        }
        while let chunk = stream.readSlice(length: min(1500, stream.readableBytes)), chunk.readableBytes > 0 {
            decoder.receive(chunk)
            while let frame = try decoder.next() {
                guard case .answerObject(let answer) = frame.packet else { continue }
                kept.append(answer.data)
            }
        }
        #expect(kept == (0..<200 as Range<UInt8>).map { ByteBuffer(repeating: $0, count: 1000) })
    }

    struct Transcript: Decodable {
        struct Connection: Decodable {
            struct Message: Decodable {
                var dir: String
                var kind: String
                var hex: Hex?
                var id: UInt32?
                var name: String?
                var args: TypedTree?
            }
            var messages: [Message]
        }
        var connections: [Connection]
    }

    @Test(arguments: try Vectors.transcriptNames())
    func transcripts(name: String) throws {
        let transcript = try Vectors.load(name, as: Transcript.self)
        for connection in transcript.connections {
            for direction in [">", "<"] {
                var decoder = FrameDecoder()
                for message in connection.messages where message.dir == direction {
                    guard let bytes = message.hex?.buffer else { continue }
                    decoder.receive(bytes)
                    let frame = try decoder.next()
                    guard message.kind == "packet" else { continue }
                    let packet = try #require(frame)
                    #expect(packet.id == message.id)
                    #expect(packet.packet.code.name == message.name)
                    var reader = MessagePackReader(bytes)
                    #expect(try reader.readValue().array?.last == message.args?.value)
                    // Pack orders with all their OIDs in one `bin` are written as an array.
                    if packet.encoded != bytes {
                        #expect(packet.packet.code == .answerPackOrders || packet.packet.code == .addTransaction)
                        #expect(try Frame(decoding: packet.encoded) == packet)
                    }
                }
            }
        }
    }
}

@Suite struct HandshakeTests {
    struct File: Decodable {
        struct Case: Decodable {
            var name: String
            var chunks_hex: [Hex]
            var result: String
            var packets_decoded: Int
        }
        var cases: [Case]
    }

    static func outcome(_ chunks: [ByteBuffer]) -> (result: String, packets: Int) {
        var decoder = FrameDecoder()
        var packets = 0
        do throws(FrameDecoder.Failure) {
            for chunk in chunks {
                decoder.receive(chunk)
                while try decoder.next() != nil { packets += 1 }
            }
            return (decoder.isHandshakeComplete ? "accepted" : "incomplete", packets)
        } catch {
            switch error {
            case .notNEO: return ("not NEO", packets)
            case .versionMismatch: return ("version mismatch", packets)
            case .malformed: return ("malformed packet", packets)
            }
        }
    }

    @Test func handshakes() throws {
        for vector in try Vectors.load("handshake.json", as: File.self).cases {
            let bytes = vector.chunks_hex.flatMap(\.bytes)
            for chunks in [
                vector.chunks_hex.map(\.buffer), [ByteBuffer(bytes: bytes)], bytes.map { ByteBuffer(bytes: [$0]) },
            ] {
                let outcome = Self.outcome(chunks)
                #expect(outcome.result == vector.result, "\(vector.name)")
                #expect(outcome.packets == vector.packets_decoded, "\(vector.name)")
            }
        }
    }

    /// A failed decoder stays so and holds nothing.
    @Test func failuresAreFinal() {
        var decoder = FrameDecoder()
        decoder.receive(ByteBuffer(string: "GET / HTTP/1.1\r\n"))
        #expect(throws: FrameDecoder.Failure.self) { try decoder.next() }
        decoder.receive(ByteBuffer(bytes: FrameDecoder.handshake))
        #expect(throws: FrameDecoder.Failure.self) { try decoder.next() }
        #expect(decoder.bufferedBytes == 0)
    }
}
