import NIOCore

/// Appends MessagePack values to a `ByteBuffer`, each in its shortest form.
///
/// The profile is that of `spec/protocol.md §4.2`: byte strings and text are `bin`, floats are `float64`,
/// and `str` is never produced except through ``MessagePackValue``.
public struct MessagePackWriter: Sendable {
    /// What was written to the end of the buffer; large contents go there directly.
    @usableFromInline
    var output: ByteBuffer

    /// Small values that follow `output`. They gather here because each append to a `ByteBuffer` checks its ownership and
    /// its capacity, which takes several times longer than to store the value.
    @usableFromInline
    var pending = InlineArray<128, UInt8>(repeating: 0)

    @usableFromInline
    var pendingCount = 0

    /// - Parameter buffer: where to append; take it back with ``finish()``.
    @inlinable
    public init(_ buffer: ByteBuffer = ByteBuffer()) {
        self.output = buffer
    }

    /// A copy of what was written so far.
    public var buffer: ByteBuffer {
        var copy = self
        copy.flush()
        return copy.output
    }

    /// Gives back the buffer with all that was written, and leaves an empty one.
    public mutating func finish() -> ByteBuffer {
        flush()
        var result = ByteBuffer()
        swap(&result, &output)
        return result
    }

    @inlinable
    public mutating func writeNil() {
        append(0xc0 as UInt8)
    }

    @inlinable
    public mutating func write(_ value: Bool) {
        append(value ? 0xc3 : 0xc2 as UInt8)
    }

    @inlinable
    public mutating func write(_ value: Double) {
        append(0xcb, value.bitPattern)
    }

    @inlinable
    public mutating func write(_ value: some FixedWidthInteger) {
        if value >= 0 {
            let value = UInt64(value)
            switch value {
            case ..<0x80: append(UInt8(value))
            case ...0xff: append(0xcc, UInt8(value))
            case ...0xffff: append(0xcd, UInt16(value))
            case ...0xffff_ffff: append(0xce, UInt32(value))
            default: append(0xcf, value)
            }
        } else {
            let value = Int64(value)
            switch value {
            case (-0x20)...: append(Int8(value))
            case (-0x80)...: append(0xd0, Int8(value))
            case (-0x8000)...: append(0xd1, Int16(value))
            case (-0x8000_0000)...: append(0xd2, Int32(value))
            default: append(0xd3, value)
            }
        }
    }

    /// Writes the readable bytes of `data` as `bin`.
    @inlinable
    public mutating func writeBinary(_ data: ByteBuffer) {
        writeBinaryHeader(data.readableBytes)
        append(contentsOf: data.readableBytesView)
    }

    @inlinable
    public mutating func writeBinary(_ data: some Collection<UInt8>) {
        writeBinaryHeader(data.count)
        append(contentsOf: data)
    }

    /// Writes the UTF-8 bytes of `text` as `bin`.
    @inlinable
    public mutating func writeText(_ text: String) {
        writeBinaryHeader(text.utf8.count)
        append(contentsOf: text.utf8)
    }

    /// Writes a `bin` of 8 bytes: the form of OIDs and TIDs.
    @inlinable
    public mutating func writeBinary8(_ value: UInt64) {
        append(0xc408 as UInt16)
        append(value)
    }

    @inlinable
    public mutating func writeBinaryHeader(_ count: Int) {
        switch count {
        case ...0xff: append(0xc4, UInt8(count))
        case ...0xffff: append(0xc5, UInt16(count))
        default: append(0xc6, UInt32(count))
        }
    }

    /// Writes bytes that are no value by themselves: what follows ``writeBinaryHeader(_:)``.
    @inlinable
    public mutating func writeRaw(_ integer: some FixedWidthInteger & BitwiseCopyable) {
        append(integer)
    }

    @inlinable
    public mutating func writeString(_ text: String) {
        let count = text.utf8.count
        switch count {
        case ...0x1f: append(0xa0 | UInt8(count))
        case ...0xff: append(0xd9, UInt8(count))
        case ...0xffff: append(0xda, UInt16(count))
        default: append(0xdb, UInt32(count))
        }
        append(contentsOf: text.utf8)
    }

    @inlinable
    public mutating func writeArrayHeader(_ count: Int) {
        switch count {
        case ...0xf: append(0x90 | UInt8(count))
        case ...0xffff: append(0xdc, UInt16(count))
        default: append(0xdd, UInt32(count))
        }
    }

    @inlinable
    public mutating func writeMapHeader(_ count: Int) {
        switch count {
        case ...0xf: append(0x80 | UInt8(count))
        case ...0xffff: append(0xde, UInt16(count))
        default: append(0xdf, UInt32(count))
        }
    }

    /// Writes an `ext` of one byte: the form of enums.
    @inlinable
    public mutating func writeExtension(type: Int8, _ byte: UInt8) {
        append(0xd4, type)
        append(byte)
    }

    @inlinable
    public mutating func writeExtension(type: Int8, _ data: ByteBuffer) {
        let count = data.readableBytes
        switch count {
        case 1: append(0xd4 as UInt8)
        case 2: append(0xd5 as UInt8)
        case 4: append(0xd6 as UInt8)
        case 8: append(0xd7 as UInt8)
        case 16: append(0xd8 as UInt8)
        case ...0xff: append(0xc7, UInt8(count))
        case ...0xffff: append(0xc8, UInt16(count))
        default: append(0xc9, UInt32(count))
        }
        append(type)
        append(contentsOf: data.readableBytesView)
    }

    // MARK: Bytes

    /// Appends a type byte and what follows it.
    @inlinable
    mutating func append<T: FixedWidthInteger & BitwiseCopyable>(_ head: UInt8, _ value: T) {
        append(head)
        append(value)
    }

    /// Appends the big-endian bytes of an integer.
    @inlinable
    mutating func append<T: FixedWidthInteger & BitwiseCopyable>(_ value: T) {
        let size = MemoryLayout<T>.size
        if pendingCount + size > pending.count { flush() }
        withUnsafeMutableBytes(of: &pending) { bytes in
            bytes.storeBytes(of: value.bigEndian, toByteOffset: pendingCount, as: T.self)
        }
        pendingCount += size
    }

    @inlinable
    mutating func append(contentsOf bytes: some Collection<UInt8>) {
        flush()
        output.writeBytes(bytes)
    }

    /// Moves the small values to the end of the buffer.
    @usableFromInline
    mutating func flush() {
        guard pendingCount > 0 else { return }
        withUnsafeBytes(of: pending) { bytes in
            _ = output.writeBytes(UnsafeRawBufferPointer(rebasing: bytes.prefix(pendingCount)))
        }
        pendingCount = 0
    }
}
