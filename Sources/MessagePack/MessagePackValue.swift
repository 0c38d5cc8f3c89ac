import NIOCore

/// Any MessagePack value, for the few places where the protocol leaves the type open.
public indirect enum MessagePackValue: Hashable, Sendable {
    case `nil`
    case bool(Bool)
    case integer(Int64)
    /// An integer over `Int64.max`.
    case unsigned(UInt64)
    case double(Double)
    case binary(ByteBuffer)
    case string(String)
    case array([MessagePackValue])
    case map([MessagePackPair])
    case `extension`(type: Int8, ByteBuffer)

    /// A `bin` with the UTF-8 bytes of `text`.
    public static func text(_ text: String) -> MessagePackValue { .binary(ByteBuffer(string: text)) }

    /// The text of a `bin` or a `str` of valid UTF-8.
    public var text: String? {
        switch self {
        case .binary(let bytes): String(validating: bytes.readableBytesView, as: UTF8.self)
        case .string(let text): text
        default: nil
        }
    }

    public var array: [MessagePackValue]? {
        if case .array(let elements) = self { elements } else { nil }
    }

    public var bool: Bool? {
        if case .bool(let value) = self { value } else { nil }
    }

    public var integer: Int64? {
        if case .integer(let value) = self { value } else { nil }
    }
}

/// A key of a map and its value; the order of a map is kept.
public struct MessagePackPair: Hashable, Sendable {
    public var key: MessagePackValue
    public var value: MessagePackValue

    public init(key: MessagePackValue, value: MessagePackValue) {
        self.key = key
        self.value = value
    }
}

extension MessagePackReader {
    /// - Parameter depth: how many levels of arrays and maps are accepted.
    public mutating func readValue(depth: Int = 16) throws(MessagePackError) -> MessagePackValue {
        guard depth > 0 else { throw MessagePackError(.limitExceeded, "nested too deeply") }
        switch try peek() {
        case 0xc0:
            _ = try readNilIfPresent()
            return .nil
        case 0xc2, 0xc3: return .bool(try readBool())
        case 0xcf:
            let value: UInt64 = try readInteger()
            return Int64(exactly: value).map { .integer($0) } ?? .unsigned(value)
        case 0x00...0x7f, 0xe0...0xff, 0xcc...0xce, 0xd0...0xd3: return .integer(try readInteger())
        case 0xca, 0xcb: return .double(try readDouble())
        case 0xc4...0xc6: return .binary(try readBinary())
        case 0xa0...0xbf, 0xd9...0xdb: return .string(try readText())
        case 0x90...0x9f, 0xdc, 0xdd:
            let count = try readArrayHeader()
            var elements: [MessagePackValue] = []
            for _ in 0..<count { elements.append(try readValue(depth: depth - 1)) }
            return .array(elements)
        case 0x80...0x8f, 0xde, 0xdf:
            let count = try readMapHeader()
            var pairs: [MessagePackPair] = []
            for _ in 0..<count {
                let key = try readValue(depth: depth - 1)
                pairs.append(MessagePackPair(key: key, value: try readValue(depth: depth - 1)))
            }
            return .map(pairs)
        case 0xc7...0xc9, 0xd4...0xd8:
            let (type, data) = try readExtension()
            return .extension(type: type, data)
        default:
            throw MessagePackError(.invalid, "reserved type byte c1")
        }
    }
}

extension MessagePackWriter {
    public mutating func write(_ value: MessagePackValue) {
        switch value {
        case .nil: writeNil()
        case .bool(let value): write(value)
        case .integer(let value): write(value)
        case .unsigned(let value): write(value)
        case .double(let value): write(value)
        case .binary(let bytes): writeBinary(bytes)
        case .string(let text): writeString(text)
        case .array(let elements):
            writeArrayHeader(elements.count)
            for element in elements { write(element) }
        case .map(let pairs):
            writeMapHeader(pairs.count)
            for pair in pairs {
                write(pair.key)
                write(pair.value)
            }
        case .extension(let type, let data): writeExtension(type: type, data)
        }
    }
}
