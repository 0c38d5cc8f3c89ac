import NIOCore

/// Appends MessagePack values to a `ByteBuffer`, each in its shortest form.
///
/// The profile is that of `spec/protocol.md §4.2`: byte strings and text are `bin`, floats are `float64`,
/// and `str` is never produced except through ``MessagePackValue``.
public struct MessagePackWriter: Sendable {
    public private(set) var buffer: ByteBuffer

    /// - Parameter buffer: where to append; take it back from ``buffer``.
    public init(_ buffer: ByteBuffer = ByteBuffer()) {
        self.buffer = buffer
    }

    public mutating func writeNil() {
        buffer.writeInteger(0xc0 as UInt8)
    }

    public mutating func write(_ value: Bool) {
        buffer.writeInteger(value ? 0xc3 : 0xc2 as UInt8)
    }

    public mutating func write(_ value: Double) {
        buffer.writeMultipleIntegers(0xcb as UInt8, value.bitPattern)
    }

    public mutating func write(_ value: some FixedWidthInteger) {
        if value >= 0 {
            let value = UInt64(value)
            switch value {
            case ..<0x80: buffer.writeInteger(UInt8(value))
            case ...0xff: buffer.writeMultipleIntegers(0xcc as UInt8, UInt8(value))
            case ...0xffff: buffer.writeMultipleIntegers(0xcd as UInt8, UInt16(value))
            case ...0xffff_ffff: buffer.writeMultipleIntegers(0xce as UInt8, UInt32(value))
            default: buffer.writeMultipleIntegers(0xcf as UInt8, value)
            }
        } else {
            let value = Int64(value)
            switch value {
            case (-0x20)...: buffer.writeInteger(Int8(value))
            case (-0x80)...: buffer.writeMultipleIntegers(0xd0 as UInt8, Int8(value))
            case (-0x8000)...: buffer.writeMultipleIntegers(0xd1 as UInt8, Int16(value))
            case (-0x8000_0000)...: buffer.writeMultipleIntegers(0xd2 as UInt8, Int32(value))
            default: buffer.writeMultipleIntegers(0xd3 as UInt8, value)
            }
        }
    }

    /// Writes the readable bytes of `data` as `bin`.
    public mutating func writeBinary(_ data: ByteBuffer) {
        writeBinaryHeader(data.readableBytes)
        buffer.writeImmutableBuffer(data)
    }

    public mutating func writeBinary(_ data: some Collection<UInt8>) {
        writeBinaryHeader(data.count)
        buffer.writeBytes(data)
    }

    /// Writes the UTF-8 bytes of `text` as `bin`.
    public mutating func writeText(_ text: String) {
        writeBinaryHeader(text.utf8.count)
        buffer.writeString(text)
    }

    /// Writes a `bin` of 8 bytes: the form of OIDs and TIDs.
    public mutating func writeBinary8(_ value: UInt64) {
        buffer.writeMultipleIntegers(0xc4 as UInt8, 8 as UInt8, value)
    }

    public mutating func writeBinaryHeader(_ count: Int) {
        switch count {
        case ...0xff: buffer.writeMultipleIntegers(0xc4 as UInt8, UInt8(count))
        case ...0xffff: buffer.writeMultipleIntegers(0xc5 as UInt8, UInt16(count))
        default: buffer.writeMultipleIntegers(0xc6 as UInt8, UInt32(count))
        }
    }

    /// Writes bytes that are no value by themselves: what follows ``writeBinaryHeader(_:)``.
    public mutating func writeRaw(_ integer: some FixedWidthInteger) {
        buffer.writeInteger(integer)
    }

    public mutating func writeString(_ text: String) {
        let count = text.utf8.count
        switch count {
        case ...0x1f: buffer.writeInteger(0xa0 | UInt8(count))
        case ...0xff: buffer.writeMultipleIntegers(0xd9 as UInt8, UInt8(count))
        case ...0xffff: buffer.writeMultipleIntegers(0xda as UInt8, UInt16(count))
        default: buffer.writeMultipleIntegers(0xdb as UInt8, UInt32(count))
        }
        buffer.writeString(text)
    }

    public mutating func writeArrayHeader(_ count: Int) {
        switch count {
        case ...0xf: buffer.writeInteger(0x90 | UInt8(count))
        case ...0xffff: buffer.writeMultipleIntegers(0xdc as UInt8, UInt16(count))
        default: buffer.writeMultipleIntegers(0xdd as UInt8, UInt32(count))
        }
    }

    public mutating func writeMapHeader(_ count: Int) {
        switch count {
        case ...0xf: buffer.writeInteger(0x80 | UInt8(count))
        case ...0xffff: buffer.writeMultipleIntegers(0xde as UInt8, UInt16(count))
        default: buffer.writeMultipleIntegers(0xdf as UInt8, UInt32(count))
        }
    }

    /// Writes an `ext` of one byte: the form of enums.
    public mutating func writeExtension(type: Int8, _ byte: UInt8) {
        buffer.writeMultipleIntegers(0xd4 as UInt8, type, byte)
    }

    public mutating func writeExtension(type: Int8, _ data: ByteBuffer) {
        let count = data.readableBytes
        switch count {
        case 1: buffer.writeInteger(0xd4 as UInt8)
        case 2: buffer.writeInteger(0xd5 as UInt8)
        case 4: buffer.writeInteger(0xd6 as UInt8)
        case 8: buffer.writeInteger(0xd7 as UInt8)
        case 16: buffer.writeInteger(0xd8 as UInt8)
        case ...0xff: buffer.writeMultipleIntegers(0xc7 as UInt8, UInt8(count))
        case ...0xffff: buffer.writeMultipleIntegers(0xc8 as UInt8, UInt16(count))
        default: buffer.writeMultipleIntegers(0xc9 as UInt8, UInt32(count))
        }
        buffer.writeInteger(type)
        buffer.writeImmutableBuffer(data)
    }
}
