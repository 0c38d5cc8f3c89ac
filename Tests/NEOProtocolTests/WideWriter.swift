import MessagePack
import NIOCore

/// Writes values in forms that are longer than needed.
struct WideWriter {
    enum Style: CaseIterable {
        case bits8, bits16, bits32
    }

    let style: Style
    var buffer = ByteBuffer()

    init(style: Style) {
        self.style = style
    }

    mutating func write(_ value: MessagePackValue) {
        switch value {
        case .nil: buffer.writeInteger(0xc0 as UInt8)
        case .bool(let value): buffer.writeInteger(value ? 0xc3 : 0xc2 as UInt8)
        case .integer(let value):
            switch style {
            case .bits8 where (0..<256).contains(value):
                buffer.writeMultipleIntegers(0xcc as UInt8, UInt8(value))
            case .bits16 where (0..<65_536).contains(value):
                buffer.writeMultipleIntegers(0xcd as UInt8, UInt16(value))
            default: buffer.writeMultipleIntegers(0xd3 as UInt8, value)
            }
        case .unsigned(let value): buffer.writeMultipleIntegers(0xcf as UInt8, value)
        case .double(let value): buffer.writeMultipleIntegers(0xcb as UInt8, value.bitPattern)
        case .binary(let bytes):
            header(bytes.readableBytes, 0xc4, 0xc5, 0xc6)
            buffer.writeImmutableBuffer(bytes)
        case .string(let text):
            header(text.utf8.count, 0xd9, 0xda, 0xdb)
            buffer.writeString(text)
        case .array(let elements):
            header(elements.count, nil, 0xdc, 0xdd)
            for element in elements { write(element) }
        case .map(let pairs):
            header(pairs.count, nil, 0xde, 0xdf)
            for pair in pairs {
                write(pair.key)
                write(pair.value)
            }
        case .extension(let type, let data):
            // The payload of an enum is an integer, which can be wide too.
            let payload =
                switch style {
                case .bits8: data
                case .bits16: ByteBuffer(bytes: [0xcc] + data.readableBytesView)
                case .bits32: ByteBuffer(bytes: [0xce, 0, 0, 0] + data.readableBytesView)
                }
            header(payload.readableBytes, 0xc7, 0xc8, 0xc9)
            buffer.writeInteger(type)
            buffer.writeImmutableBuffer(payload)
        }
    }

    private mutating func header(_ count: Int, _ form8: UInt8?, _ form16: UInt8, _ form32: UInt8) {
        if style == .bits8, let form8, count < 256 {
            buffer.writeMultipleIntegers(form8, UInt8(count))
        } else if style != .bits32, count < 65_536 {
            buffer.writeMultipleIntegers(form16, UInt16(count))
        } else {
            buffer.writeMultipleIntegers(form32, UInt32(count))
        }
    }
}
