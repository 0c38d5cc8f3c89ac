import NEODatabase
import NEOEngine
import NEOProtocol
import NIOCore
import OrderedCollections
import Testing

@testable import NEOStorage

/// A storage as the source of others (`spec/replication.md §4.9, §4.10, §4.18`), with a peer played by the test.
@Suite struct ServingTests {
    /// S1, with a full cell 0 and an out-of-date cell 1 of 2, and a storage that connected to it.
    struct Source {
        var cluster: StorageCluster
        let peer: ConnectionID

        init(_ database: any StorageDatabase) throws {
            cluster = try StorageCluster([database, ReplicationTests.database()], ["U.", "OU"])
            cluster.unreachable = [2]
            try cluster.start()
            peer = try cluster.hosts[0].accept()
            let request = RequestIdentification(
                type: .storage,
                nid: nil,
                address: nil,
                cluster: "differential",
                idTimestamp: nil,
                extra: Properties()
            )
            try cluster.hosts[0].send(request.packet, on: peer)
            _ = cluster.hosts[0].take(peer)
        }

        mutating func ask(_ packet: Packet) throws -> UInt32 { try cluster.hosts[0].send(packet, on: peer) }

        mutating func slice() throws { try cluster.hosts[0].fire(StorageCore.Timer.serving) }

        mutating func finish() throws {
            try cluster.hosts[0].writeAll()
            while cluster.hosts[0].timers[StorageCore.Timer.serving] != nil {
                try slice()
                try cluster.hosts[0].writeAll()
            }
        }

        mutating func fetchTransactions(_ known: [UInt64] = [], length: Int = 1000, max: UInt64) throws -> UInt32 {
            try ask(
                AskFetchTransactions(
                    partition: 0,
                    length: length,
                    min: .zero,
                    max: TID(max),
                    have: known.map { TID($0) },
                    askPackInfo: true
                ).packet
            )
        }
    }

