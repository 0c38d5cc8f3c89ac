import NIOCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// An array of C structures and the bytes that they point to, in one block that `free` releases.
///
/// ```
///  | Element | Element | … | bytes of the first | bytes of the second | … |
/// ```
struct CBlock<Element> {
    let owner: UnsafeMutableRawPointer
    let elements: UnsafeMutablePointer<Element>
    private var free: UnsafeMutablePointer<UInt8>

    /// - Parameter byteCount: bytes that ``copy(_:)`` will be given in all.
    init(count: Int, byteCount: Int) throws(ClientAllocationError) {
        let size = count * MemoryLayout<Element>.stride
        guard let block = malloc(max(1, size + byteCount)) else {
            throw ClientAllocationError(byteCount: size + byteCount)
        }
        owner = block
        elements = block.bindMemory(to: Element.self, capacity: max(1, count))
        free = (block + size).assumingMemoryBound(to: UInt8.self)
    }

    /// Copies bytes to where no other ones are.
    mutating func copy(_ bytes: ByteBuffer) -> UnsafePointer<UInt8> {
        bytes.withUnsafeReadableBytes { copy($0) }
    }

    /// The same for 8 bytes each.
    mutating func copy(_ identifiers: [UInt64]) -> UnsafePointer<UInt8> {
        identifiers.map(\.bigEndian).withUnsafeBytes { copy($0) }
    }

    private mutating func copy(_ bytes: UnsafeRawBufferPointer) -> UnsafePointer<UInt8> {
        defer { free += bytes.count }
        if let base = bytes.baseAddress, !bytes.isEmpty { memcpy(free, base, bytes.count) }
        return UnsafePointer(free)
    }
}

/// There is no memory left.
struct ClientAllocationError: Error {
    var byteCount: Int
}
