import NEODatabase
import NEOEngine
import NEOProtocol
import NEOStorage
import NIOCore
import OrderedCollections
import TestVectors
import Testing

/// No packet of a master, a client or a storage traps a storage, nor breaks its database.
@Suite struct StorageAttackTests {
    struct Node {
        var world: HostileWorld<StorageCore>
        let database: any StorageDatabase

        /// Applies the jobs, in batches of any size.
        mutating func completeJobs() throws {
            while true {
                let jobs = world.takeJobs()
                if jobs.isEmpty { return }
                for result in try database.writer.perform(jobs) { world.handle(.jobCompleted(result)) }
            }
        }
    }

    static func node(upTo stage: Int, seed: UInt64) throws -> Node {
        let database = try MemoryDatabase.open(MemoryDisk(), OpenOptions(clusterName: "test"))
        let configuration = StorageConfiguration(
            cluster: "test",
            masters: [NodeAddress(host: "127.0.0.1", port: 1)],
            bind: NodeAddress(host: "127.0.0.1", port: 10)
        )
        let core = StorageCore(configuration, reader: try database.makeReader())
        var node = Node(world: HostileWorld(core, seed: seed), database: database)
        guard stage > 0, let master = node.world.outgoing else { return node }
        node.world.open(master)
        guard stage > 1 else { return node }
        let own = NID(.storage, 1)
        node.world.answer(AcceptIdentification(type: .master, nid: NID(.master, 1), yourNID: own).packet, on: master)
        try node.completeJobs()
        let clients = [1.0, 2].map {
            NodeRecord(type: .client, address: nil, nid: NID(.client, Int32($0)), state: .running, idTimestamp: $0)
        }
        let address = NodeAddress(host: "127.0.0.1", port: 10)
        let storage = NodeRecord(type: .storage, address: address, nid: own, state: .running, idTimestamp: 1)
        node.world.send(NotifyNodeInformation(timestamp: 1, nodes: [storage] + clients).packet, on: master)
        let up = CellRecord(nid: own, state: .upToDate)
        let other = CellRecord(nid: NID(.storage, 2), state: .upToDate)
        let rows = [[up], [up, other], [CellRecord(nid: own, state: .outOfDate), other], [other]]
        node.world.send(SendPartitionTable(ptid: 1, replicas: 1, rows: rows).packet, on: master)
        try node.completeJobs()
        guard stage > 2 else { return node }
        node.world.send(StartOperation(backup: false).packet, on: master)
        try node.completeJobs()
        let a = node.world.identify(as: .client, nid: NID(.client, 1), timestamp: 1)
        let b = node.world.identify(as: .client, nid: NID(.client, 2), timestamp: 2)
        guard stage > 3 else { return node }
        let data = ByteBuffer(string: "some data")
        for (client, oid, ttid) in [(a, 1, 0x1000), (a, 4, 0x1000), (b, 1, 0x1010), (b, 5, 0x1010)]
            as [(_, UInt64, UInt64)]
        {
            let store = AskStoreObject(
                oid: OID(oid),
                serial: .zero,
                compression: 0,
                checksum: Checksum(of: data),
                data: data,
                dataTID: nil,
                ttid: TID(ttid)
            )
            node.world.send(store.packet, on: client)
        }
        let vote = AskStoreTransaction(
            ttid: TID(0x1000),
            user: ByteBuffer(),
            description: ByteBuffer(),
            extensionData: ByteBuffer(),
            oids: [OID(1), OID(4)],
            pack: nil
        )
        node.world.send(vote.packet, on: a)
        try node.completeJobs()
        guard stage > 4 else { return node }
        let lock = AskLockInformation(ttid: TID(0x1000), tid: TID(0x1004), pack: false)
        node.world.send(lock.packet, on: master)
        try node.completeJobs()
        return node
    }

    @Test(arguments: 0...5) func survives(_ stage: Int) throws {
        try Campaign.run("storage, stage \(stage)") { seed, forge, lessons in
            var node = try Self.node(upTo: stage, seed: seed)
            for (_, frame) in node.world.sent { forge.learn(frame) }
            for word in [0x1000, 0x1004, 0x1010, 4, 5] as [UInt64] { forge.remember(word: word) }
            var events = 0
            while events < 150, node.world.exitStatus == nil {
                node.world.attack(&forge, &lessons)
                if Int.random(in: 0..<3, using: &node.world.random) == 0 { try node.completeJobs() }
                events += 1
            }
            #expect(node.world.exitStatus != 1, "the database failed, seed \(seed)")
            #expect(node.world.mostEffects < 10_000, "seed \(seed)")
            return events
        }
    }
}