    @Test("All that belongs to a request has its id")
    func ids() throws {
        var source = try Source(history(2, [(0x10, [0]), (0x20, [0]), (0x30, [2])]))
        let id = try source.fetchTransactions([0x20, 0x22], max: 0x2f)
        try source.finish()
        let received = source.cluster.hosts[0].take(source.peer)
        #expect(received.count == 2)
        for case .frame(let frame) in received { #expect(frame.id == id) }
        guard case .frame(let last)? = received.last else { return }
        let answer = AnswerFetchTransactions(next: nil, deleted: [TID(0x22)], completedPack: .zero)
        #expect(last.packet == answer.packet)
    }

    @Test("A fetch waits for locked transactions below its TID")
    func waits() throws {
        var source = try Source(history(2, [(0x10, [0])]))
        let client = try source.cluster.client(1, at: 1)
        _ = try source.cluster.store(0, on: 0x10, 0x20, at: 1, client)
        try source.cluster.lock(0x20, at: 0x22, [0], at: 1, client)
        _ = try source.fetchTransactions(max: 0x21)
        try source.finish()
        #expect(source.cluster.hosts[0].packets(source.peer).count == 2)
        _ = try source.fetchTransactions(max: 0x22)
        try source.finish()
        #expect(source.cluster.hosts[0].packets(source.peer).isEmpty)
        try source.cluster.unlock(0x20, at: 1)
        try source.finish()
        #expect(source.cluster.hosts[0].packets(source.peer).count == 3)
    }

    @Test("R6: cells that cannot be read are refused, also in the middle of a chunk")
    func refusals() throws {
        var source = try Source(history(2, (1...200).map { (UInt64($0) * 2, [UInt64($0) * 2]) }))
        for partition in [1, 2, -1, 1 << 40] {
            let ask = AskFetchTransactions(
                partition: partition,
                length: 1,
                min: .zero,
                max: .max,
                have: [],
                askPackInfo: false
            )
            _ = try source.ask(ask.packet)
            let error = ErrorPacket(code: .replicationError, message: "partition \(partition) not readable")
            #expect(source.cluster.hosts[0].packets(source.peer) == [error.packet])
        }
        let objects = AskFetchObjects(partition: 0, length: 1000, min: .zero, max: .max, minOID: .zero, have: [:])
        _ = try source.ask(objects.packet)
        try source.slice()
        try source.slice()
        #expect(source.cluster.hosts[0].packets(source.peer).count == 64)
        try source.cluster.change([(0, 1, .discarded)])
        try source.finish()
        #expect(brief(source.cluster.hosts[0].packets(source.peer)) == ["Error REPLICATION_ERROR"])
        #expect(source.cluster.hosts[0].open.contains(source.peer))
    }

    @Test("A peer that does not read is sent 64 KiB and an object, and no more")
    func slowPeer() throws {
        let rows = (1...64).map { (tid: UInt64($0) * 2, oids: [UInt64($0) * 2]) }
        var source = try Source(history(2, rows) { _, _ in ByteBuffer(repeating: 1, count: 40_000) })
        let objects = AskFetchObjects(partition: 0, length: 1000, min: .zero, max: .max, minOID: .zero, have: [:])
        _ = try source.ask(objects.packet)
        while source.cluster.hosts[0].timers[StorageCore.Timer.serving] != nil { try source.slice() }
        #expect(source.cluster.hosts[0].packets(source.peer).count == 2)
        #expect(source.cluster.hosts[0].unwritten == [source.peer])
        try source.cluster.hosts[0].writeAll()
        while source.cluster.hosts[0].timers[StorageCore.Timer.serving] != nil { try source.slice() }
        #expect(source.cluster.hosts[0].packets(source.peer).count == 2)
        try source.finish()
        #expect(source.cluster.hosts[0].packets(source.peer).count == 61)
    }

    @Test("R23: while clients are served, replication rests, but makes its minimum speed")
    func foreground() throws {
        let rows = (1...64).map { (tid: UInt64($0) * 2, oids: [UInt64($0) * 2]) }
        var source = try Source(history(2, rows) { _, _ in ByteBuffer(repeating: 1, count: 40_000) })
        let client = try source.cluster.client(1, at: 1)
        let objects = AskFetchObjects(partition: 0, length: 1000, min: .zero, max: .max, minOID: .zero, have: [:])
        _ = try source.ask(objects.packet)
        var rest: UInt64 = 0
        var bytes = 0
        while let delay = source.cluster.hosts[0].timers[StorageCore.Timer.serving] {
            try source.cluster.hosts[0].send(.askObject(AskObject(oid: OID(2), at: nil, before: nil)), on: client)
            rest += delay
            source.cluster.hosts[0].advance(milliseconds: delay)
            try source.cluster.hosts[0].send(.askObject(AskObject(oid: OID(2), at: nil, before: nil)), on: client)
            try source.slice()
            try source.cluster.hosts[0].writeAll()
            for case .addObject(let packet) in source.cluster.hosts[0].packets(source.peer) {
                bytes += packet.data.readableBytes
            }
        }
        let minimum = ReplicationOptions().minimumBytesPerSecond
        #expect(bytes == 64 * 40_000)
        #expect(rest > 0)
        #expect(bytes * 1000 >= Int(rest) * minimum * 9 / 10)
        // Without clients it does not rest.
        source.cluster.hosts[0].advance(milliseconds: 1000)
        _ = try source.ask(objects.packet)
        #expect(source.cluster.hosts[0].timers[StorageCore.Timer.serving] == 0)
        try source.slice()
        #expect(source.cluster.hosts[0].timers[StorageCore.Timer.serving] == 0)
    }

    @Test("A source that is asked for nonsense loses a peer, not its head")
    func nonsense() throws {
        var source = try Source(history(2, [(0x10, [0])]))
        _ = try source.fetchTransactions([0x40, 0x20, 0x20, .max], length: 1, max: .max)
        let objects = AskFetchObjects(
            partition: 0,
            length: .max,
            min: TID(0x100),
            max: .zero,
            minOID: .invalid,
            have: [.max: [.invalid]]
        )
        _ = try source.ask(objects.packet)
        try source.finish()
        #expect(source.cluster.hosts[0].open.contains(source.peer))
        _ = try source.fetchTransactions(length: -1, max: .max)
        #expect(!source.cluster.hosts[0].open.contains(source.peer))
    }
}
