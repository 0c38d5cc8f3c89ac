import Foundation
import NIOCore

/// The golden data of `Tests/Vectors`, recorded from the reference implementation.
public enum Vectors {
    public static let folder = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("Vectors")

    /// Decodes the file `name`, a path in the folder.
    public static func load<T: Decodable>(_ name: String, as type: T.Type = T.self) throws -> T {
        try JSONDecoder().decode(T.self, from: Data(contentsOf: folder.appendingPathComponent(name)))
    }

    /// The paths of the transcripts, in order.
    public static func transcriptNames() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.appendingPathComponent("transcripts").path)
            .sorted().map { "transcripts/\($0)" }
    }
}

/// Bytes written as hexadecimal digits.
public struct Hex: Decodable, Hashable, Sendable, CustomStringConvertible {
    public var bytes: [UInt8]

    public init(_ bytes: some Sequence<UInt8>) {
        self.bytes = Array(bytes)
    }

    public init(_ buffer: ByteBuffer) {
        self.bytes = Array(buffer.readableBytesView)
    }

    public init?(text: some StringProtocol) {
        let digits = text.utf8.compactMap { Character(UnicodeScalar($0)).hexDigitValue.map(UInt8.init) }
        guard digits.count == text.utf8.count, digits.count.isMultiple(of: 2) else { return nil }
        bytes = stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let hex = Hex(text: try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "expected hexadecimal digits")
        }
        self = hex
    }

    public var buffer: ByteBuffer { ByteBuffer(bytes: bytes) }

    /// The bytes as a big-endian integer.
    public var integer: UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }

    public var description: String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
