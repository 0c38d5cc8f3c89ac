/// Why the record of an object cannot be made from what is stored.
public struct CompressionError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kind of failure. New codes can be added.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        public let description: String

        /// The bytes are not a whole zlib stream.
        public static let corrupted = Code(description: "corrupted data")
        /// The record is longer than the reader accepts.
        public static let tooLong = Code(description: "too long a record")
        /// A compression flag that is neither 0 nor 1.
        public static let unknownFormat = Code(description: "unknown compression")
        /// zlib could not begin its work: no memory.
        public static let unavailable = Code(description: "zlib is not available")
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
