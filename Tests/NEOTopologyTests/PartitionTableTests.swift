import NEOProtocol
import NEOTopology
import Testing

@Suite struct PartitionTableTests {
    /// `spec/master.md §10.5`.
    @Test(
        arguments: [
            ("UU|UU", [1], nil, "OU|OU"),
            ("UO|UO", [1], 1, "UO|UO"),
            ("UF|UO", [2], 2, "U.|UO"),
            ("UU|U.|.U", [1, 2], 2, "OU|O.|.U"),
        ] as [(String, [Int32], Int32?, String)]
    )
    func outdating(before: String, stopped: [Int32], lost: Int32?, after: String) throws {
        var table = try table(before, replicas: 1)
        let stopped = Set(stopped.map { NID(.storage, $0) })
        let changes = table.outdate(lost: lost.map { NID(.storage, $0) }) { !stopped.contains($0) }
        #expect(notation(table, nodes: 2) == after)
        #expect(changes.isEmpty == (before == after))
    }

    /// `spec/master.md §10.6`, as §18.6 corrects it: no feeding cell goes while it is one of the wanted copies.
    @Test(
        arguments: [
            ("FO", 0, 2, ".U"),
            ("UFO", 1, 3, "U.U"),
            ("FFOO", 1, 3, ".FUO"),
            (".FUO", 1, 4, "..UU"),
            ("FOO", 1, 2, "FUO"),
            ("UO", 1, 2, "UU"),
        ] as [(String, Int, Int32, String)]
    )
    func becomingUpToDate(before: String, replicas: Int, node: Int32, after: String) throws {
        var table = try table(before, replicas: replicas)
        replicate(0, at: NID(.storage, node), in: &table)
        #expect(notation(table, nodes: before.count) == after)
        #expect(table.setUpToDate(0, at: NID(.storage, node)).isEmpty)
    }

    /// Nodes that are leaving (all their cells feed) go first.
    @Test func leavingNodesGoFirst() throws {
        var table = try NEOTopologyTests.table("FFUO|U..U", replicas: 1)
        replicate(0, at: NID(.storage, 4), in: &table)
        #expect(notation(table, nodes: 4) == "..UU|U..U")
        var partial = try NEOTopologyTests.table("FFOO|U..U", replicas: 1)
        replicate(0, at: NID(.storage, 3), in: &partial)
        #expect(notation(partial, nodes: 4) == "F.UO|U..U")
    }

    /// Until its storage knows that it is replaced, a feeding cell stays.
    @Test func replacedCellsStayUntilTheyAreDiscarded() throws {
        var table = try NEOTopologyTests.table("UFO", replicas: 1)
        #expect(table.replacedCells(of: 0).isEmpty)
        #expect(table.setUpToDate(0, at: NID(.storage, 3)).count == 1)
        #expect(notation(table, nodes: 3) == "UFU")
        #expect(table.replacedCells(of: 0) == [NID(.storage, 2)])
        let alone = try NEOTopologyTests.table("F", replicas: 0)
        #expect(alone.replacedCells(of: 0).isEmpty)
    }

    /// `spec/master.md §10.7`.
    @Test func dropping() throws {
        let before = "O..|.FO|OFU"
        var first = try table(before)
        _ = try first.drop(storages(1))
        #expect(notation(first, nodes: 3) == "...|.FO|.UU")
        var third = try table(before)
        _ = try third.drop(storages(3))
        #expect(notation(third, nodes: 3) == "O..|.U.|OU.")
        var second = try table(before)
        #expect(
            throws: TopologyError.refused(
                "Refuse to drop nodes that contain the only readable copies of partition 1"
            )
        ) { try second.drop(storages(2)) }
        #expect(notation(second, nodes: 3) == before)
        // One cell takes the place of what is removed: the last one that feeds.
        var feeding = try table("FFU|F.U|UUF")
        _ = try feeding.drop(storages(3))
        #expect(notation(feeding, nodes: 3) == "FU.|U..|UU.")
    }

    @Test func refusesIncoherentTables() {
        let cell = CellRecord(nid: NID(.storage, 1), state: .upToDate)
        #expect(throws: TopologyError.self) { try PartitionTable(ptid: 1, replicas: 0, rows: []) }
        #expect(throws: TopologyError.self) { try PartitionTable(ptid: 1, replicas: 0, rows: [[cell, cell]]) }
        #expect(throws: TopologyError.self) { try PartitionTable(ptid: 1, replicas: -1, rows: [[cell]]) }
        #expect(throws: TopologyError.self) {
            try PartitionTable(ptid: 1, replicas: 0, rows: [[CellRecord(nid: NID(.storage, 1), state: .discarded)]])
        }
    }

    @Test func refusesIncoherentChanges() throws {
        var table = try table("U|U")
        let before = table
        let change = CellChange(partition: 2, nid: NID(.storage, 2), state: .outOfDate)
        #expect(throws: TopologyError.self) { try table.apply(ptid: 2, replicas: 0, cells: [change]) }
        #expect(throws: TopologyError.self) { try table.apply(ptid: 1, replicas: 0, cells: []) }
        #expect(table == before)
        try table.apply(
            ptid: 2,
            replicas: 1,
            cells: [CellChange(partition: 1, nid: NID(.storage, 2), state: .outOfDate)]
        )
        #expect(notation(table, nodes: 2) == "U.|UO")
        #expect(table.isOperational { $0 == NID(.storage, 1) })
        #expect(!table.isOperational { $0 == NID(.storage, 2) })
    }
}

