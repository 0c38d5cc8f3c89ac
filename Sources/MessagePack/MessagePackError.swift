/// Why some bytes are not the MessagePack value that was expected.
public struct MessagePackError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kind of failure. New codes can be added.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        public let description: String

        /// The value ends after the bytes that are there.
        public static let truncated = Code(description: "truncated")
        /// Another type of value stands there.
        public static let unexpectedType = Code(description: "unexpected type")
        /// An integer, a length or a value that its type cannot hold.
        public static let outOfRange = Code(description: "out of range")
        /// An array or a map with another number of elements.
        public static let wrongCount = Code(description: "wrong number of elements")
        /// Text that is not UTF-8.
        public static let invalidUTF8 = Code(description: "invalid UTF-8")
        /// A length or a depth over the limits of the reader.
        public static let limitExceeded = Code(description: "limit exceeded")
        /// The reserved byte `c1`, a duplicate key, or a value that the application refuses.
        public static let invalid = Code(description: "invalid value")
    }

    public var code: Code
    /// What was expected and what came.
    public var detail: String

    public init(_ code: Code, _ detail: String) {
        self.code = code
        self.detail = detail
    }

    public var description: String { "\(code.description): \(detail)" }
}
