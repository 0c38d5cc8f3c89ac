import NEOProtocol
import NEOTransport
import NIOCore

/// The file that keeps the record cache of a client while no process has it (``ClientConfiguration/cacheFile``).
///
/// ```
///   header   "NEOcache", version, id of the file, TID, name of the cluster, SHA-1 of all that
///   block *  length (not 0), entries, SHA-1 of the id, the number of the block and the entries
///   end      length 0, SHA-1 of the id and the number of blocks
///   entry    OID, serial, next or 2^64-1, use count (4 bytes), length (4 bytes), record
/// ```
///
/// It is replaced as a whole, so that a reader has the old one or the new one, whoever reads or writes and whatever crashes;
/// the id, drawn for each file, keeps blocks of two files from being taken for one. What does not match is not used.
enum CacheFile {
    typealias Failure = ReplaceableFile.Failure

    private static let magic: [UInt8] = Array("NEOcache".utf8)
    private static let version: UInt32 = 1
    /// A block ends with the entry that fills so much.
    private static let blockBytes = 1 << 20
    private static let entryHeaderBytes = 32
    private static let checksumBytes = 20

    // MARK: Writing

    /// Replaces the file, for a cluster of this name.
    static func write(_ cache: SavedCache, cluster: String, to path: String) throws(Failure) {
        let file = try ReplaceableFile(writing: path + ".new")
        let id = UInt64.random(in: 0...UInt64.max)
        var header = ByteBuffer(bytes: magic)
        header.writeInteger(version)
        header.writeInteger(id)
        header.writeInteger(cache.tid.rawValue)
        header.writeInteger(UInt32(cluster.utf8.count))
        header.writeString(cluster)
        header.writeImmutableBuffer(Checksum(of: header).bytes)
        try file.write(header)
        var number: UInt64 = 0
        var block = emptyBlock(id, number)
        for entry in cache.entries {
            let record = entry.record
            guard let length = UInt32(exactly: record.data.readableBytes), length < UInt32.max / 2 else { continue }
            block.writeMultipleIntegers(
                entry.oid.rawValue,
                record.serial.rawValue,
                record.next?.rawValue ?? .max,
                UInt32(clamping: entry.useCount),
                length
            )
            block.writeImmutableBuffer(record.data)
            guard block.readableBytes >= blockBytes else { continue }
            try write(block, to: file)
            number += 1
            block = emptyBlock(id, number)
        }
        if block.readableBytes > prefixBytes {
            try write(block, to: file)
            block = emptyBlock(id, number + 1)
        }
        try write(block, to: file)
        try file.replace(path)
    }

    /// The bytes of a block that its checksum covers and the file does not have: the id of the file, its number.
    private static let prefixBytes = 16

    private static func emptyBlock(_ id: UInt64, _ number: UInt64) -> ByteBuffer {
        var block = ByteBuffer()
        block.reserveCapacity(blockBytes + 1 << 16)
        block.writeMultipleIntegers(id, number)
        return block
    }

    private static func write(_ block: ByteBuffer, to file: ReplaceableFile) throws(Failure) {
        var content = block
        content.moveReaderIndex(forwardBy: prefixBytes)
        try file.write(ByteBuffer(integer: UInt32(content.readableBytes)))
        try file.write(content)
        try file.write(Checksum(of: block).bytes)
    }

    // MARK: Reading

    /// What the file of a cluster has, the most useful records first, as much as fits in a cache of `maximumBytes`; nil:
    /// there is no file.
    static func read(_ path: String, cluster: String, maximumBytes: Int) throws(Failure) -> SavedCache? {
        guard let file = try ReplaceableFile(reading: path) else { return nil }
        let damaged = Failure("it is not a cache file of this version, or damaged")
        var header = try file.read(magic.count + 24)
        guard header.readBytes(length: magic.count) == magic, header.readInteger(as: UInt32.self) == version,
            let (id, tid, length) = header.readMultipleIntegers(as: (UInt64, UInt64, UInt32).self), length < 1 << 16
        else { throw damaged }
        var signed = try file.read(Int(length))
        let name = String(buffer: signed)
        header.moveReaderIndex(to: 0)
        header.writeBuffer(&signed)
        guard try file.read(checksumBytes) == Checksum(of: header).bytes else { throw damaged }
        guard name == cluster else { throw Failure("it is of the cluster \(name)") }

        var cache = SavedCache(tid: TID(tid), entries: [])
        var bytes = 0
        var number: UInt64 = 0
        while bytes < maximumBytes {
            guard let length = try file.read(4).getInteger(at: 0, as: UInt32.self).map(Int.init),
                length + checksumBytes <= file.remainingBytes
            else { throw damaged }
            if length - blockBytes > maximumBytes {
                // A record that has no room here.
                try file.skip(length + checksumBytes)
                number += 1
                continue
            }
            var block = ByteBuffer()
            block.writeMultipleIntegers(id, number)
            var content = try file.read(length)
            block.writeImmutableBuffer(content)
            guard try file.read(checksumBytes) == Checksum(of: block).bytes else { throw damaged }
            if length == 0 { break }
            while content.readableBytes > 0 {
                guard let entry = entry(from: &content, upTo: cache.tid) else { throw damaged }
                bytes += entry.record.data.readableBytes + RecordCache.entryBytes
                cache.entries.append(entry)
            }
            number += 1
        }
        return cache
    }

    private static func entry(from block: inout ByteBuffer, upTo tid: TID) -> SavedCache.Entry? {
        guard let (oid, serial, next) = block.readMultipleIntegers(as: (UInt64, UInt64, UInt64).self),
            let (useCount, length) = block.readMultipleIntegers(as: (UInt32, UInt32).self),
            let data = block.readSlice(length: Int(length))
        else { return nil }
        let following = next == .max ? nil : TID(next)
        guard TID(serial) <= tid, following.map({ $0 > TID(serial) && $0 <= tid }) ?? true else { return nil }
        let record = Record(data: data, serial: TID(serial), next: following)
        return SavedCache.Entry(oid: OID(oid), record: record, useCount: Int(useCount))
    }
}
