import MessagePack
import NEOProtocol
import NIOCore
import TestVectors

/// Makes packets of all types, valid on the wire, with arguments that no good peer would send.
///
/// It starts from the golden packets, and replaces arguments by edges of their types or by values seen in the traffic:
/// a random TTID is refused at once, one that exists goes deep.
struct PacketForge {
    private struct Golden: Decodable {
        var name: String
        var code: UInt16
        var args: TypedTree
    }

    /// The arguments of the golden packets of each type.
    private let golden: [PacketCode: [MessagePackValue]]
    let codes: [PacketCode]
    /// Values of 8 bytes and integers seen on connections, the last ones.
    private var words: [UInt64] = []
    private var integers: [Int64] = []
    private var nextWord = 0
    private var nextInteger = 0

    static let edgeIntegers: [Int64] = [
        0, 1, -1, 2, 3, 4, 5, 12, 100, 255, 256, 65_535, 1 << 20, 0xff_ffff, 0x100_0000, Int64(Int32.max),
        Int64(Int32.min), Int64(UInt32.max), 1 << 40, 1 << 62, .max - 1, .max, .min, .min + 1, -0x0fff_ffff,
        -0x1fff_ffff, -0x2fff_ffff,
    ]
    static let edgeWords: [UInt64] = [
        0, 1, 2, 0xff, 0x100, 1 << 32, 0x7fff_ffff_ffff_fffe, 0x7fff_ffff_ffff_ffff, 0x8000_0000_0000_0000, .max - 1,
        .max,
    ]
    static let edgeDoubles: [Double] = [
        0, -0.0, -1, 1, 1.7e9, 1e308, -1e308, .infinity, -.infinity, .nan, .leastNonzeroMagnitude,
    ]

    init() throws {
        var golden: [PacketCode: [MessagePackValue]] = [:]
        for packet in try Vectors.load("packets.json", as: [Golden].self) {
            guard let code = PacketCode(rawValue: packet.code) else { continue }
            // Large ones only cost time.
            if golden[code, default: []].count < 12 { golden[code, default: []].append(packet.args.value) }
        }
        self.golden = golden
        codes = PacketCode.allCases.filter { golden[$0] != nil }
    }

    // MARK: What was seen

    mutating func learn(_ frame: Frame) {
        var buffer = ByteBuffer()
        frame.encode(into: &buffer)
        var reader = MessagePackReader(buffer)
        guard case .array(let parts)? = try? reader.readValue(), let arguments = parts.last else { return }
        learn(arguments, budget: 40)
    }

    private mutating func learn(_ value: MessagePackValue, budget: Int) {
        switch value {
        case .integer(let integer): remember(integer: integer)
        case .binary(let bytes):
            if bytes.readableBytes == 8, let word = bytes.getInteger(at: bytes.readerIndex, as: UInt64.self) {
                remember(word: word)
            }
        case .array(let elements): for element in elements.prefix(budget) { learn(element, budget: budget / 2) }
        case .map(let pairs):
            for pair in pairs.prefix(budget) {
                learn(pair.key, budget: budget / 2)
                learn(pair.value, budget: budget / 2)
            }
        default: break
        }
    }

    mutating func remember(word: UInt64) {
        if words.contains(word) { return }
        if words.count < 64 { words.append(word) } else { words[nextWord % 64] = word }
        nextWord += 1
    }

    mutating func remember(integer: Int64) {
        if integers.contains(integer) { return }
        if integers.count < 64 { integers.append(integer) } else { integers[nextInteger % 64] = integer }
        nextInteger += 1
    }

    // MARK: Packets

    /// A packet of the type `code`; nil if what was made cannot be decoded.
    func packet(_ code: PacketCode, _ random: inout SplitMix) -> Packet? {
        guard let examples = golden[code] else { return nil }
        for _ in 0..<8 {
            let example = examples[Int.random(in: examples.indices, using: &random)]
            let rate = [0, 5, 20, 60].randomElement(using: &random) ?? 0
            var writer = MessagePackWriter()
            let value = mutated(example, rate: rate, isTop: true, &random)
            writer.write(.array([.integer(0), .integer(Int64(code.rawValue)), value]))
            if let frame = try? Frame(decoding: writer.buffer) { return frame.packet }
        }
        return nil
    }

