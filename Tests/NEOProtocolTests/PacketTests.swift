import MessagePack
import NEOProtocol
import NIOCore
import TestVectors
import Testing

@Suite struct PacketTests {
    let packets: [GoldenPacket]

    init() throws {
        packets = try GoldenPacket.all()
    }

    @Test func everyPacketIsInTheVectors() {
        #expect(Set(packets.map(\.code)) == Set(PacketCode.allCases.map(\.rawValue)))
    }

    @Test func goldenPacketsComeBackTheSame() throws {
        for golden in packets {
            let bytes = golden.encoded_hex.buffer
            var reader = MessagePackReader(bytes)
            let tree = try reader.readValue()
            #expect(reader.isAtEnd)
            #expect(tree == .array([.integer(Int64(golden.id)), .integer(Int64(golden.code)), golden.args.value]))
            let frame = try Frame(decoding: bytes)
            #expect(frame.id == golden.id)
            #expect(frame.packet.code.name == golden.name)
            if golden.isWrittenDifferently {
                #expect(try Frame(decoding: frame.encoded) == frame)
            } else {
                #expect(frame.encoded == bytes, "\(golden.name), \(golden.note ?? "")")
            }
        }
    }

    @Test func idsAtTheEdges() throws {
        for id in [0, 127, 128, 255, 256, 65_535, 65_536, .max - 1, .max] as [UInt32] {
            let frame = Frame(id: id, Ping().packet)
            #expect(try Frame(decoding: frame.encoded) == frame)
        }
        let code = MessagePackValue.integer(2)
        for id: MessagePackValue in [.integer(-1), .integer(1 << 32), .unsigned(.max), .double(1), .string("1")] {
            #expect(throws: MessagePackError.self) {
                try Frame(decoding: encoded(id: id, code: code, args: .array([])))
            }
        }
    }

    @Test func unknownCodesAreRefused() {
        for code: MessagePackValue in [.integer(0), .integer(0x7fff), .integer(0x1_0002), .integer(-1), .nil] {
            #expect(throws: MessagePackError.self) { try Frame(decoding: encoded(code: code, args: .array([]))) }
        }
    }

    @Test func wrongArityIsRefused() throws {
        for golden in packets {
            let elements = try #require(golden.args.value.array)
            var variants: [MessagePackValue] = [
                .array(elements + [.nil]), .nil, .integer(1), .map([]), .array([golden.args.value]),
            ]
            if !elements.isEmpty {
                variants.append(.array(elements.dropLast()))
                variants.append(.array(Array(elements.dropFirst())))
                variants.append(.array([]))
            }
            for args in variants {
                #expect(throws: MessagePackError.self, "\(golden.name) \(args)") {
                    try Frame(decoding: encoded(code: .integer(Int64(golden.code)), args: args))
                }
            }
        }
    }

    /// Each value of each packet in turn becomes one of a type that no packet has there. Only the values of properties
    /// can be anything.
    @Test func wrongTypesAreRefusedEverywhere() throws {
        let wrong: [MessagePackValue] = [
            .extension(type: 77, ByteBuffer(bytes: [0])), .extension(type: 1, ByteBuffer(bytes: [200])),
            .extension(type: 1, ByteBuffer(bytes: [0xc0])), .extension(type: 1, ByteBuffer()),
        ]
        var open: Set<String> = []
        for golden in packets {
            for value in wrong {
                for (path, args) in golden.args.value.replacements(value) where !path.isEmpty {
                    do throws(MessagePackError) {
                        _ = try Frame(decoding: encoded(code: .integer(Int64(golden.code)), args: args))
                        open.insert("\(golden.name) \(path[0])")
                    } catch {}
                }
            }
        }
        #expect(open == Self.openArguments)
    }

    static let openArguments: Set<String> = ["RequestIdentification 5", "NotifyMonitorInformation 0"]

    @Test func enumsOfOtherTypesAreRefused() throws {
        for golden in packets {
            for (path, args) in golden.args.value.replacedEnums() {
                #expect(throws: MessagePackError.self, "\(golden.name) \(path)") {
                    try Frame(decoding: encoded(code: .integer(Int64(golden.code)), args: args))
                }
            }
        }
    }

    /// Integers, lengths and enums can be wider than needed.
    @Test func otherWidthsAreRead() throws {
        for golden in packets {
            for style in WideWriter.Style.allCases {
                var writer = WideWriter(style: style)
                writer.write(.array([.integer(Int64(golden.id)), .integer(Int64(golden.code)), golden.args.value]))
                let frame = try Frame(decoding: writer.buffer)
                // The enums in the properties of this one are kept as they came.
                if golden.name != "NotifyMonitorInformation" || style == .bits8 {
                    #expect(frame == (try Frame(decoding: golden.encoded_hex.buffer)), "\(golden.name)")
                }
                #expect(try FrameDecoder.frames(in: writer.buffer) == [frame])
            }
        }
    }

    @Test func bytesAfterThePacketAreRefused() throws {
        var buffer = Frame(id: 1, Ping().packet).encoded
        buffer.writeInteger(0xc0 as UInt8)
        #expect(throws: MessagePackError.self) { try Frame(decoding: buffer) }
    }
}

extension MessagePackValue {
    /// The same value with each of its parts replaced in turn, and where the part was.
    func replacements(_ value: MessagePackValue) -> [(path: [Int], value: MessagePackValue)] {
        var result: [(path: [Int], value: MessagePackValue)] = self == value ? [] : [([], value)]
        switch self {
        case .array(let elements):
            for (index, element) in elements.prefix(20).enumerated() {
                for (path, replaced) in element.replacements(value) {
                    var copy = elements
                    copy[index] = replaced
                    result.append(([index] + path, .array(copy)))
                }
            }
        case .map(let pairs):
            for (index, pair) in pairs.prefix(20).enumerated() {
                for (path, replaced) in pair.key.replacements(value) {
                    var copy = pairs
                    copy[index].key = replaced
                    result.append(([index] + path, .map(copy)))
                }
                for (path, replaced) in pair.value.replacements(value) {
                    var copy = pairs
                    copy[index].value = replaced
                    result.append(([index] + path, .map(copy)))
                }
            }
        default: break
        }
        return result
    }

    /// The same value with each enum in turn replaced by values that its type does not have.
    func replacedEnums() -> [(path: [Int], value: MessagePackValue)] {
        switch self {
        case .extension(let type, let data):
            return [
                ([], .extension(type: type == 0 ? 4 : 0, data)), ([], .extension(type: 2, data)),
                ([], .extension(type: type, ByteBuffer(bytes: [100]))), ([], .integer(0)), ([], .string("RUNNING")),
            ]
        case .array(let elements):
            return elements.enumerated().flatMap { index, element in
                element.replacedEnums().map { path, replaced in
                    var copy = elements
                    copy[index] = replaced
                    return ([index] + path, .array(copy))
                }
            }
        default: return []
        }
    }
}
