// The names are those of the golden data.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import MessagePack
import NEOProtocol
import NIOCore
import TestVectors
import Testing

@Suite struct RegistryTests {
    struct File: Decodable {
        struct Constants: Decodable {
            var INVALID_TID: Hex
            var INVALID_OID: Hex
            var MAX_TID: Hex
            var ZERO_HASH: Hex
            var UUID_NAMESPACES: [String: Int]
        }
        struct Enumeration: Decodable {
            struct Value: Decodable, Equatable {
                var name: String
                var value: UInt8
                var encoded_hex: Hex
            }
            var ext_code: Int8
            var name: String
            var values: [Value]
        }
        struct Entry: Decodable {
            var code: UInt16
            var name: String
            var kind: String
            var answer: String?
            var ignore_when_closed: Bool
            var nodelay: Bool
        }
        var handshake_hex: Hex
        var constants: Constants
        var enums: [Enumeration]
        var packets: [Entry]
    }

    let file: File

    init() throws {
        file = try Vectors.load("registry.json")
    }

    @Test func packetsAreThoseOfTheRegistry() throws {
        #expect(file.packets.map(\.code) == PacketCode.allCases.map(\.rawValue).sorted())
        for entry in file.packets {
            let code = try #require(PacketCode(rawValue: entry.code))
            #expect(code.name == entry.name)
            #expect("\(code)" == entry.name)
            #expect(code.answer?.name == entry.answer, "\(entry.name)")
            #expect(code.isAnswer == (entry.kind == "answer" || entry.kind == "error"), "\(entry.name)")
            if entry.kind == "request" || entry.kind == "notification" {
                #expect((code.answer != nil) == (entry.kind == "request"), "\(entry.name)")
                #expect(code.isIgnoredWhenClosed == entry.ignore_when_closed, "\(entry.name)")
            }
            #expect(code.isDelayed == !entry.nodelay, "\(entry.name)")
        }
    }

    @Test func enumsAreThoseOfTheRegistry() throws {
        func check<E: WireEnum & WireValue>(_ type: E.Type, _ name: String) throws {
            let expected = try #require(file.enums.first { $0.name == name })
            #expect(E.extensionType == expected.ext_code)
            #expect(
                E.allCases.map { value in
                    var writer = MessagePackWriter()
                    value.encode(into: &writer)
                    return .init(name: value.name, value: value.rawValue, encoded_hex: Hex(writer.buffer))
                } == expected.values
            )
        }
        try check(CellState.self, "CellStates")
        try check(ClusterState.self, "ClusterStates")
        try check(NodeState.self, "NodeStates")
        try check(NodeType.self, "NodeTypes")
        let errors = try #require(file.enums.first { $0.name == "ErrorCodes" })
        #expect(ErrorCode.allCases.map(\.name) == errors.values.map(\.name))
        #expect(ErrorCode.allCases.map(\.rawValue) == errors.values.map(\.value))
    }

    @Test func constants() throws {
        #expect(FrameDecoder.handshake == file.handshake_hex.bytes)
        #expect(TID.invalid.rawValue == file.constants.INVALID_TID.integer)
        #expect(OID.invalid.rawValue == file.constants.INVALID_OID.integer)
        #expect(TID.max.rawValue == file.constants.MAX_TID.integer)
        #expect(Checksum.zero.bytes == file.constants.ZERO_HASH.buffer)
        for type in NodeType.allCases {
            let namespace = try #require(file.constants.UUID_NAMESPACES[type.name])
            #expect(NID(type, 1).rawValue == Int32(namespace << 24) + 1)
            #expect(NID(type, 1).type == type)
            #expect(NID("\(type.letter)1") == NID(type, 1))
        }
    }
}
