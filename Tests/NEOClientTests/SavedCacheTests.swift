import NEOEngine
import NEOProtocol
import NEOTransport
import NIOCore
import Testing

@testable import NEOClient

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The record cache that outlives its process: the file, and what of it is used again.
@Suite struct SavedCacheTests {
    private func data(_ text: String) -> ByteBuffer { ByteBuffer(string: text) }

    private func entry(_ oid: UInt64, _ text: String, _ serial: UInt64, next: UInt64? = nil) -> SavedCache.Entry {
        let record = Record(data: data(text), serial: TID(serial), next: next.map { TID($0) })
        return SavedCache.Entry(oid: OID(oid), record: record, useCount: 1)
    }

    // MARK: The cache

    @Test func theRankOfRecordsIsKept() {
        var cache = RecordCache(maximumBytes: 1 << 20)
        for oid in UInt64(1)...9 { cache.store(OID(oid), data("record \(oid)"), serial: TID(5), next: nil) }
        for (oid, count) in [(UInt64(3), 10), (7, 5), (4, 2)] {
            for _ in 0..<count { _ = cache.load(OID(oid), .current) }
        }
        let saved = cache.saved
        #expect(saved.prefix(3).map(\.oid) == [OID(3), OID(7), OID(4)])
        #expect(saved.count == 9)

        // With room for three, those three.
        var smaller = RecordCache(maximumBytes: 3 * (128 + 8) + 8)
        for entry in saved.reversed() { smaller.restore(entry) }
        #expect(smaller.saved.map(\.oid) == [OID(3), OID(7), OID(4)])
        #expect(smaller.addedBytes == 0)
        var same = RecordCache(maximumBytes: 1 << 20)
        for entry in saved.reversed() { same.restore(entry) }
        #expect(same.saved.map(\.oid) == saved.map(\.oid))
        #expect(same.saved.map(\.useCount) == saved.map(\.useCount))
    }

    // MARK: The file

    private func withPath(_ body: (String) throws -> Void) rethrows {
        let path = "/tmp/neo-cache-\(UInt64.random(in: 0...UInt64.max))"
        defer { unlink(path) }
        try body(path)
    }

    private func bytes(of path: String) throws -> [UInt8] {
        let file = try #require(fopen(path, "r"))
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = fread(&bytes, 1, bytes.count, file)
        return Array(bytes.prefix(count))
    }

    private func write(_ bytes: [UInt8], to path: String) throws {
        let file = try #require(fopen(path, "w"))
        defer { fclose(file) }
        #expect(fwrite(bytes, 1, bytes.count, file) == bytes.count)
    }

    private func read(_ path: String, cluster: String = "test") throws -> SavedCache? {
        try CacheFile.read(path, cluster: cluster, maximumBytes: .max)
    }

    @Test func aFileComesBack() throws {
        let large = SavedCache.Entry(
            oid: OID(9),
            record: Record(data: ByteBuffer(repeating: 7, count: 3 << 20), serial: TID(4), next: nil),
            useCount: 70_000
        )
        let cache = SavedCache(
            tid: TID(50),
            entries: [entry(1, "one", 50), large, entry(2, "", 3, next: 50), entry(2, "two", 50)]
        )
        try withPath { path in
            #expect(try read(path) == nil)
            for _ in 0..<2 {
                try CacheFile.write(cache, cluster: "test", to: path)
                let found = try #require(try read(path))
                #expect(found.tid == TID(50))
                #expect(found.entries.map(\.oid) == cache.entries.map(\.oid))
                #expect(found.entries.map(\.record) == cache.entries.map(\.record))
                #expect(found.entries.map(\.useCount) == [1, 70_000, 1, 1])
            }
            #expect(throws: CacheFile.Failure("it is of the cluster test")) { try read(path, cluster: "other") }
            // As much as has room, and never what does not fit at all.
            let small = try #require(try CacheFile.read(path, cluster: "test", maximumBytes: 1000))
            #expect(!small.entries.isEmpty)
            #expect(small.entries.allSatisfy { $0.record.data.readableBytes < 3 << 20 } || small.entries.count <= 2)
        }
    }

    @Test func aFileThatIsCutOrChangedIsRefused() throws {
        let cache = SavedCache(tid: TID(50), entries: [entry(1, "one", 50), entry(2, "two", 3, next: 50)])
        try withPath { path in
            try CacheFile.write(cache, cluster: "test", to: path)
            let whole = try bytes(of: path)
            for count in 0..<whole.count {
                try write(Array(whole.prefix(count)), to: path)
                #expect(throws: CacheFile.Failure.self) { try read(path) }
            }
            for index in whole.indices {
                var changed = whole
                changed[index] ^= 0x81
                try write(changed, to: path)
                #expect(throws: CacheFile.Failure.self) { try read(path) }
            }
            try write(whole, to: path)
            #expect(try read(path)?.entries.count == 2)
        }
    }

    // MARK: The check

