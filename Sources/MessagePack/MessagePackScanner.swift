import NIOCore

/// Finds the end of a MessagePack value in bytes that arrive in pieces, without decoding it.
///
/// It remembers where it stopped, so the work is proportional to the bytes received however they are cut.
public struct MessagePackScanner: Sendable {
    public struct Limits: Hashable, Sendable {
        /// The longest `bin`, `str` or `ext`, in bytes.
        public var maximumBinaryBytes: Int
        /// The longest value as a whole, in bytes.
        public var maximumValueBytes: Int
        /// How many arrays and maps can stand in each other.
        public var maximumDepth: Int

        public init(
            maximumBinaryBytes: Int = 64 << 20,
            maximumValueBytes: Int = 256 << 20,
            maximumDepth: Int = 16
        ) {
            self.maximumBinaryBytes = maximumBinaryBytes
            self.maximumValueBytes = maximumValueBytes
            self.maximumDepth = maximumDepth
        }
    }

    public let limits: Limits
    /// Offset of the next byte to look at, from the start of the value.
    private var offset = 0
    /// How many values are still to come, for each open array or map, outermost first.
    private var remaining: [Int] = [1]

    public init(limits: Limits = Limits()) {
        self.limits = limits
    }

    /// Looks at the bytes that came since the last call.
    ///
    /// - Parameter buffer: holds the value from its first byte on; it can have grown at its end.
    /// - Returns: the length of the value in bytes, or nil if its end has not come yet. After a length was returned
    ///   the scanner is ready for the next value.
    public mutating func scan(_ buffer: ByteBuffer) throws(MessagePackError) -> Int? {
        let start = buffer.readerIndex
        let available = buffer.readableBytes
        while true {
            while let last = remaining.last, last == 0 { remaining.removeLast() }
            guard !remaining.isEmpty else {
                guard offset <= available else { return nil }
                let length = offset
                offset = 0
                remaining.append(1)
                return length
            }
            guard offset <= limits.maximumValueBytes else {
                throw MessagePackError(.limitExceeded, "a value of more than \(limits.maximumValueBytes) bytes")
            }
            guard offset < available, let head = buffer.getInteger(at: start + offset, as: UInt8.self) else {
                return nil
            }
            /// A big-endian length after the type byte; nil if it has not come yet.
            func length(_ size: Int) -> Int? {
                guard offset + 1 + size <= available else { return nil }
                switch size {
                case 1: return buffer.getInteger(at: start + offset + 1, as: UInt8.self).map(Int.init)
                case 2: return buffer.getInteger(at: start + offset + 1, as: UInt16.self).map(Int.init)
                default: return buffer.getInteger(at: start + offset + 1, as: UInt32.self).map(Int.init)
                }
            }
            switch head {
            case 0x00...0x7f, 0xe0...0xff, 0xc0, 0xc2, 0xc3: advance(1)
            case 0xcc, 0xd0: advance(2)
            case 0xcd, 0xd1: advance(3)
            case 0xce, 0xd2, 0xca: advance(5)
            case 0xcf, 0xd3, 0xcb: advance(9)
            case 0xa0...0xbf: advance(1 + Int(head & 0x1f))
            case 0xd4...0xd8: advance(2 + 1 << Int(head - 0xd4))
            case 0xc4, 0xd9:
                guard let count = length(1) else { return nil }
                try advance(header: 2, count)
            case 0xc5, 0xda:
                guard let count = length(2) else { return nil }
                try advance(header: 3, count)
            case 0xc6, 0xdb:
                guard let count = length(4) else { return nil }
                try advance(header: 5, count)
            case 0xc7:
                guard let count = length(1) else { return nil }
                try advance(header: 3, count)
            case 0xc8:
                guard let count = length(2) else { return nil }
                try advance(header: 4, count)
            case 0xc9:
                guard let count = length(4) else { return nil }
                try advance(header: 6, count)
            case 0x90...0x9f: try open(header: 1, Int(head & 0xf))
            case 0x80...0x8f: try open(header: 1, 2 * Int(head & 0xf))
            case 0xdc:
                guard let count = length(2) else { return nil }
                try open(header: 3, count)
            case 0xdd:
                guard let count = length(4) else { return nil }
                try open(header: 5, count)
            case 0xde:
                guard let count = length(2) else { return nil }
                try open(header: 3, 2 * count)
            case 0xdf:
                guard let count = length(4) else { return nil }
                try open(header: 5, 2 * count)
            default:
                throw MessagePackError(.invalid, "reserved type byte c1")
            }
        }
    }

    /// Passes a value of `count` bytes, which can end after what was received.
    private mutating func advance(_ count: Int) {
        offset += count
        remaining[remaining.count - 1] -= 1
    }

    private mutating func advance(header: Int, _ count: Int) throws(MessagePackError) {
        guard count <= limits.maximumBinaryBytes else {
            throw MessagePackError(
                .limitExceeded,
                "a byte string of \(count) bytes, the limit is \(limits.maximumBinaryBytes)"
            )
        }
        advance(header + count)
    }

    private mutating func open(header: Int, _ count: Int) throws(MessagePackError) {
        // Each element takes at least one byte.
        guard count <= limits.maximumValueBytes else {
            throw MessagePackError(.limitExceeded, "an array or map of \(count) values")
        }
        advance(header)
        guard remaining.count <= limits.maximumDepth else {
            throw MessagePackError(.limitExceeded, "more than \(limits.maximumDepth) levels of arrays and maps")
        }
        remaining.append(count)
    }
}
