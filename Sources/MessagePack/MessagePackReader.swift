import NIOCore

/// Reads MessagePack values from a `ByteBuffer` that holds all of them.
///
/// Lengths are never believed before the bytes are there, so what a reader allocates is bounded by what was
/// received. Byte strings are slices of the buffer: nothing is copied. Any width of integers and lengths is accepted
/// (`spec/protocol.md §4.3`).
public struct MessagePackReader: Sendable {
    /// Holds the bytes.
    @usableFromInline
    let storage: ByteBuffer

    /// The readable bytes of `storage`. They are read here because each read of a `ByteBuffer` checks for exclusive
    /// access, which takes several times longer than to load the value.
    ///
    /// The pointer is valid and what it points to does not change as long as this reader exists, whatever thread has
    /// it: a `ByteBuffer` changes bytes in place only if nobody else holds its storage, and `storage` holds it and is
    /// never changed.
    @usableFromInline
    nonisolated(unsafe) let bytes: UnsafeRawBufferPointer

    /// Offset of the next byte to read in `bytes`, at most their count.
    @usableFromInline
    var offset = 0

    public init(_ buffer: ByteBuffer) {
        self.storage = buffer
        self.bytes = storage.withUnsafeReadableBytes { $0 }
    }

    /// What remains to be read.
    public var buffer: ByteBuffer {
        storage.getSlice(at: storage.readerIndex + offset, length: remaining) ?? ByteBuffer()
    }

    @inlinable
    var remaining: Int { bytes.count - offset }

    @inlinable
    public var isAtEnd: Bool { remaining == 0 }

    /// The first byte of the next value, which tells its type.
    @inlinable
    public func peek() throws(MessagePackError) -> UInt8 {
        guard offset < bytes.count else { throw Self.truncated("a value") }
        return bytes[offset]
    }

    // MARK: Scalars

    /// Consumes a nil if one comes next.
    @inlinable
    public mutating func readNilIfPresent() throws(MessagePackError) -> Bool {
        guard try peek() == 0xc0 else { return false }
        offset += 1
        return true
    }

    @inlinable
    public mutating func readBool() throws(MessagePackError) -> Bool {
        switch try byte("a Boolean") {
        case 0xc2: return false
        case 0xc3: return true
        case let byte: throw Self.unexpected("a Boolean", byte)
        }
    }

    @inlinable
    public mutating func readInteger<T: FixedWidthInteger>(as type: T.Type = T.self) throws(MessagePackError) -> T {
        let head = try byte("an integer")
        switch head {
        case 0x00...0x7f: return try convert(head)
        case 0xe0...0xff: return try convert(Int8(bitPattern: head))
        case 0xcc: return try convert(raw(UInt8.self))
        case 0xcd: return try convert(raw(UInt16.self))
        case 0xce: return try convert(raw(UInt32.self))
        case 0xcf: return try convert(raw(UInt64.self))
        case 0xd0: return try convert(raw(Int8.self))
        case 0xd1: return try convert(raw(Int16.self))
        case 0xd2: return try convert(raw(Int32.self))
        case 0xd3: return try convert(raw(Int64.self))
        default: throw Self.unexpected("an integer", head)
        }
    }

    @inlinable
    public mutating func readDouble() throws(MessagePackError) -> Double {
        switch try byte("a float") {
        case 0xcb: return Double(bitPattern: try raw(UInt64.self))
        case 0xca: return Double(Float(bitPattern: try raw(UInt32.self)))
        case let byte: throw Self.unexpected("a float", byte)
        }
    }

    // MARK: Byte strings and text

    /// A `bin`, as a slice of the buffer.
    @inlinable
    public mutating func readBinary() throws(MessagePackError) -> ByteBuffer {
        let count = try readBinaryHeader()
        return try slice(count)
    }