@Suite struct NodeTableTests {
    let storage = NodeRecord(
        type: .storage,
        address: NodeAddress(host: "127.0.0.1", port: 1),
        nid: NID(.storage, 1),
        state: .running,
        idTimestamp: 1
    )
    let client = NodeRecord(type: .client, address: nil, nid: NID(.client, 1), state: .running, idTimestamp: 2)

    @Test func firstListIsComplete() throws {
        var nodes = NodeTable()
        _ = try nodes.apply(NotifyNodeInformation(timestamp: 1, nodes: [storage, client]))
        nodes.beginSession()
        let update = try nodes.apply(NotifyNodeInformation(timestamp: 0.5, nodes: []), keeping: storages(1))
        #expect(update.forgotten == [Node(client)])
        #expect(nodes.isRunning(NID(.storage, 1)))
    }

    @Test func unknownForgets() throws {
        var nodes = NodeTable()
        _ = try nodes.apply(NotifyNodeInformation(timestamp: 1, nodes: [storage, client]))
        var gone = client
        gone.state = .unknown
        let update = try nodes.apply(NotifyNodeInformation(timestamp: 2, nodes: [gone]))
        #expect(update.forgotten == [Node(client)])
        #expect(nodes[NID(.client, 1)] == nil)
        #expect(throws: TopologyError.self) {
            try nodes.apply(NotifyNodeInformation(timestamp: 2, nodes: [storage]))
        }
    }

    private func master(_ number: Int32, port: UInt16) -> NodeRecord {
        NodeRecord(
            type: .master,
            address: NodeAddress(host: "127.0.0.1", port: port),
            nid: NID(.master, number),
            state: .running,
            idTimestamp: nil
        )
    }

    /// `spec/master.md §19.1.11`: a master at another address, a storage with another id at the same one.
    @Test func addressesAndIDsChange() throws {
        var nodes = NodeTable()
        _ = try nodes.apply(NotifyNodeInformation(timestamp: 1, nodes: [storage, master(1, port: 10)]))
        let moved = try nodes.apply(NotifyNodeInformation(timestamp: 2, nodes: [master(1, port: 11)]))
        #expect(moved.abandonedAddresses.map(\.port) == [10])
        #expect(nodes[NID(.master, 1)]?.address?.port == 11)
        #expect(nodes.all(of: .master).count == 1)
        var renumbered = storage
        renumbered.nid = NID(.storage, 5)
        _ = try nodes.apply(NotifyNodeInformation(timestamp: 3, nodes: [renumbered]))
        #expect(nodes[NID(.storage, 1)] == nil)
        #expect(nodes[NID(.storage, 5)]?.address == storage.address)
    }

    /// `spec/master.md §19.1.11, §19.2.5`: masters were started in another order.
    @Test(arguments: [[0, 1], [1, 0]])
    func completeListRenumbersMasters(order: [Int]) throws {
        var nodes = NodeTable()
        _ = try nodes.apply(
            NotifyNodeInformation(timestamp: 1, nodes: [master(1, port: 10), master(2, port: 11), master(3, port: 12)])
        )
        nodes.beginSession()
        let renumbered = [master(3, port: 11), master(2, port: 12)]
        let list = [master(1, port: 10)] + order.map { renumbered[$0] }
        let update = try nodes.apply(NotifyNodeInformation(timestamp: 1, nodes: list))
        #expect(update.abandonedAddresses == [])
        #expect(nodes[NID(.master, 2)]?.address?.port == 12)
        #expect(nodes[NID(.master, 3)]?.address?.port == 11)
        #expect(nodes.all(of: .master).count == 3)
    }

    /// Who says so is the primary master of which the table is; another one may merely not know it.
    @Test func mastersLeave() throws {
        var nodes = NodeTable()
        let masters = (1...3).map { master($0, port: UInt16(9 + $0)) }
        _ = try nodes.apply(NotifyNodeInformation(timestamp: 1, nodes: masters))
        var left = masters[1]
        left.state = .unknown
        let update = try nodes.apply(NotifyNodeInformation(timestamp: 2, nodes: [left]))
        #expect(update.abandonedAddresses.map(\.port) == [11])
        nodes.beginSession()
        let next = try nodes.apply(NotifyNodeInformation(timestamp: 1, nodes: [masters[0]]))
        #expect(next.forgotten.map(\.nid) == [NID(.master, 3)])
        #expect(next.abandonedAddresses == [])
    }

    @Test func refusesAChangeOfType() throws {
        var nodes = NodeTable()
        _ = try nodes.apply(NotifyNodeInformation(timestamp: 1, nodes: [storage]))
        var other = storage
        other = NodeRecord(type: .admin, address: other.address, nid: nil, state: .running, idTimestamp: nil)
        #expect(throws: TopologyError.self) { try nodes.apply(NotifyNodeInformation(timestamp: 2, nodes: [other])) }
    }
}
