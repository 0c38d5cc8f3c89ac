import CZlib
import NIOCore

extension StoredData {
    /// What to store for `record`: the compressed form only if it is strictly smaller.
    public init(record: ByteBuffer, policy: CompressionPolicy) {
        if let level = policy.level, let data = Self.deflate(record, level: level) {
            self.init(compression: 1, checksum: Checksum(of: data), data: data)
        } else {
            self.init(compression: 0, checksum: Checksum(of: record), data: record)
        }
    }

    /// The record of the object. Raw data is returned as it is, without a copy.
    ///
    /// The checksum is not verified: see ``isIntact``.
    /// - Parameter maximumBytes: the longest record accepted: a stream can be a thousand times shorter than what it
    ///   stands for.
    public func record(maximumBytes: Int = 1 << 30) throws(CompressionError) -> ByteBuffer {
        switch compression {
        case 0: return data
        case 1: return try Self.inflate(data, maximumBytes: maximumBytes)
        default: throw CompressionError(.unknownFormat, "expected the flag 0 or 1, got \(compression)")
        }
    }

    /// The zlib stream of `record`, nil if it is not strictly smaller, or if zlib has no memory to work.
    private static func deflate(_ record: ByteBuffer, level: Int32) -> ByteBuffer? {
        let count = record.readableBytes
        guard count > 1, count <= Int(UInt32.max) else { return nil }
        guard let compressor = Compressor.take(level: level, bytes: count) else { return nil }
        defer { Compressor.giveBack(compressor) }
        guard count < sampledBytes || record.withUnsafeReadableBytes(compressor.stream.shrinksSamples(of:)) else {
            return nil
        }
        // There is no room for a stream that would not be used: zlib stops as soon as it is too long.
        var output = ByteBufferAllocator().buffer(capacity: count - 1)
        let isSmaller = record.withUnsafeReadableBytes { input in
            var isSmaller = false
            output.writeWithUnsafeMutableBytes(minimumWritableBytes: count - 1) { room in
                let room = UnsafeMutableRawBufferPointer(rebasing: room.prefix(count - 1))
                isSmaller = compressor.stream.deflateAll(input, into: room)
                return room.count - Int(compressor.stream.pointee.avail_out)
            }
            return isSmaller
        }
        return isSmaller ? output : nil
    }

    /// From this size on, samples are compressed before the record is: zlib takes 25 ms to find out that 1 MiB of an
    /// image cannot be shortened. Blobs are chunks of that size.
    private static let sampledBytes = 128 << 10

    private static func inflate(
        _ data: ByteBuffer,
        maximumBytes: Int
    ) throws(CompressionError) -> ByteBuffer {
        guard data.readableBytes <= Int(UInt32.max) else {
            throw CompressionError(.corrupted, "a zlib stream of \(data.readableBytes) bytes")
        }
        let result: Result<ByteBuffer, CompressionError> = withUnsafeTemporaryAllocation(
            of: z_stream.self,
            capacity: 1
        ) { allocation in
            allocation.initialize(repeating: z_stream())
            let stream = allocation.baseAddress.unsafelyUnwrapped
            guard inflateInit_(stream, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
                return .failure(CompressionError(.unavailable, "inflateInit failed"))
            }
            defer { inflateEnd(stream) }
            return data.withUnsafeReadableBytes { input in
                stream.setInput(input)
                return stream.inflateAll(maximumBytes: maximumBytes)
            }
        }
        return try result.get()
    }
}

extension UnsafeMutablePointer<z_stream> {
    /// Whether one of a few samples, spread over a long record, becomes shorter by a 32nd at least.
    fileprivate func shrinksSamples(of record: UnsafeRawBufferPointer) -> Bool {
        // Half of the window of zlib: what repeats at that distance is seen.
        let length = 16 << 10
        let samples = Swift.max(2, record.count >> 18)
        return withUnsafeTemporaryAllocation(byteCount: length - length / 32, alignment: 1) { room in
            for sample in 0..<samples {
                let start = (record.count - length) / samples * sample + (record.count - length) / (2 * samples)
                let input = UnsafeRawBufferPointer(rebasing: record[start..<start + length])
                let isSmaller = deflateAll(input, into: room)
                guard deflateReset(self) == Z_OK else { return false }
                if isSmaller { return true }
            }
            return false
        }
    }

    /// Whether the whole of `input` fits in `output` as a stream.
    fileprivate func deflateAll(_ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) -> Bool {
        setInput(input)
        setOutput(output)
        return deflate(self, Z_FINISH) == Z_STREAM_END
    }

    fileprivate func setInput(_ bytes: UnsafeRawBufferPointer) {
        // zlib declares its input as mutable, and does not change it.
        pointee.next_in = UnsafeMutablePointer<UInt8>(mutating: bytes.bindMemory(to: UInt8.self).baseAddress)
        pointee.avail_in = UInt32(bytes.count)
    }

    fileprivate func setOutput(_ bytes: UnsafeMutableRawBufferPointer) {
        pointee.next_out = bytes.bindMemory(to: UInt8.self).baseAddress
        pointee.avail_out = UInt32(bytes.count)
    }

    /// Reads the stream to its end. As the reference does, bytes after the end are ignored.
    fileprivate func inflateAll(maximumBytes: Int) -> Result<ByteBuffer, CompressionError> {
        // One byte more than allowed tells a record that is too long from one that just fits.
        let limit = Swift.max(0, maximumBytes) + 1
        var output = ByteBufferAllocator().buffer(capacity: Swift.min(limit, Int(pointee.avail_in) * 4 + 64))
        while true {
            // The buffer doubles; a part is short enough for the 32-bit counts of zlib.
            let room = Swift.min(
                limit - output.readableBytes,
                Swift.max(output.writableBytes, output.readableBytes, 64),
                1 << 30
            )
            var code = Z_OK
            output.writeWithUnsafeMutableBytes(minimumWritableBytes: room) { bytes in
                setOutput(UnsafeMutableRawBufferPointer(rebasing: bytes.prefix(room)))
                code = inflate(self, Z_NO_FLUSH)
                return room - Int(pointee.avail_out)
            }
            guard output.readableBytes < limit else {
                return .failure(CompressionError(.tooLong, "a record of more than \(maximumBytes) bytes"))
            }
            switch code {
            case Z_STREAM_END: return .success(output)
            case Z_OK where pointee.avail_out == 0: continue
            case Z_OK, Z_BUF_ERROR:
                return .failure(CompressionError(.corrupted, "the zlib stream is truncated"))
            default:
                let reason = pointee.msg.map { String(cString: $0) } ?? "code \(code)"
                return .failure(CompressionError(.corrupted, "expected a zlib stream: \(reason)"))
            }
        }
    }
}
