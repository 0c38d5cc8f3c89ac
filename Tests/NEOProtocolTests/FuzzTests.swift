import Foundation
import MessagePack
import NEOProtocol
import NIOCore
import TestVectors
import Testing

/// Broken streams must end in packets or in an error, never in a trap.
@Suite struct FuzzTests {
    static let folder = Vectors.folder.deletingLastPathComponent().appendingPathComponent("Fuzz")

    static func setting(_ name: String) -> UInt64? {
        ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) }
    }

    /// Decodes a stream, and encodes what came out of it.
    static func feed(_ stream: [UInt8], chunk: Int) {
        var decoder = FrameDecoder()
        var rest = ByteBuffer(bytes: stream)
        do throws(FrameDecoder.Failure) {
            while let bytes = rest.readSlice(length: min(chunk, rest.readableBytes)), bytes.readableBytes > 0 {
                decoder.receive(bytes)
                while let frame = try decoder.next() {
                    // A packet that was understood is written in a way that is understood the same.
                    let again = try? Frame(decoding: frame.encoded)
                    #expect(again?.encoded == frame.encoded)
                }
            }
        } catch {
            #expect(!error.description.isEmpty)
        }
    }

    @Test func keptInputs() throws {
        let names = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path).filter {
            $0.hasSuffix(".hex")
        }
        #expect(!names.isEmpty)
        for name in names {
            let text = try String(contentsOf: Self.folder.appendingPathComponent(name), encoding: .utf8)
            let hex = try #require(Hex(text: text.trimmingCharacters(in: .whitespacesAndNewlines)))
            for chunk in [Int.max, 1, 7] { Self.feed(hex.bytes, chunk: chunk) }
        }
    }

    @Test func mutatedPackets() throws {
        let seed = Self.setting("NEO_FUZZ_SEED") ?? .random(in: 0 ... .max)
        let seconds = Self.setting("NEO_FUZZ_SECONDS") ?? 2
        print("fuzz: NEO_FUZZ_SEED=\(seed)")
        var random = SplitMix(seed: seed)
        let packets = try GoldenPacket.all().map(\.encoded_hex.bytes).filter { $0.count < 5000 }
        let end = ContinuousClock.now + .seconds(Int(clamping: seconds))
        let file = Self.folder.appendingPathComponent("last-input.tmp")
        defer { try? FileManager.default.removeItem(at: file) }
        var count = 0
        while ContinuousClock.now < end {
            var stream = FrameDecoder.handshake
            for _ in 0...Int.random(in: 0...2, using: &random) {
                stream += Self.mutated(packets.randomElement(using: &random)!, of: packets, using: &random)
            }
            // A trap ends the process: with a given seed, the input that was last is kept.
            if Self.setting("NEO_FUZZ_SEED") != nil {
                try Data(Hex(stream).description.utf8).write(to: file)
            }
            Self.feed(stream, chunk: [Int.max, 1, 3, 64].randomElement(using: &random)!)
            count += 1
        }
        print("fuzz: \(count) streams")
        #expect(count > 0)
    }

    /// Bytes that begin values, lengths at the edges, and enums.
    static let interesting: [UInt8] = [
        0x00, 0x01, 0x7f, 0x80, 0x81, 0x8f, 0x90, 0x91, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6,
        0xc7,
        0xc8, 0xc9, 0xca, 0xcb, 0xcc, 0xcd, 0xce, 0xcf, 0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd8, 0xd9, 0xda, 0xdb,
        0xdc,
        0xdd, 0xde, 0xdf, 0xe0, 0xff,
    ]

    static func mutated(_ packet: [UInt8], of packets: [[UInt8]], using random: inout SplitMix) -> [UInt8] {
        var bytes = packet
        for _ in 0..<Int.random(in: 0...4, using: &random) {
            let index = Int.random(in: 0..<max(1, bytes.count), using: &random)
            guard index < bytes.count else { break }
            switch Int.random(in: 0..<8, using: &random) {
            case 0: bytes[index] = .random(in: 0 ... .max, using: &random)
            case 1: bytes[index] = interesting.randomElement(using: &random)!
            case 2: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 3: bytes.remove(at: index)
            case 4: bytes.insert(interesting.randomElement(using: &random)!, at: index)
            case 5: bytes.removeSubrange(index..<min(bytes.count, index + .random(in: 1...8, using: &random)))
            case 6:
                let other = packets.randomElement(using: &random)!
                bytes.replaceSubrange(index..., with: other.suffix(.random(in: 0...other.count, using: &random)))
            default:
                bytes.insert(contentsOf: (0..<8).map { _ in UInt8.random(in: 0 ... .max, using: &random) }, at: index)
            }
        }
        return bytes
    }

    @Test func randomValues() {
        let seed = Self.setting("NEO_FUZZ_SEED") ?? .random(in: 0 ... .max)
        print("fuzz: NEO_FUZZ_SEED=\(seed)")
        var random = SplitMix(seed: seed)
        for _ in 0..<20_000 {
            let bytes = (0..<Int.random(in: 1...40, using: &random)).map { _ in
                Bool.random(using: &random)
                    ? Self.interesting.randomElement(using: &random)! : .random(in: 0 ... .max, using: &random)
            }
            var reader = MessagePackReader(ByteBuffer(bytes: bytes))
            if let value = try? reader.readValue() {
                var writer = MessagePackWriter()
                writer.write(value)
                var again = MessagePackReader(writer.buffer)
                let written = writer.buffer
                writer = MessagePackWriter()
                if let value = try? again.readValue() { writer.write(value) }
                #expect(writer.buffer == written)
            }
            Self.feed(FrameDecoder.handshake + [0x93] + bytes, chunk: .max)
        }
    }
}
