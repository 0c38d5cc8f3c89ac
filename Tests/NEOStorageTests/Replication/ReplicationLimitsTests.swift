import NEODatabase
import NEOEngine
import NEOProtocol
import NIOCore
import Testing

@testable import NEOStorage

/// How much is asked for at a time, and how long a source that failed is left alone.
@Suite struct ReplicationLimitsTests {
    private func next(after length: Int, rows: Int, bytes: Int) -> Int {
        let bounds = ReplicationChunkBounds.objects(from: .zero, oid: .zero)
        var fetch = ReplicationFetch(
            0,
            ConnectionID(.outgoing, 1),
            1,
            bounds,
            length: length,
            lastKnown: nil,
            now: Instant(nanoseconds: 0)
        )
        for number in 0..<rows {
            let data = ByteBuffer(repeating: 0, count: bytes)
            let stored = StoredData(compression: 0, checksum: .zero, data: data)
            fetch.add(ReplicatedObject(oid: OID(UInt64(number)), tid: TID(1), data: stored, dataTID: nil))
        }
        return fetch.nextLength(ReplicationOptions())
    }

    @Test("§10.17: the number of rows follows their size, so that a chunk is of some 4 MiB at most")
    func lengthOfChunks() {
        // Nothing came: what is here is the same.
        #expect(next(after: 16, rows: 0, bytes: 0) == 32)
        #expect(next(after: 900, rows: 0, bytes: 0) == 1000)
        // Small rows.
        #expect(next(after: 16, rows: 16, bytes: 100) == 64)
        #expect(next(after: 1000, rows: 1000, bytes: 100) == 1000)
        // 1 MiB each, then 16 MiB each.
        #expect(next(after: 16, rows: 16, bytes: 1 << 20) == 4)
        #expect(next(after: 4, rows: 1, bytes: 1 << 24) == 1)
    }

    /// The source may be of a kind that looks at its own rows alone.
    @Test("§10.1: a chunk ends with the last row that the source was told of, if there are more behind")
    func ends() {
        func end(_ bounds: ReplicationChunkBounds, _ lastKnown: (UInt64, UInt64)?, _ announced: (UInt64, UInt64)?)
            -> String
        {
            let key = { (key: (UInt64, UInt64)) in ObjectRecordID(tid: TID(key.0), oid: OID(key.1)) }
            let fetch = ReplicationFetch(
                0,
                ConnectionID(.outgoing, 1),
                1,
                bounds,
                length: 2,
                lastKnown: lastKnown.map(key),
                now: Instant(nanoseconds: 0)
            )
            return fetch.end(announced.map(key), through: TID(50)).map { "\($0.tid.rawValue) \($0.oid.rawValue)" }
                ?? "end"
        }
        let objects = ReplicationChunkBounds.objects(from: .zero, oid: .zero)
        let transactions = ReplicationChunkBounds.transactions(from: .zero, isFirst: true)
        #expect(end(objects, nil, nil) == "end")
        #expect(end(objects, nil, (30, 4)) == "30 4")
        #expect(end(objects, (20, 3), nil) == "20 4")
        #expect(end(objects, (20, 3), (30, 4)) == "20 4")
        #expect(end(objects, (20, 3), (10, 9)) == "10 9")
        #expect(end(transactions, (20, 0), nil) == "21 0")
        #expect(end(transactions, (20, 0), (40, 0)) == "21 0")
        #expect(end(transactions, (20, 0), (10, 0)) == "10 0")
        // Behind it nothing is wanted.
        #expect(end(transactions, (50, 0), nil) == "end")
        #expect(end(transactions, (50, 0), (10, 0)) == "10 0")
    }

    @Test("§10.6: a source that fails is left alone for a second, then for longer, up to half a minute")
    func penalties() {
        var penalties = SourcePenalties()
        let (one, other) = (NID(.storage, 1), NID(.storage, 2))
        var now = Instant(nanoseconds: 0)
        #expect(penalties.delay(one, 0, now: now) == 0)
        var delays: [UInt64] = []
        for _ in 0..<7 {
            penalties.add(one, 0, now: now)
            delays.append(penalties.delay(one, 0, now: now))
            now = Instant(nanoseconds: now.nanoseconds + delays[delays.count - 1] * 1_000_000)
            #expect(penalties.delay(one, 0, now: now) == 0)
        }
        #expect(delays == [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000])
        // A refusal is about the partition; a connection that fails, about all of them.
        penalties.add(one, 0, now: now)
        #expect(penalties.delay(one, 1, now: now) == 0 && penalties.delay(other, 0, now: now) == 0)
        penalties.add(other, nil, now: now)
        #expect(penalties.delay(other, 1, now: now) == 1000)
        penalties.remove(one, 0)
        #expect(penalties.delay(one, 0, now: now) == 0)
    }
}
