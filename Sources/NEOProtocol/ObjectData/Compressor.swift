import CZlib
import Synchronization

/// The state of zlib for the compression of one record at a time: a quarter of a megabyte that is used again, since the
/// system takes longer to give such memory than zlib to compress a small record.
///
/// `@unchecked Sendable`: whoever took it from the pool has it alone.
final class Compressor: @unchecked Sendable {
    /// How many may wait to be used again.
    private static let maximumCount = 8
    private static let pool = Mutex<[Compressor]>([])

    let level: Int32
    let stream: UnsafeMutablePointer<z_stream>

    private init?(level: Int32) {
        self.level = level
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        guard deflateInit_(stream, level, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            return nil
        }
    }

    deinit {
        // Of no effect if it could not be initialised.
        deflateEnd(stream)
        stream.deinitialize(count: 1)
        stream.deallocate()
    }

    /// One that is ready for a record; nil if zlib has no memory.
    static func take(level: Int32) -> Compressor? {
        let waiting = pool.withLock { pool in
            pool.lastIndex { $0.level == level }.map { pool.remove(at: $0) }
        }
        return waiting ?? Compressor(level: level)
    }

    static func giveBack(_ compressor: Compressor) {
        guard deflateReset(compressor.stream) == Z_OK else { return }
        pool.withLock { pool in
            if pool.count < maximumCount { pool.append(compressor) }
        }
    }
}