    private func tidsFrom(_ packet: Packet) -> AskTIDsFrom? {
        if case .askTIDsFrom(let request) = packet { request } else { nil }
    }
    private func information(_ packet: Packet) -> AskTransactionInformation? {
        if case .askTransactionInformation(let request) = packet { request } else { nil }
    }

    /// A client that is connected, and knows what an earlier process left at transaction 90.
    private func connected(_ entries: [SavedCache.Entry], tid: UInt64 = 90, last: UInt64 = 100) -> ScriptedCluster {
        var cluster = ScriptedCluster()
        cluster.core.restore(SavedCache(tid: TID(tid), entries: entries))
        cluster.lastTID = last
        _ = cluster.call { core, operation, context in core.lastTransaction(operation, &context) }
        cluster.connectAll()
        return cluster
    }

    private func answer(_ cluster: inout ScriptedCluster, tids: [UInt64]) throws {
        let (sent, request) = try cluster.require(tidsFrom)
        #expect(request.min == TID(90) && request.max == TID(cluster.lastTID))
        cluster.answer(sent, AnswerTIDsFrom(tids: tids.map { TID($0) }))
    }

    private func answer(_ cluster: inout ScriptedCluster, _ changes: [UInt64: [UInt64]]) throws {
        for (sent, request) in cluster.takeAll(information) {
            let oids = try #require(changes[request.tid.rawValue]).map { OID($0) }
            cluster.answer(
                sent,
                AnswerTransactionInformation(
                    tid: request.tid,
                    user: ByteBuffer(),
                    description: ByteBuffer(),
                    extensionData: ByteBuffer(),
                    packed: false,
                    oids: oids
                )
            )
        }
    }

    private let saved: [UInt64] = [1, 2, 3, 4]
    private var entries: [SavedCache.Entry] {
        saved.map { entry($0, "record \($0)", 80) } + [entry(1, "old", 70, next: 80)]
    }

    private func known(_ cluster: inout ScriptedCluster) -> [UInt64] {
        saved.filter { cluster.core.cachedRecord(OID($0), .current) != nil }
    }

    @Test func nothingHappenedMeanwhile() {
        var cluster = connected(entries, last: 90)
        #expect(cluster.take(tidsFrom) == nil)
        #expect(known(&cluster) == saved)
        #expect(cluster.core.cachedRecord(OID(1), .before(TID(80)))?.data == data("old"))
    }

    @Test func whatChangedIsLeftOut() throws {
        var cluster = connected(entries)
        #expect(known(&cluster) == [])
        // What is not known is asked as ever.
        try answer(&cluster, tids: [90, 95, 100])
        try answer(&cluster, [95: [2, 17], 100: [4]])
        #expect(known(&cluster) == [1, 3])
        #expect(cluster.core.cachedRecord(OID(1), .before(TID(80)))?.data == data("old"))
        #expect(cluster.core.cachedRecord(OID(2), .before(TID(90))) == nil)
    }

    @Test func aDatabaseWithoutTheLastTransactionIsAnotherOne() throws {
        var cluster = connected(entries)
        try answer(&cluster, tids: [95, 100])
        #expect(cluster.take(information) == nil)
        #expect(known(&cluster) == [])
        var truncated = connected(entries, last: 85)
        #expect(truncated.take(tidsFrom) == nil)
        #expect(known(&truncated) == [])
        #expect(truncated.core.cacheToSave == nil)
    }

    @Test func tooManyTransactionsAreNotLookedAt() throws {
        var cluster = connected(entries, last: 30_000)
        let (sent, request) = try cluster.require(tidsFrom)
        cluster.answer(sent, AnswerTIDsFrom(tids: (0..<UInt64(request.length)).map { TID(90 + $0) }))
        #expect(cluster.take(information) == nil)
        #expect(known(&cluster) == [])
    }

    @Test func whatChangesDuringTheCheckIsLeftOut() throws {
        var cluster = connected(entries)
        try answer(&cluster, tids: [90, 95])
        cluster.notify(cluster.masterConnection, InvalidateObjects(tid: TID(101), oids: [OID(3)]))
        try answer(&cluster, [95: [2]])
        #expect(known(&cluster) == [1, 4])
    }

    @Test func theCheckBeginsAgainWithAnotherMaster() throws {
        var cluster = connected(entries)
        try answer(&cluster, tids: [90, 95])
        let late = cluster.takeAll(information)
        #expect(late.count == 1)
        // Nothing unchecked is written over the file.
        #expect(cluster.core.cacheToSave == nil)
        cluster.lose(cluster.masterConnection)
        cluster.lastTID = 110
        _ = cluster.call { core, operation, context in core.sync(operation, &context) }
        cluster.connectAll()
        cluster.sent.removeAll { information($0.frame.packet) != nil }
        try answer(&cluster, tids: [90, 95, 110])
        #expect(known(&cluster) == [])
        try answer(&cluster, [95: [2], 110: [3]])
        #expect(known(&cluster) == [1, 4])
        #expect(cluster.core.cacheToSave?.tid == TID(110))
    }
}
