import NEODatabase
import NEOEngine
import NEOProtocol
import NIOCore
import Testing

@testable import NEOStorage

/// Comparison of cells (`spec/replication.md §8`, scenarios C of §11).
@Suite struct CheckTests {
    static let rows: [(tid: UInt64, oids: [UInt64])] = [(0x10, [1, 2]), (0x20, [1]), (0x30, [2, 3])]

    /// Storages with all the rows, but for those whose rows are given.
    static func cluster(_ table: String, _ others: [Int: [(tid: UInt64, oids: [UInt64])]]) throws -> StorageCluster {
        let databases = try (1...table.count).map { try history(1, others[$0] ?? rows) }
        var cluster = try StorageCluster(databases, [table])
        try cluster.start()
        _ = cluster.takeTrace()
        return cluster
    }

    static func order(_ cluster: StorageCluster, from min: UInt64 = 0, reference: Int? = nil) -> Packet {
        let source = ReplicationSource(cluster: "", address: reference.map { cluster.hosts[$0 - 1].address })
        return CheckPartition(partition: 0, source: source, min: TID(min), max: TID(0x30)).packet
    }

    @Test func equalCells() throws {
        var cluster = try Self.cluster("UUU", [:])
        try cluster.tell(Self.order(cluster), to: 3)
        try cluster.run()
        #expect(cluster.takeTrace().isEmpty)
        #expect(cluster.hosts[2].logs.contains("partition 0 is checked"))
        #expect(cluster.hosts[2].core.currentCheck == nil)
    }

    @Test("C1: a missing record is found in the range that is checked, and only there")
    func missingRecord() throws {
        var cluster = try Self.cluster("UU", [1: [(0x10, [1]), (0x20, [1]), (0x30, [2, 3])]])
        try cluster.tell(Self.order(cluster, from: 0x11), to: 2)
        try cluster.run()
        #expect(cluster.takeTrace().isEmpty)
        // Nobody knows who is right.
        try cluster.tell(Self.order(cluster), to: 2)
        try cluster.run()
        #expect(cluster.takeTrace() == ["S2 NotifyPartitionCorrupted 0 S1 S2"])
        // The reference is.
        for reference in [1, 2] {
            try cluster.tell(Self.order(cluster, reference: reference), to: 2)
            try cluster.run()
            #expect(cluster.takeTrace() == ["S2 NotifyPartitionCorrupted 0 S\(3 - reference)"])
        }
    }

