import NEOEngine
import NEOMaster
import NEOProtocol
import OrderedCollections
import TestVectors
import Testing

/// No packet of any peer, in any state of the cluster, traps a master.
@Suite struct MasterAttackTests {
    static let address = NodeAddress(host: "127.0.0.1", port: 10)

    /// A master with storages S1 and S2, up to some point of the life of the cluster.
    static func world(upTo stage: Int, seed: UInt64) -> HostileWorld<MasterCore> {
        var configuration = MasterConfiguration(
            cluster: "test",
            bind: address,
            masters: seed % 5 == 0 ? [NodeAddress(host: "127.0.0.1", port: 9)] : [],
            partitions: [1, 2, 3][Int(seed % 3)],
            replicas: Int(seed % 2),
            autostart: 2
        )
        configuration.limits.unidentifiedConnections = 8
        var world = HostileWorld(MasterCore(configuration), seed: seed)
        if stage == 0 { return world }
        _ = world.identify(as: .admin, port: 30)
        let storages = [UInt16(11), 12].map { world.identify(as: .storage, port: $0) }
        if stage == 1 { return world }
        for storage in storages {
            world.answer(AnswerRecovery(ptid: nil, backupTID: nil, truncateTID: nil).packet, on: storage)
        }
        if stage == 2 { return world }
        for storage in storages { world.answer(AnswerLockedTransactions(transactions: [:]).packet, on: storage) }
        if stage == 3 { return world }
        for storage in storages {
            world.answer(AnswerLastIDs(lastTID: nil, lastOID: nil, firstTID: .max).packet, on: storage)
        }
        if stage == 4 { return world }
        for storage in storages { world.answer(AnswerPackOrders(orders: []).packet, on: storage) }
        if stage == 5 { return world }
        for storage in storages { world.send(NotifyReady().packet, on: storage) }
        let clients = (0..<2).map { _ in world.identify(as: .client) }
        for client in clients { world.send(AskBeginTransaction(tid: nil).packet, on: client) }
        if stage == 6 { return world }
        for (id, frame) in world.sent {
            guard case .answerBeginTransaction(let began) = frame.packet else { continue }
            let finish = AskFinishTransaction(ttid: began.ttid, stored: [OID(1)], deleted: [], checked: [], pack: nil)
            world.send(finish.packet, on: id)
        }
        if stage == 7 { return world }
        let admin = world.identify(as: .admin, port: 31)
        world.send(SetClusterState(state: .stopping).packet, on: admin)
        return world
    }

    @Test(arguments: 0...8) func survives(_ stage: Int) throws {
        try Campaign.run("master, stage \(stage)") { seed, forge, lessons in
            var world = Self.world(upTo: stage, seed: seed)
            let events = world.attackForLong(&forge, &lessons)
            // What one event makes is bounded by the number of peers, of partitions and of what it names.
            #expect(world.mostEffects < 10_000, "seed \(seed)")
            return events
        }
    }
}

/// Packets that trapped a master, or could have.
@Suite struct MasterReproducers {
    /// 1. A storage says that it has the table with the greatest integer as PTID. 2. It gives it. 3. A cell of an absent
    /// node is out of date when the cluster starts: the next PTID would overflow.
    @Test func greatestPTID() {
        let configuration = MasterConfiguration(cluster: "test", bind: MasterAttackTests.address, partitions: 1)
        var world = HostileWorld(MasterCore(configuration), seed: 1)
        let admin = world.identify(as: .admin, port: 30)
        let storage = world.identify(as: .storage, nid: NID(.storage, 1), port: 11)
        world.answer(AnswerRecovery(ptid: .max, backupTID: nil, truncateTID: nil).packet, on: storage)
        let row = [1, 2].map { CellRecord(nid: NID(.storage, $0), state: .upToDate) }
        world.answer(AnswerPartitionTable(ptid: .max, replicas: 1, rows: [row]).packet, on: storage)
        world.send(SetClusterState(state: .verifying).packet, on: admin)
        #expect(!world.isOpen(storage))
        #expect(world.isOpen(admin))
    }
}