    private func mutated(
        _ value: MessagePackValue,
        rate: Int,
        isTop: Bool = false,
        _ random: inout SplitMix
    ) -> MessagePackValue {
        let isChanged = Int.random(in: 0..<100, using: &random) < rate
        switch value {
        case .nil:
            guard isChanged else { return value }
            switch Int.random(in: 0..<5, using: &random) {
            case 0: return .integer(integer(&random))
            case 1: return .array([])
            case 2: return address(&random)
            default: return word(&random)
            }
        case .bool(let flag): return .bool(isChanged ? !flag : flag)
        case .integer, .unsigned: return isChanged ? .integer(integer(&random)) : value
        case .double:
            return isChanged ? .double(Self.edgeDoubles.randomElement(using: &random) ?? 0) : value
        case .string: return value
        case .binary(let bytes):
            guard isChanged || (bytes.readableBytes == 8 && Bool.random(using: &random)) else { return value }
            if bytes.readableBytes == 8 {
                return Int.random(in: 0..<8, using: &random) == 0 ? .nil : word(&random)
            }
            if bytes.readableBytes == 20, Bool.random(using: &random) {
                return .binary(ByteBuffer(repeating: .random(in: 0 ... .max, using: &random), count: 20))
            }
            let count = [0, 1, 7, 8, 100].randomElement(using: &random) ?? 0
            return .binary(ByteBuffer(repeating: .random(in: 0 ... .max, using: &random), count: count))
        case .extension(let type, let data):
            guard isChanged else { return .extension(type: type, data) }
            return .extension(type: type, ByteBuffer(bytes: [UInt8.random(in: 0...8, using: &random)]))
        case .array(let elements):
            var changed = elements.map { mutated($0, rate: rate, &random) }
            guard isChanged, !isTop else { return .array(changed) }
            switch Int.random(in: 0..<6, using: &random) {
            case 0: return .array([])
            case 1: return .nil
            case 2: if !changed.isEmpty { changed.removeLast() }
            case 3: if let one = changed.randomElement(using: &random) { changed.append(one) }
            case 4:
                if let one = changed.randomElement(using: &random), Int.random(in: 0..<10, using: &random) == 0 {
                    changed += Array(repeating: one, count: 2000)
                }
            default: changed += elements.map { mutated($0, rate: 100, &random) }
            }
            return .array(changed)
        case .map(let pairs):
            var changed = pairs.map {
                MessagePackPair(
                    key: mutated($0.key, rate: rate, &random),
                    value: mutated($0.value, rate: rate, &random)
                )
            }
            if isChanged, Bool.random(using: &random) { changed.removeAll() }
            return .map(changed)
        }
    }

    private func integer(_ random: inout SplitMix) -> Int64 {
        if Bool.random(using: &random), let seen = integers.randomElement(using: &random) {
            return [seen, seen &+ 1, seen &- 1].randomElement(using: &random) ?? seen
        }
        return Self.edgeIntegers.randomElement(using: &random) ?? 0
    }

    private func word(_ random: inout SplitMix) -> MessagePackValue {
        var word = Self.edgeWords.randomElement(using: &random) ?? 0
        if Int.random(in: 0..<4, using: &random) > 0, let seen = words.randomElement(using: &random) {
            word = [seen, seen, seen, seen &+ 1, seen &- 1].randomElement(using: &random) ?? seen
        }
        return .binary(ByteBuffer(integer: word))
    }

    private func address(_ random: inout SplitMix) -> MessagePackValue {
        .array([.text("127.0.0.1"), .integer(Int64([0, 1, 10, 11, 12, 65_535].randomElement(using: &random) ?? 0))])
    }
}
