import NEOClient
import NEOEngine
import NEOProtocol
import NIOCore
import Testing

@Suite struct RecordCacheTests {
    private func data(_ text: String) -> ByteBuffer { ByteBuffer(string: text) }

    @Test func boundsOfARevision() {
        var cache = RecordCache(maximumBytes: 10_000)
        cache.store(OID(1), data("a"), serial: TID(10), next: TID(20))
        cache.store(OID(1), data("b"), serial: TID(20), next: nil)
        let found13 = cache.load(OID(1), .before(TID(10)))
        #expect(found13 == nil)
        let found15 = cache.load(OID(1), .before(TID(11)))
        #expect(found15?.data == data("a"))
        let found17 = cache.load(OID(1), .before(TID(20)))
        #expect(found17?.next == TID(20))
        let found19 = cache.load(OID(1), .before(TID(21)))
        #expect(found19?.data == data("b"))
        let found21 = cache.load(OID(1), .before(.max))
        #expect(found21?.data == data("b"))
        let found23 = cache.load(OID(1), .current)
        #expect(found23?.serial == TID(20))
        let found25 = cache.load(OID(1), .at(TID(10)))
        #expect(found25?.data == data("a"))
        let found27 = cache.load(OID(1), .at(TID(11)))
        #expect(found27 == nil)
        cache.invalidate(OID(1), TID(30))
        let found30 = cache.load(OID(1), .current)
        #expect(found30 == nil)
        let found32 = cache.load(OID(1), .before(TID(30)))
        #expect(found32?.next == TID(30))
        let found34 = cache.load(OID(1), .before(TID(31)))
        #expect(found34 == nil)
    }

    /// A slice of a received chunk must not keep the chunk.
    @Test func keepsNoMoreThanTheRecord() throws {
        var cache = RecordCache(maximumBytes: 10_000)
        let chunk = ByteBuffer(repeating: 1, count: 1 << 16)
        let slice = try #require(chunk.getSlice(at: 0, length: 100))
        cache.store(OID(1), slice, serial: TID(10), next: nil)
        let found = cache.load(OID(1), .current)
        let record = try #require(found)
        #expect(record.data.readableBytes == 100)
        #expect(record.data.storageCapacity < 1024)
    }

    @Test func nothingInACacheOfSizeZero() {
        var cache = RecordCache(maximumBytes: 0)
        cache.store(OID(1), data(""), serial: TID(1), next: nil)
        let found41 = cache.load(OID(1), .current)
        #expect(found41 == nil)
        #expect(cache.bytes == 0 && cache.count == 0)
    }

    @Test func frequentRecordsStay() {
        var cache = RecordCache(maximumBytes: 10 * 256)
        cache.store(OID(0), ByteBuffer(repeating: 0, count: 100), serial: TID(1), next: nil)
        for _ in 0..<4 { _ = cache.load(OID(0), .current) }
        for number in 1...100 {
            cache.store(OID(UInt64(number)), ByteBuffer(repeating: 0, count: 100), serial: TID(1), next: nil)
            #expect(cache.bytes <= 10 * 256)
        }
        let found54 = cache.load(OID(0), .current)
        #expect(found54 != nil)
        let found56 = cache.load(OID(1), .current)
        #expect(found56 == nil)
    }

    /// Random histories: whatever was stored, invalidated, dropped and evicted, a record that the cache gives is the one
    /// that a database would give.
    @Test(arguments: 0..<20) func neverAStaleRevision(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var cache = RecordCache(
            maximumBytes: Int.random(in: 300...4000, using: &random),
            lifeTime: Int.random(in: 5...50, using: &random),
            maximumHistoryCount: Int.random(in: 0...10, using: &random)
        )
        var revisions: [[UInt64]] = Array(repeating: [1], count: 8)
        var last: UInt64 = 1
        for _ in 0..<2000 {
            let number = Int.random(in: 0..<8, using: &random)
            let oid = OID(UInt64(number))
            switch Int.random(in: 0..<20, using: &random) {
            case 0..<3:
                last += UInt64.random(in: 1...3, using: &random)
                revisions[number].append(last)
                cache.invalidate(oid, TID(last))
                if Bool.random(using: &random) { cache.store(oid, content(number, last), serial: TID(last), next: nil) }
            case 3: if Int.random(in: 0..<20, using: &random) == 0 { cache.dropCurrent() }
            case 4..<8:
                let known = revisions[number]
                let index = Int.random(in: known.indices, using: &random)
                let next = index + 1 < known.count ? TID(known[index + 1]) : nil
                cache.store(oid, content(number, known[index]), serial: TID(known[index]), next: next)
            default:
                let before = UInt64.random(in: 1...last + 2, using: &random)
                guard let record = cache.load(oid, .before(TID(before))) else { continue }
                let expected = revisions[number].last { $0 < before }
                #expect(record.serial.rawValue == expected)
                #expect(record.data == content(number, record.serial.rawValue))
                let next = revisions[number].first { $0 > record.serial.rawValue }
                #expect(record.next.map(\.rawValue) == next)
            }
            #expect(cache.bytes <= cache.maximumBytes)
        }
    }

    private func content(_ number: Int, _ tid: UInt64) -> ByteBuffer {
        ByteBuffer(string: String(repeating: "x", count: number * 10) + "\(number):\(tid)")
    }
}
