import NIOCore

/// Appends MessagePack values to a `ByteBuffer`, each in its shortest form.
///
/// The profile is that of `spec/protocol.md §4.2`: byte strings and text are `bin`, floats are `float64`,
/// and `str` is never produced except through ``MessagePackValue``.
public struct MessagePackWriter: Sendable {
    @inlinable
    public var buffer: ByteBuffer { output }

    @usableFromInline
    var output: ByteBuffer

    /// - Parameter buffer: where to append; take it back from ``buffer``.
    @inlinable
    public init(_ buffer: ByteBuffer = ByteBuffer()) {
        self.output = buffer
    }

    @inlinable
    public mutating func writeNil() {
        output.writeInteger(0xc0 as UInt8)
    }

    @inlinable
    public mutating func write(_ value: Bool) {
        output.writeInteger(value ? 0xc3 : 0xc2 as UInt8)
    }

    @inlinable
    public mutating func write(_ value: Double) {
        output.writeMultipleIntegers(0xcb as UInt8, value.bitPattern)
    }

    @inlinable
    public mutating func write(_ value: some FixedWidthInteger) {
        if value >= 0 {
            let value = UInt64(value)
            switch value {
            case ..<0x80: output.writeInteger(UInt8(value))
            case ...0xff: output.writeMultipleIntegers(0xcc as UInt8, UInt8(value))
            case ...0xffff: output.writeMultipleIntegers(0xcd as UInt8, UInt16(value))
            case ...0xffff_ffff: output.writeMultipleIntegers(0xce as UInt8, UInt32(value))
            default: output.writeMultipleIntegers(0xcf as UInt8, value)
            }
        } else {
            let value = Int64(value)
            switch value {
            case (-0x20)...: output.writeInteger(Int8(value))
            case (-0x80)...: output.writeMultipleIntegers(0xd0 as UInt8, Int8(value))
            case (-0x8000)...: output.writeMultipleIntegers(0xd1 as UInt8, Int16(value))
            case (-0x8000_0000)...: output.writeMultipleIntegers(0xd2 as UInt8, Int32(value))
            default: output.writeMultipleIntegers(0xd3 as UInt8, value)
            }
        }
    }

    /// Writes the readable bytes of `data` as `bin`.
    @inlinable
    public mutating func writeBinary(_ data: ByteBuffer) {
        writeBinaryHeader(data.readableBytes)
        output.writeImmutableBuffer(data)
    }

    @inlinable
    public mutating func writeBinary(_ data: some Collection<UInt8>) {
        writeBinaryHeader(data.count)
        output.writeBytes(data)
    }

    /// Writes the UTF-8 bytes of `text` as `bin`.
    @inlinable
    public mutating func writeText(_ text: String) {
        writeBinaryHeader(text.utf8.count)
        output.writeString(text)
    }

    /// Writes a `bin` of 8 bytes: the form of OIDs and TIDs.
    @inlinable
    public mutating func writeBinary8(_ value: UInt64) {
        output.writeMultipleIntegers(0xc4 as UInt8, 8 as UInt8, value)
    }

    @inlinable
    public mutating func writeBinaryHeader(_ count: Int) {
        switch count {
        case ...0xff: output.writeMultipleIntegers(0xc4 as UInt8, UInt8(count))
        case ...0xffff: output.writeMultipleIntegers(0xc5 as UInt8, UInt16(count))
        default: output.writeMultipleIntegers(0xc6 as UInt8, UInt32(count))
        }
    }

    /// Writes bytes that are no value by themselves: what follows ``writeBinaryHeader(_:)``.
    @inlinable
    public mutating func writeRaw(_ integer: some FixedWidthInteger) {
        output.writeInteger(integer)
    }

    @inlinable
    public mutating func writeString(_ text: String) {
        let count = text.utf8.count
        switch count {
        case ...0x1f: output.writeInteger(0xa0 | UInt8(count))
        case ...0xff: output.writeMultipleIntegers(0xd9 as UInt8, UInt8(count))
        case ...0xffff: output.writeMultipleIntegers(0xda as UInt8, UInt16(count))
        default: output.writeMultipleIntegers(0xdb as UInt8, UInt32(count))
        }
        output.writeString(text)
    }

    @inlinable
    public mutating func writeArrayHeader(_ count: Int) {
        switch count {
        case ...0xf: output.writeInteger(0x90 | UInt8(count))
        case ...0xffff: output.writeMultipleIntegers(0xdc as UInt8, UInt16(count))
        default: output.writeMultipleIntegers(0xdd as UInt8, UInt32(count))
        }
    }

    @inlinable
    public mutating func writeMapHeader(_ count: Int) {
        switch count {
        case ...0xf: output.writeInteger(0x80 | UInt8(count))
        case ...0xffff: output.writeMultipleIntegers(0xde as UInt8, UInt16(count))
        default: output.writeMultipleIntegers(0xdf as UInt8, UInt32(count))
        }
    }

    /// Writes an `ext` of one byte: the form of enums.
    @inlinable
    public mutating func writeExtension(type: Int8, _ byte: UInt8) {
        output.writeMultipleIntegers(0xd4 as UInt8, type, byte)
    }

    @inlinable
    public mutating func writeExtension(type: Int8, _ data: ByteBuffer) {
        let count = data.readableBytes
        switch count {
        case 1: output.writeInteger(0xd4 as UInt8)
        case 2: output.writeInteger(0xd5 as UInt8)
        case 4: output.writeInteger(0xd6 as UInt8)
        case 8: output.writeInteger(0xd7 as UInt8)
        case 16: output.writeInteger(0xd8 as UInt8)
        case ...0xff: output.writeMultipleIntegers(0xc7 as UInt8, UInt8(count))
        case ...0xffff: output.writeMultipleIntegers(0xc8 as UInt8, UInt16(count))
        default: output.writeMultipleIntegers(0xc9 as UInt8, UInt32(count))
        }
        output.writeInteger(type)
        output.writeImmutableBuffer(data)
    }
}
