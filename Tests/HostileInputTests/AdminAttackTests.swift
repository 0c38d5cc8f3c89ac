import NEOAdmin
import NEOEngine
import NEOProtocol
import OrderedCollections
import TestVectors
import Testing

/// No packet of a master or of an operator traps an administration node.
@Suite struct AdminAttackTests {
    static func world(upTo stage: Int, seed: UInt64) -> HostileWorld<AdminCore> {
        let configuration = AdminConfiguration(
            cluster: "test",
            masters: [NodeAddress(host: "127.0.0.1", port: 1)],
            bind: NodeAddress(host: "127.0.0.1", port: 10)
        )
        var world = HostileWorld(AdminCore(configuration), seed: seed)
        for _ in 0..<2 { _ = world.accept() }
        guard stage > 0, let master = world.outgoing else { return world }
        world.open(master)
        guard stage > 1 else { return world }
        let own = NID(.admin, 1)
        world.answer(AcceptIdentification(type: .master, nid: NID(.master, 1), yourNID: own).packet, on: master)
        let record = NodeRecord(type: .admin, address: nil, nid: own, state: .running, idTimestamp: 1)
        world.send(NotifyNodeInformation(timestamp: 1, nodes: [record]).packet, on: master)
        let row = [CellRecord(nid: NID(.storage, 1), state: .upToDate)]
        world.send(SendPartitionTable(ptid: 1, replicas: 0, rows: [row, row]).packet, on: master)
        world.send(NotifyClusterInformation(state: .running).packet, on: master)
        return world
    }

    @Test(arguments: 0...2) func survives(_ stage: Int) throws {
        try Campaign.run("admin, stage \(stage)") { seed, forge, lessons in
            var world = Self.world(upTo: stage, seed: seed)
            let events = world.attackForLong(&forge, &lessons)
            #expect(world.mostEffects < 10_000, "seed \(seed)")
            return events
        }
    }
}
