import Crypto
import NIOCore

/// The SHA-1 of the stored bytes of an object.
public struct Checksum: Hashable, Sendable {
    // 20 bytes, big-endian: a value without allocation.
    var high: UInt64
    var middle: UInt64
    var low: UInt32

    init(high: UInt64, middle: UInt64, low: UInt32) {
        self.high = high
        self.middle = middle
        self.low = low
    }

    /// 20 null bytes: "no data" (`spec/protocol.md §8`).
    public static let zero = Checksum(high: 0, middle: 0, low: 0)

    /// - Parameter bytes: exactly 20 bytes, else the result is nil.
    public init?(bytes: ByteBuffer) {
        guard let checksum = bytes.withUnsafeReadableBytes(Checksum.init(bytes:)) else { return nil }
        self = checksum
    }

    /// - Parameter bytes: exactly 20 bytes, else the result is nil.
    public init?(bytes: UnsafeRawBufferPointer) {
        guard bytes.count == 20 else { return nil }
        self.init(loading: bytes)
    }

    private init(loading bytes: UnsafeRawBufferPointer) {
        self.init(
            high: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self)),
            middle: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
            low: UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 16, as: UInt32.self))
        )
    }

    /// Computes the checksum of `data`.
    public init(of data: ByteBuffer) {
        let digest = data.withUnsafeReadableBytes { bytes in
            var hasher = Insecure.SHA1()
            hasher.update(bufferPointer: bytes)
            return hasher.finalize()
        }
        self.init(digest)
    }

    init(_ digest: Insecure.SHA1.Digest) {
        self = digest.withUnsafeBytes(Checksum.init(loading:))
    }

    /// The 20 bytes.
    public var bytes: ByteBuffer {
        var buffer = ByteBuffer()
        buffer.reserveCapacity(20)
        buffer.writeMultipleIntegers(high, middle, low)
        return buffer
    }
}

extension Checksum: CustomStringConvertible {
    /// 40 hexadecimal digits.
    public var description: String {
        let low = String(low, radix: 16)
        return hexadecimal(high) + hexadecimal(middle) + String(repeating: "0", count: 8 - low.count) + low
    }
}
