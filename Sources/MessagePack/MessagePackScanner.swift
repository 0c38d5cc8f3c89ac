import NIOCore

/// Finds the end of a MessagePack value in bytes that arrive in pieces, without decoding it.
///
/// It remembers where it stopped, so the work is proportional to the bytes received however they are cut. Lengths and
/// counts are checked against the limits when they are announced, before their bytes come.
public struct MessagePackScanner: Sendable {
    public struct Limits: Hashable, Sendable {
        /// The longest `bin`, `str` or `ext`, in bytes.
        public var maximumBinaryBytes: Int
        /// The longest value as a whole, in bytes.
        public var maximumValueBytes: Int
        /// How many values can stand in a value, at all its levels. A decoded value takes tens of bytes even if its
        /// encoding takes one, so this is what bounds the memory of what is decoded.
        public var maximumValues: Int
        /// How many arrays and maps can stand in each other.
        public var maximumDepth: Int

        public init(
            maximumBinaryBytes: Int = 64 << 20,
            maximumValueBytes: Int = 256 << 20,
            maximumValues: Int = 8 << 20,
            maximumDepth: Int = 16
        ) {
            self.maximumBinaryBytes = maximumBinaryBytes
            self.maximumValueBytes = maximumValueBytes
            self.maximumValues = maximumValues
            self.maximumDepth = maximumDepth
        }
    }

    /// They hold for what is scanned from now on.
    public var limits: Limits
    /// Offset of the next byte to look at, from the start of the value.
    private var offset = 0
    /// How many values are still to come in the innermost open array or map.
    private var remaining = 1
    /// The same for those around it, outermost first.
    private var outer: [Int] = []
    /// How many values were announced so far.
    private var announced = 1

    public init(limits: Limits = Limits()) {
        self.limits = limits
    }

    /// Looks at the bytes that came since the last call.
    ///
    /// - Parameter buffer: holds the value from its first byte on; it can have grown at its end.
    /// - Returns: the length of the value in bytes, or nil if its end has not come yet. After a length was returned
    ///   the scanner is ready for the next value.
    public mutating func scan(_ buffer: ByteBuffer) throws(MessagePackError) -> Int? {
        let result: Result<Int?, MessagePackError> = buffer.withUnsafeReadableBytes { bytes in
            do throws(MessagePackError) {
                return .success(try scan(bytes))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    private mutating func scan(_ bytes: UnsafeRawBufferPointer) throws(MessagePackError) -> Int? {
        while true {
            while remaining == 0 {
                guard let count = outer.popLast() else {
                    guard offset <= bytes.count else { return nil }
                    defer { startNextValue() }
                    return offset
                }
                remaining = count
            }
            guard offset < bytes.count else { return nil }
            let head = bytes[offset]
            switch head {
            case 0x00...0x7f, 0xe0...0xff, 0xc0, 0xc2, 0xc3: try pass(1)
            case 0xcc, 0xd0: try pass(2)
            case 0xcd, 0xd1: try pass(3)
            case 0xce, 0xd2, 0xca: try pass(5)
            case 0xcf, 0xd3, 0xcb: try pass(9)
            case 0xa0...0xbf: try pass(1, content: Int(head & 0x1f))
            case 0xd4...0xd8: try pass(2, content: 1 << Int(head - 0xd4))
            case 0xc4...0xc6, 0xd9...0xdb:
                let width = head < 0xd0 ? 1 << Int(head - 0xc4) : 1 << Int(head - 0xd9)
                guard let count = length(width, in: bytes) else { return nil }
                try pass(1 + width, content: count)
            case 0xc7...0xc9:
                let width = 1 << Int(head - 0xc7)
                guard let count = length(width, in: bytes) else { return nil }
                try pass(2 + width, content: count)
            case 0x90...0x9f: try open(1, values: Int(head & 0xf))
            case 0x80...0x8f: try open(1, values: 2 * Int(head & 0xf))
            case 0xdc...0xdf:
                let width = head & 1 == 0 ? 2 : 4
                guard let count = length(width, in: bytes) else { return nil }
                try open(1 + width, values: head < 0xde ? count : 2 * count)
            default:
                throw MessagePackError(.invalid, "reserved type byte c1")
            }
        }
    }

    private mutating func startNextValue() {
        offset = 0
        remaining = 1
        announced = 1
    }

    /// The big-endian length of `width` bytes after the type byte, nil if it has not come yet.
    private func length(_ width: Int, in bytes: UnsafeRawBufferPointer) -> Int? {
        guard offset + 1 + width <= bytes.count else { return nil }
        return bytes[offset + 1..<offset + 1 + width].reduce(0) { $0 << 8 | Int($1) }
    }

    /// Passes a value that is neither an array nor a map. It can end after what was received.
    @inline(__always)
    private mutating func pass(_ header: Int, content: Int = 0) throws(MessagePackError) {
        guard content <= limits.maximumBinaryBytes else {
            throw Self.exceeded("a byte string of \(content) bytes, the limit is \(limits.maximumBinaryBytes)")
        }
        try advance(header + content)
        remaining -= 1
    }

    /// Goes into an array or a map.
    private mutating func open(_ header: Int, values: Int) throws(MessagePackError) {
        announced += values
        guard announced <= limits.maximumValues else {
            throw Self.exceeded("\(announced) values or more, the limit is \(limits.maximumValues)")
        }
        guard outer.count < limits.maximumDepth else {
            throw Self.exceeded("more than \(limits.maximumDepth) levels of arrays and maps")
        }
        try advance(header)
        outer.append(remaining - 1)
        remaining = values
    }

    @inline(__always)
    private mutating func advance(_ count: Int) throws(MessagePackError) {
        offset += count
        guard offset <= limits.maximumValueBytes else {
            throw Self.exceeded("a value of more than \(limits.maximumValueBytes) bytes")
        }
    }

    /// Apart, so that the loop over the values stays small.
    @inline(never)
    private static func exceeded(_ detail: @autoclosure () -> String) -> MessagePackError {
        MessagePackError(.limitExceeded, detail())
    }
}
