import NIOCore

/// What is stored and transferred of the record of an object (`spec/protocol.md §8`).
public struct StoredData: Hashable, Sendable {
    /// 0: ``data`` is the record itself; 1: a zlib stream of it.
    public var compression: Int
    /// The SHA-1 of ``data``, as stored.
    public var checksum: Checksum
    public var data: ByteBuffer

    public init(compression: Int, checksum: Checksum, data: ByteBuffer) {
        self.compression = compression
        self.checksum = checksum
        self.data = data
    }

    /// No data: the object was deleted, or its creation undone.
    public static let none = StoredData(compression: 0, checksum: .zero, data: ByteBuffer())

    /// Whether there is no data. Data that exists but is empty has a checksum.
    public var isNone: Bool { data.readableBytes == 0 && checksum == .zero }

    /// Whether ``checksum`` is that of ``data``, or there is no data.
    public var isIntact: Bool { isNone || Checksum(of: data) == checksum }

    /// The longest ``data`` that can be stored: reference nodes stop on more (`spec/protocol.md §4.4`).
    public static let maximumBytes = (64 << 20) - (64 << 10)
}
