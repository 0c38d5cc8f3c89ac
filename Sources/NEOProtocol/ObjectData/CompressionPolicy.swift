/// Whether and how a client compresses the objects that it stores (`spec/protocol.md §8`).
///
/// Clients with different policies can share a database: what is stored says how to read it.
public struct CompressionPolicy: Hashable, Sendable {
    /// The level of zlib, nil: never compress.
    let level: Int32?

    private init(level: Int32?) {
        self.level = level
    }

    /// Objects are stored as they are.
    public static let off = CompressionPolicy(level: nil)

    /// zlib at its default level.
    public static let zlib = CompressionPolicy(level: -1)

    /// zlib at a level of 1 (fast) to 9 (small); nil for another one.
    public static func zlib(level: Int) -> CompressionPolicy? {
        (1...9).contains(level) ? CompressionPolicy(level: Int32(level)) : nil
    }
}
