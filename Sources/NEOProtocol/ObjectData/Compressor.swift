import CZlib
import Synchronization

/// The state of zlib for the compression of one record at a time: a quarter of a megabyte that is used again, since the
/// system takes longer to give such memory than zlib to compress a small record.
///
/// Small records, most of those of ZODB, have a state of their own, of 28 KiB: zlib clears 64 KiB of the large one before
/// each record. They are found in the whole window all the same.
///
/// `@unchecked Sendable`: whoever took it from the pool has it alone.
final class Compressor: @unchecked Sendable {
    /// How many may wait to be used again.
    private static let maximumCount = 8
    private static let pool = Mutex<[Compressor]>([])

    /// The longest record for a small window, in bytes.
    static let smallBytes = 1 << 12

    let level: Int32
    let isSmall: Bool
    let stream: UnsafeMutablePointer<z_stream>

    private init?(level: Int32, isSmall: Bool) {
        self.level = level
        self.isSmall = isSmall
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        let (windowBits, memoryLevel): (Int32, Int32) = isSmall ? (12, 5) : (MAX_WBITS, 8)
        let size = Int32(MemoryLayout<z_stream>.size)
        guard
            deflateInit2_(
                stream,
                level,
                Z_DEFLATED,
                windowBits,
                memoryLevel,
                Z_DEFAULT_STRATEGY,
                ZLIB_VERSION,
                size
            ) == Z_OK
        else { return nil }
    }

    deinit {
        // Of no effect if it could not be initialised.
        deflateEnd(stream)
        stream.deinitialize(count: 1)
        stream.deallocate()
    }

    /// One that is ready for a record; nil if zlib has no memory.
    /// - Parameter bytes: the size of the record.
    static func take(level: Int32, bytes: Int) -> Compressor? {
        let isSmall = bytes <= smallBytes
        let waiting = pool.withLock { pool in
            pool.lastIndex { $0.level == level && $0.isSmall == isSmall }.map { pool.remove(at: $0) }
        }
        return waiting ?? Compressor(level: level, isSmall: isSmall)
    }

    static func giveBack(_ compressor: Compressor) {
        guard deflateReset(compressor.stream) == Z_OK else { return }
        pool.withLock { pool in
            if pool.count < maximumCount { pool.append(compressor) }
        }
    }
}