    /// A `bin` of exactly 8 bytes.
    @inlinable
    public mutating func readBinary8() throws(MessagePackError) -> UInt64 {
        // The form that every sender uses, in one test; the others and the errors follow.
        if remaining >= 10, bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self).bigEndian == 0xc408 {
            defer { offset += 10 }
            return UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: offset + 2, as: UInt64.self))
        }
        let count = try readBinaryHeader()
        guard count == 8 else { throw MessagePackError(.wrongCount, "expected a bin of 8 bytes, got \(count)") }
        return try raw(UInt64.self)
    }

    @inlinable
    public mutating func readBinaryHeader() throws(MessagePackError) -> Int {
        switch try byte("a bin") {
        case 0xc4: return Int(try raw(UInt8.self))
        case 0xc5: return Int(try raw(UInt16.self))
        case 0xc6: return Int(try raw(UInt32.self))
        case let byte: throw Self.unexpected("a bin", byte)
        }
    }

    /// Text: a `bin`, or a `str`, of valid UTF-8.
    @inlinable
    public mutating func readText() throws(MessagePackError) -> String {
        let head = try peek()
        let bytes: ByteBuffer
        switch head {
        case 0xa0...0xbf, 0xd9, 0xda, 0xdb:
            offset += 1
            let count: Int
            switch head {
            case 0xd9: count = Int(try raw(UInt8.self))
            case 0xda: count = Int(try raw(UInt16.self))
            case 0xdb: count = Int(try raw(UInt32.self))
            default: count = Int(head & 0x1f)
            }
            bytes = try slice(count)
        default:
            bytes = try readBinary()
        }
        guard let text = String(validating: bytes.readableBytesView, as: UTF8.self) else {
            throw MessagePackError(.invalidUTF8, "\(bytes.readableBytes) bytes")
        }
        return text
    }

    /// The next integer of fixed width, big-endian, that is no value by itself.
    @inlinable
    public mutating func raw<T: FixedWidthInteger & BitwiseCopyable>(_ type: T.Type) throws(MessagePackError) -> T {
        let size = MemoryLayout<T>.size
        guard size <= remaining else { throw Self.truncated(bytes: size) }
        defer { offset += size }
        return T(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: T.self))
    }

    /// The next `count` bytes.
    public mutating func slice(_ count: Int) throws(MessagePackError) -> ByteBuffer {
        guard count <= remaining, let slice = storage.getSlice(at: storage.readerIndex + offset, length: count) else {
            throw Self.truncated(bytes: count)
        }
        offset += count
        return slice
    }

    // MARK: Arrays, maps, extensions

    /// The number of elements of an array. It is at most the number of bytes that remain.
    @inlinable
    public mutating func readArrayHeader() throws(MessagePackError) -> Int {
        let head = try byte("an array")
        let count: Int
        switch head {
        case 0x90...0x9f: count = Int(head & 0xf)
        case 0xdc: count = Int(try raw(UInt16.self))
        case 0xdd: count = Int(try raw(UInt32.self))
        default: throw Self.unexpected("an array", head)
        }
        guard count <= remaining else { throw Self.truncated("an array of \(count) elements") }
        return count
    }

    /// Reads the header of an array that must have `count` elements.
    @inlinable
    public mutating func expectArray(_ count: Int) throws(MessagePackError) {
        let found = try readArrayHeader()
        guard found == count else {
            throw MessagePackError(.wrongCount, "expected an array of \(count) elements, got \(found)")
        }
    }

    /// The number of pairs of a map. Twice this is at most the number of bytes that remain.
    @inlinable
    public mutating func readMapHeader() throws(MessagePackError) -> Int {
        let head = try byte("a map")
        let count: Int
        switch head {
        case 0x80...0x8f: count = Int(head & 0xf)
        case 0xde: count = Int(try raw(UInt16.self))
        case 0xdf: count = Int(try raw(UInt32.self))
        default: throw Self.unexpected("a map", head)
        }
        guard count <= remaining / 2 else { throw Self.truncated("a map of \(count) pairs") }
        return count
    }

    @inlinable
    public mutating func readExtension() throws(MessagePackError) -> (type: Int8, data: ByteBuffer) {
        let head = try byte("an extension")
        let count: Int
        switch head {
        case 0xd4...0xd8: count = 1 << Int(head - 0xd4)
        case 0xc7: count = Int(try raw(UInt8.self))
        case 0xc8: count = Int(try raw(UInt16.self))
        case 0xc9: count = Int(try raw(UInt32.self))
        default: throw Self.unexpected("an extension", head)
        }
        let type = try raw(Int8.self)
        return (type, try slice(count))
    }

    // MARK: Helpers

    @inlinable
    mutating func byte(_ expected: String) throws(MessagePackError) -> UInt8 {
        guard offset < bytes.count else { throw Self.truncated(expected) }
        defer { offset += 1 }
        return bytes[offset]
    }

    @inlinable
    func convert<T: FixedWidthInteger>(_ value: some FixedWidthInteger) throws(MessagePackError) -> T {
        guard let result = T(exactly: value) else {
            throw MessagePackError(.outOfRange, "\(value) does not fit in \(T.self)")
        }
        return result
    }

    @usableFromInline
    @inline(never)
    static func truncated(_ expected: String) -> MessagePackError {
        MessagePackError(.truncated, "expected \(expected)")
    }

    @usableFromInline
    @inline(never)
    static func truncated(bytes count: Int) -> MessagePackError {
        truncated("\(count) bytes")
    }

    @usableFromInline
    @inline(never)
    static func unexpected(_ expected: String, _ byte: UInt8) -> MessagePackError {
        let hex = String(byte, radix: 16)
        return MessagePackError(.unexpectedType, "expected \(expected), got type byte \(hex)")
    }
}