    @Test("§10.24: without a reference the minority is accused, and the others are compared to the end")
    func majority() throws {
        let wrong: [(tid: UInt64, oids: [UInt64])] = [(0x20, [1]), (0x30, [2, 3])]
        let alsoWrong: [(tid: UInt64, oids: [UInt64])] = [(0x10, [1, 2]), (0x20, [1]), (0x30, [2])]
        var cluster = try Self.cluster("UUUU", [1: wrong, 3: alsoWrong])
        try cluster.tell(Self.order(cluster), to: 3)
        try cluster.run()
        #expect(
            cluster.takeTrace() == ["S3 NotifyPartitionCorrupted 0 S1", "S3 NotifyPartitionCorrupted 0 S3"]
        )
    }

    @Test("C2: a peer that is lost is left out; without the reference the check is abandoned, and the next one is done")
    func lostPeer() throws {
        var cluster = try Self.cluster("UUU", [:])
        cluster.unreachable = [1]
        try cluster.tell(Self.order(cluster), to: 3)
        try cluster.run()
        #expect(cluster.hosts[2].logs.contains("partition 0 is checked"))
        try cluster.tell(Self.order(cluster, reference: 1), to: 3)
        try cluster.run()
        #expect(cluster.hosts[2].logs.contains { $0.contains("partition 0 is abandoned") })
        cluster.unreachable = []
        try cluster.tell(Self.order(cluster, reference: 1), to: 3)
        try cluster.run()
        #expect(cluster.hosts[2].logs.filter { $0 == "partition 0 is checked" }.count == 2)
        #expect(cluster.takeTrace().isEmpty)
    }

    @Test("C2: a peer that is lost after it was asked is left out, and nobody is accused")
    func peerLostDuringACheck() throws {
        var cluster = try Self.cluster("UUU", [:])
        var isLost = false
        // The first answer, of S1, never arrives.
        cluster.isStalled = { packet in
            guard case .answerCheckTIDRange = packet, !isLost else { return false }
            isLost = true
            return true
        }
        try cluster.tell(Self.order(cluster), to: 3)
        try cluster.run()
        #expect(cluster.hosts[2].core.currentCheck != nil)
        try cluster.disconnect(1, 3)
        try cluster.run()
        #expect(cluster.hosts[2].logs.contains("partition 0 is checked"))
        #expect(cluster.hosts[2].logs.contains { $0.hasPrefix("S1 does not take part in the check any more") })
        #expect(cluster.takeTrace().isEmpty)
    }

    @Test("C2: a locked transaction in the range is waited for, here and there")
    func lockedTransaction() throws {
        var cluster = try Self.cluster("UU", [:])
        for storage in [1, 2] {
            let client = try cluster.client(Int32(storage), at: storage)
            _ = try cluster.store(1, on: 0x20, 0x28, at: storage, client)
            try cluster.lock(0x28, at: 0x2a, [1], at: storage, client)
        }
        try cluster.tell(Self.order(cluster), to: 2)
        try cluster.run()
        try cluster.unlock(0x28, at: 2)
        try cluster.run()
        #expect(cluster.hosts[1].core.currentCheck != nil)
        try cluster.unlock(0x28, at: 1)
        try cluster.run()
        #expect(cluster.hosts[1].logs.contains("partition 0 is checked"))
        #expect(cluster.takeTrace().isEmpty)
    }

    @Test("Cells that cannot be compared are told in the log")
    func impossible() throws {
        var cluster = try Self.cluster("UU", [:])
        for (partition, address) in [(7, nil), (0, NodeAddress(host: "127.0.0.1", port: 9))]
            as [(PartitionID, NodeAddress?)]
        {
            let source = ReplicationSource(cluster: "", address: address)
            try cluster.tell(CheckPartition(partition: partition, source: source, min: .zero, max: .max).packet, to: 2)
        }
        try cluster.run()
        #expect(cluster.hosts[1].logs.filter { $0.contains("cannot be checked") }.count == 2)
        #expect(cluster.takeTrace().isEmpty)
    }

    @Test("Digests are those of the reference, whatever the slices and the chunks", arguments: [1, 2, 1000])
    func digests(slice: Int) throws {
        let tids: [UInt64] = [0x10, 0x20, 0x30]
        let database = try history(1, Self.rows)
        let reader = try database.makeReader()
        for length in [1, 2, 3, 100] {
            for min in [0, 0x10, 0x11, 0x31] as [UInt64] {
                var digest = CellDigest(AskCheckTIDRange(partition: 0, length: length, min: TID(min), max: .max))
                while try !digest.advance(reader, rows: slice) {}
                let expected = tids.filter { $0 >= min }.prefix(length).map { TID($0) }
                #expect(digest.answer == AnswerCheckTIDRange(expected).packet)

                let ask = AskCheckSerialRange(partition: 0, length: length, min: TID(min), max: .max, minOID: OID(2))
                digest = CellDigest(ask)
                while try !digest.advance(reader, rows: slice) {}
                let records = Self.rows.flatMap { tid, oids in oids.map { (tid: TID(tid), oid: OID($0)) } }
                    .filter { $0.tid > TID(min) || ($0.tid == TID(min) && $0.oid >= OID(2)) }
                #expect(digest.answer == AnswerCheckSerialRange(records.prefix(length)).packet)
            }
        }
    }
}
