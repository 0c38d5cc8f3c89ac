import MessagePack
import NIOCore
import OrderedCollections

/// A value with one form on the wire (`spec/protocol.md §1`, table of notations).
public protocol WireValue: Hashable, Sendable {
    /// Reads the value, which must be complete in the reader.
    init(from reader: inout MessagePackReader) throws(MessagePackError)
    func encode(into writer: inout MessagePackWriter)
}

extension Int: WireValue {
    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        self = try reader.readInteger()
    }

    public func encode(into writer: inout MessagePackWriter) { writer.write(self) }
}

extension Bool: WireValue {
    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        self = try reader.readBool()
    }

    public func encode(into writer: inout MessagePackWriter) { writer.write(self) }
}

extension Double: WireValue {
    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        self = try reader.readDouble()
    }

    public func encode(into writer: inout MessagePackWriter) { writer.write(self) }
}

/// Text travels as a `bin` of UTF-8.
extension String: WireValue {
    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        self = try reader.readText()
    }

    public func encode(into writer: inout MessagePackWriter) { writer.writeText(self) }
}

/// Bytes are a slice of what was received.
extension ByteBuffer: WireValue {
    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        self = try reader.readBinary()
    }

    public func encode(into writer: inout MessagePackWriter) { writer.writeBinary(self) }
}

extension TID: WireValue {
    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        self.init(try reader.readBinary8())
    }

    public func encode(into writer: inout MessagePackWriter) { writer.writeBinary8(rawValue) }
}

extension OID: WireValue {
    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        self.init(try reader.readBinary8())
    }

    public func encode(into writer: inout MessagePackWriter) { writer.writeBinary8(rawValue) }
}

extension NID: WireValue {
    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        self.init(try reader.readInteger(as: Int32.self))
    }

    public func encode(into writer: inout MessagePackWriter) { writer.write(rawValue) }
}

extension Checksum: WireValue {
    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        let count = try reader.readBinaryHeader()
        guard count == 20 else { throw MessagePackError(.wrongCount, "expected a bin of 20 bytes, got \(count)") }
        let high = try reader.raw(UInt64.self)
        let middle = try reader.raw(UInt64.self)
        self.init(high: high, middle: middle, low: try reader.raw(UInt32.self))
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeBinaryHeader(20)
        writer.writeRaw(high)
        writer.writeRaw(middle)
        writer.writeRaw(low)
    }
}

extension NodeAddress: WireValue {
    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(2)
        let host = try reader.readText()
        self.init(host: host, port: try reader.readInteger())
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(2)
        writer.writeText(host)
        writer.write(port)
    }
}

/// Enums are extensions of one byte; any extension that holds the same integer is accepted.
extension WireEnum {
    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        let (type, data) = try reader.readExtension()
        guard type == Self.extensionType else {
            throw MessagePackError(
                .unexpectedType,
                "expected a \(Self.self), extension \(Self.extensionType), got extension \(type)"
            )
        }
        var payload = MessagePackReader(data)
        let value: UInt8 = try payload.readInteger()
        guard payload.isAtEnd, let state = Self(rawValue: value) else {
            throw MessagePackError(.outOfRange, "no \(Self.self) has the value \(value)")
        }
        self = state
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeExtension(type: Self.extensionType, rawValue)
    }
}

extension CellState: WireValue {}
extension ClusterState: WireValue {}
extension NodeState: WireValue {}
extension NodeType: WireValue {}

extension ErrorCode: WireValue {
    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        let value: UInt8 = try reader.readInteger()
        guard let code = ErrorCode(rawValue: value) else {
            throw MessagePackError(.outOfRange, "no error has the code \(value)")
        }
        self = code
    }

    public func encode(into writer: inout MessagePackWriter) { writer.write(rawValue) }
}

extension Optional: WireValue where Wrapped: WireValue {
    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        self = try reader.readNilIfPresent() ? nil : Wrapped(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        if let self { self.encode(into: &writer) } else { writer.writeNil() }
    }
}

extension Array: WireValue where Element: WireValue {
    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        let count = try reader.readArrayHeader()
        self.init()
        // An element can be larger in memory than on the wire: a long array grows as its elements come.
        reserveCapacity(Swift.min(count, 1024))
        for _ in 0..<count { append(try Element(from: &reader)) }
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(count)
        for element in self { element.encode(into: &writer) }
    }
}

/// The order of a map is kept, so that what was decoded is encoded to the same bytes.
extension OrderedDictionary: WireValue where Key: WireValue, Value: WireValue {
    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        let count = try reader.readMapHeader()
        self.init()
        for _ in 0..<count {
            let key = try Key(from: &reader)
            guard updateValue(try Value(from: &reader), forKey: key) == nil else {
                throw MessagePackError(.invalid, "duplicate key \(key)")
            }
        }
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeMapHeader(count)
        for (key, value) in self {
            key.encode(into: &writer)
            value.encode(into: &writer)
        }
    }
}
