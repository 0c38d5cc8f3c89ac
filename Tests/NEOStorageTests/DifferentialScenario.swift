// The names are those of the golden data.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import MessagePack
import NEOProtocol
import NIOCore
import TestVectors

/// `storage-differential.json`: see `Tests/Vectors/README.md`.
struct DifferentialScenario: Decodable, Sendable {
    struct Step: Decodable, Sendable {
        var n: Int
        var connection: String
        var action: String
        var name: String?
        var args: Pattern?
        var to: String?
        var pipelined: Bool?
        var then: [Outcome]?
        var delayed_until: Int?
        var also_accepted: [[Outcome]]?
    }

    struct Outcome: Decodable, Sendable {
        var connection: String
        var name: String?
        var args: Pattern?
        var answers: Int?
        var closed: Bool?
    }

    var cluster_name: String
    var steps: [Step]
}

/// The arguments of a packet, with holes.
indirect enum Pattern: Decodable, Sendable {
    case value(MessagePackValue)
    case list([Pattern])
    case storageAddress
    case any

    private enum Key: String, CodingKey {
        case any
        case variable = "var"
    }

    init(from decoder: any Decoder) throws {
        if let container = try? decoder.container(keyedBy: Key.self), let key = container.allKeys.first {
            self = key == .any ? .any : .storageAddress
        } else if var container = try? decoder.unkeyedContainer() {
            var patterns: [Pattern] = []
            while !container.isAtEnd { patterns.append(try container.decode(Pattern.self)) }
            self = .list(patterns)
        } else {
            self = .value(try TypedTree(from: decoder).value)
        }
    }

    /// - Parameter any: what stands for anything.
    func value(any: MessagePackValue) -> MessagePackValue {
        switch self {
        case .value(let value): value
        case .list(let patterns): .array(patterns.map { $0.value(any: any) })
        case .storageAddress:
            .array([.text(StorageHost.address.host), .integer(Int64(StorageHost.address.port))])
        case .any: any
        }
    }

    var hasHole: Bool {
        switch self {
        case .value, .storageAddress: false
        case .list(let patterns): patterns.contains(where: \.hasHole)
        case .any: true
        }
    }

    func packet(_ name: String) throws -> Packet {
        let code = PacketCode.allCases.first { $0.name == name } ?? .error
        let any: MessagePackValue = code == .requestIdentification ? .map([]) : .text("")
        var writer = MessagePackWriter()
        writer.write(.array([.integer(0), .integer(Int64(code.rawValue)), value(any: any)]))
        return try Frame(decoding: writer.buffer).packet
    }
}
