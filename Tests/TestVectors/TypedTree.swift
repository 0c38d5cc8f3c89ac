import MessagePack
import NIOCore

/// A MessagePack value as it is written in the golden data: see `Tests/Vectors/README.md`.
public struct TypedTree: Decodable, Hashable, Sendable {
    public var value: MessagePackValue

    public init(from decoder: any Decoder) throws {
        if let container = try? decoder.container(keyedBy: Key.self) {
            value = try Self.value(container)
        } else if var container = try? decoder.unkeyedContainer() {
            var elements: [MessagePackValue] = []
            while !container.isAtEnd { elements.append(try container.decode(TypedTree.self).value) }
            value = .array(elements)
        } else {
            let container = try decoder.singleValueContainer()
            value = container.decodeNil() ? .nil : .bool(try container.decode(Bool.self))
        }
    }

    private enum Key: String, CodingKey {
        case i, f, b, s, m, e
    }

    private static func value(_ container: KeyedDecodingContainer<Key>) throws -> MessagePackValue {
        switch container.allKeys.first {
        case .i:
            let text = try container.decode(String.self, forKey: .i)
            if let integer = Int64(text) { return .integer(integer) }
            if let integer = UInt64(text) { return .unsigned(integer) }
        case .f: return .double(Double(bitPattern: try container.decode(Hex.self, forKey: .f).integer))
        case .b: return .binary(try container.decode(Hex.self, forKey: .b).buffer)
        case .s: return .string(try container.decode(String.self, forKey: .s))
        case .m:
            return .map(
                try container.decode([[TypedTree]].self, forKey: .m).map {
                    MessagePackPair(key: $0[0].value, value: $0[1].value)
                }
            )
        case .e:
            var pair = try container.nestedUnkeyedContainer(forKey: .e)
            let type = try pair.decode(Int8.self)
            return .extension(type: type, try pair.decode(Hex.self).buffer)
        case nil: break
        }
        throw DecodingError.dataCorrupted(.init(codingPath: container.codingPath, debugDescription: "no typed value"))
    }
}
