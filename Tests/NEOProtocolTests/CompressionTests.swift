// The names are those of the golden data.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import NEOProtocol
import NIOCore
import TestVectors
import Testing

@Suite struct CompressionTests {
    struct File: Decodable {
        struct Compression: Decodable {
            var label: String
            var settings: String
            var data_hex: Hex?
            var compression: Int
            var stored_hex: Hex
        }
        struct Decompression: Decodable {
            var label: String
            var compression: Int
            var checksum: Hex
            var stored_hex: Hex
            var data_hex: Hex
        }
        struct Invalid: Decodable {
            var label: String
            var stored_hex: Hex
            var reference_result: String
        }
        var compress: [Compression]
        var decompress: [Decompression]
        var invalid: [Invalid]
    }

    let file: File

    init() throws {
        file = try Vectors.load("compression.json")
    }

    static func policy(_ settings: String) -> CompressionPolicy? {
        if settings.hasPrefix("default") { return .zlib }
        if settings == "compress=False" { return .off }
        return settings.split(separator: "=").last.flatMap { Int($0) }.flatMap(CompressionPolicy.zlib(level:))
    }

    /// The deflate stream depends on the build of zlib: the flag and the record are compared.
    @Test func recordsAreCompressedAsByTheReference() throws {
        for vector in file.compress {
            let stored = StoredData(compression: vector.compression, checksum: .zero, data: vector.stored_hex.buffer)
            let record = try vector.data_hex?.buffer ?? stored.record()
            let policy = try #require(Self.policy(vector.settings))
            let result = StoredData(record: record, policy: policy)
            #expect(result.compression == vector.compression, "\(vector.label), \(vector.settings)")
            #expect(try result.record() == record, "\(vector.label)")
            #expect(result.compression == 0 || result.data.readableBytes < record.readableBytes)
            #expect(result.isIntact && !result.isNone)
        }
    }

    @Test func everyZlibStreamIsRead() throws {
        for vector in file.decompress {
            let stored = StoredData(
                compression: vector.compression,
                checksum: try #require(Checksum(bytes: vector.checksum.buffer)),
                data: vector.stored_hex.buffer
            )
            #expect(stored.isIntact)
            #expect(try stored.record() == vector.data_hex.buffer, "\(vector.label)")
            // The bound is exact.
            let count = vector.data_hex.bytes.count
            #expect(try stored.record(maximumBytes: count).readableBytes == count)
            if vector.compression == 1, count > 0 {
                let error = #expect(throws: CompressionError.self) { try stored.record(maximumBytes: count - 1) }
                #expect(error?.code == .tooLong)
            }
        }
    }

    @Test func brokenStreamsAreRefused() {
        for vector in file.invalid {
            let stored = StoredData(compression: 1, checksum: .zero, data: vector.stored_hex.buffer)
            if vector.reference_result == "accepted" {
                #expect(throws: Never.self, "\(vector.label)") { try stored.record() }
            } else {
                let error = #expect(throws: CompressionError.self, "\(vector.label)") { try stored.record() }
                #expect(error?.code == .corrupted)
            }
        }
        let unknown = StoredData(compression: 2, checksum: .zero, data: ByteBuffer(bytes: [1]))
        #expect(throws: CompressionError.self) { try unknown.record() }
        #expect(StoredData(compression: 1, checksum: .zero, data: ByteBuffer(bytes: [1])).isIntact == false)
    }

    /// A few kilobytes can stand for gigabytes: memory is only taken up to the bound.
    @Test func aBombIsRefused() {
        let bomb = StoredData(record: ByteBuffer(repeating: 0, count: 32 << 20), policy: .zlib as CompressionPolicy)
        #expect(bomb.data.readableBytes < 64 << 10)
        let error = #expect(throws: CompressionError.self) { try bomb.record(maximumBytes: 1 << 20) }
        #expect(error?.code == .tooLong)
    }

    @Test func largeRecordsComeBack() throws {
        var random = SplitMix(seed: 1)
        for count in [1000, 65_536, 300_000, 5_000_000] {
            let record = ByteBuffer(bytes: (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next() & 0x1f) })
            for policy: CompressionPolicy? in [.zlib, .off, .zlib(level: 1)] {
                let stored = StoredData(record: record, policy: try #require(policy))
                #expect(try stored.record() == record)
            }
        }
        #expect(CompressionPolicy.zlib(level: 0) == nil)
        #expect(CompressionPolicy.zlib(level: 10) == nil)
    }

    /// What cannot be shortened is stored as it is, whatever its length; what can be in one place only is compressed if a
    /// sample meets it.
    @Test(arguments: [100_000, 128 << 10, 1 << 20, 5_000_001])
    func longRecordsAreSampled(count: Int) throws {
        var random = SplitMix(seed: 3)
        var bytes = (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        let image = ByteBuffer(bytes: bytes)
        #expect(StoredData(record: image, policy: .zlib as CompressionPolicy).compression == 0)
        for index in count / 2..<count { bytes[index] = 7 }
        let half = StoredData(record: ByteBuffer(bytes: bytes), policy: .zlib as CompressionPolicy)
        #expect(half.compression == 1 && half.data.readableBytes < count * 11 / 20)
        #expect(try half.record() == ByteBuffer(bytes: bytes))
        // Twice the same, at the distance of half a window.
        for index in 8192..<count { bytes[index] = bytes[index - 8192] }
        #expect(StoredData(record: ByteBuffer(bytes: bytes), policy: .zlib as CompressionPolicy).compression == 1)
    }

    /// Small records have another window: what repeats at its far end is found all the same.
    @Test(arguments: [2, 100, 4095, 4096, 4097, 8192])
    func recordsAroundTheSmallWindowComeBack(count: Int) throws {
        var random = SplitMix(seed: 2)
        let half = (0..<count / 2).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        let record = ByteBuffer(bytes: half + half)
        let stored = StoredData(record: record, policy: .zlib as CompressionPolicy)
        #expect(try stored.record() == record)
        if count >= 100 { #expect(stored.data.readableBytes < count * 2 / 3 + 20) }
        // The state is used again, for another record.
        let other = StoredData(record: ByteBuffer(bytes: half), policy: .zlib as CompressionPolicy)
        #expect(try other.record() == ByteBuffer(bytes: half))
    }

    @Test func noDataIsNotEmptyData() {
        let empty = StoredData(record: ByteBuffer(), policy: .zlib as CompressionPolicy)
        #expect(empty.checksum.description == "da39a3ee5e6b4b0d3255bfef95601890afd80709")
        #expect(!empty.isNone && empty.isIntact && empty.compression == 0)
        #expect(StoredData.none.isNone && StoredData.none.isIntact)
    }
}
