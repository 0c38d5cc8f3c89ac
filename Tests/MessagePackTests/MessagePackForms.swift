import MessagePack
import NIOCore

/// A value and one of the ways in which it can be written.
struct MessagePackForm: Sendable {
    var value: MessagePackValue
    var bytes: [UInt8]
    /// Whether the writer writes it so.
    var isShortest = true
}

/// All the forms that are neither arrays nor maps, at the limits of their widths.
enum MessagePackForms {
    static let all = integers + longIntegers + others + strings

    static let integers: [MessagePackForm] = [
        .init(value: .integer(0), bytes: [0x00]),
        .init(value: .integer(0x7f), bytes: [0x7f]),
        .init(value: .integer(0x80), bytes: [0xcc, 0x80]),
        .init(value: .integer(0xff), bytes: [0xcc, 0xff]),
        .init(value: .integer(0x100), bytes: [0xcd, 1, 0]),
        .init(value: .integer(0xffff), bytes: [0xcd, 0xff, 0xff]),
        .init(value: .integer(0x1_0000), bytes: [0xce, 0, 1, 0, 0]),
        .init(value: .integer(0xffff_ffff), bytes: [0xce, 0xff, 0xff, 0xff, 0xff]),
        .init(value: .integer(0x1_0000_0000), bytes: [0xcf, 0, 0, 0, 1, 0, 0, 0, 0]),
        .init(value: .integer(.max), bytes: [0xcf, 0x7f] + [UInt8](repeating: 0xff, count: 7)),
        .init(value: .unsigned(1 << 63), bytes: [0xcf, 0x80, 0, 0, 0, 0, 0, 0, 0]),
        .init(value: .unsigned(.max), bytes: [0xcf] + [UInt8](repeating: 0xff, count: 8)),
        .init(value: .integer(-1), bytes: [0xff]),
        .init(value: .integer(-0x20), bytes: [0xe0]),
        .init(value: .integer(-0x21), bytes: [0xd0, 0xdf]),
        .init(value: .integer(-0x80), bytes: [0xd0, 0x80]),
        .init(value: .integer(-0x81), bytes: [0xd1, 0xff, 0x7f]),
        .init(value: .integer(-0x8000), bytes: [0xd1, 0x80, 0]),
        .init(value: .integer(-0x8001), bytes: [0xd2, 0xff, 0xff, 0x7f, 0xff]),
        .init(value: .integer(-0x8000_0000), bytes: [0xd2, 0x80, 0, 0, 0]),
        .init(value: .integer(-0x8000_0001), bytes: [0xd3, 0xff, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]),
        .init(value: .integer(.min), bytes: [0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0]),
    ]

    static let longIntegers: [MessagePackForm] = [
        .init(value: .integer(5), bytes: [0xcc, 5], isShortest: false),
        .init(value: .integer(5), bytes: [0xcd, 0, 5], isShortest: false),
        .init(value: .integer(5), bytes: [0xce, 0, 0, 0, 5], isShortest: false),
        .init(value: .integer(5), bytes: [0xcf, 0, 0, 0, 0, 0, 0, 0, 5], isShortest: false),
        .init(value: .integer(5), bytes: [0xd0, 5], isShortest: false),
        .init(value: .integer(5), bytes: [0xd1, 0, 5], isShortest: false),
        .init(value: .integer(5), bytes: [0xd2, 0, 0, 0, 5], isShortest: false),
        .init(value: .integer(5), bytes: [0xd3, 0, 0, 0, 0, 0, 0, 0, 5], isShortest: false),
        .init(value: .integer(-1), bytes: [0xd0, 0xff], isShortest: false),
        .init(value: .integer(-1), bytes: [0xd3] + [UInt8](repeating: 0xff, count: 8), isShortest: false),
    ]

    static let others: [MessagePackForm] = [
        .init(value: .nil, bytes: [0xc0]),
        .init(value: .bool(false), bytes: [0xc2]),
        .init(value: .bool(true), bytes: [0xc3]),
        .init(value: .double(-0.5), bytes: [0xcb, 0xbf, 0xe0, 0, 0, 0, 0, 0, 0]),
        .init(value: .double(-0.5), bytes: [0xca, 0xbf, 0, 0, 0], isShortest: false),
        .init(value: .extension(type: -1, ByteBuffer(bytes: [7])), bytes: [0xd4, 0xff, 7]),
        .init(value: .extension(type: 1, ByteBuffer(bytes: [7, 8])), bytes: [0xd5, 1, 7, 8]),
        .init(value: .extension(type: 1, ByteBuffer(bytes: [7, 8, 9])), bytes: [0xc7, 3, 1, 7, 8, 9]),
        .init(value: .extension(type: 1, zeros(4)), bytes: [0xd6, 1] + [UInt8](zeros(4).readableBytesView)),
        .init(value: .extension(type: 1, zeros(8)), bytes: [0xd7, 1] + [UInt8](zeros(8).readableBytesView)),
        .init(value: .extension(type: 1, zeros(16)), bytes: [0xd8, 1] + [UInt8](zeros(16).readableBytesView)),
        .init(value: .extension(type: 1, ByteBuffer(bytes: [7])), bytes: [0xc7, 1, 1, 7], isShortest: false),
        .init(value: .extension(type: 1, ByteBuffer(bytes: [7])), bytes: [0xc8, 0, 1, 1, 7], isShortest: false),
        .init(value: .extension(type: 1, ByteBuffer()), bytes: [0xc9, 0, 0, 0, 0, 1], isShortest: false),
        .init(value: .extension(type: 1, zeros(0x100)), bytes: [0xc8, 1, 0, 1] + [UInt8](repeating: 0, count: 0x100)),
    ]

    static let strings: [MessagePackForm] =
        [
            .init(value: .binary(ByteBuffer()), bytes: [0xc4, 0]),
            .init(value: .binary(ByteBuffer()), bytes: [0xc5, 0, 0], isShortest: false),
            .init(value: .binary(ByteBuffer()), bytes: [0xc6, 0, 0, 0, 0], isShortest: false),
            .init(value: .string(""), bytes: [0xa0]),
            .init(value: .string("é"), bytes: [0xa2, 0xc3, 0xa9]),
            .init(value: .string("é"), bytes: [0xd9, 2, 0xc3, 0xa9], isShortest: false),
            .init(value: .string("é"), bytes: [0xda, 0, 2, 0xc3, 0xa9], isShortest: false),
            .init(value: .string("é"), bytes: [0xdb, 0, 0, 0, 2, 0xc3, 0xa9], isShortest: false),
        ]
        + [
            (0xff, [0xc4, 0xff]), (0x100, [0xc5, 1, 0]), (0xffff, [0xc5, 0xff, 0xff]), (0x1_0000, [0xc6, 0, 1, 0, 0]),
        ]
        .map { count, head in
            .init(value: .binary(zeros(count)), bytes: head + [UInt8](repeating: 0, count: count))
        }
        + [(0x1f, [0xbf]), (0x20, [0xd9, 0x20]), (0x100, [0xda, 1, 0]), (0x1_0000, [0xdb, 0, 1, 0, 0])]
        .map { count, head in
            .init(
                value: .string(String(repeating: "a", count: count)),
                bytes: head + [UInt8](repeating: 0x61, count: count)
            )
        }

    static func zeros(_ count: Int) -> ByteBuffer { ByteBuffer(repeating: 0, count: count) }
}
