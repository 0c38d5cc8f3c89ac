import MessagePack
import NEOProtocol
import NEOTopology
import OrderedCollections
import Testing

@testable import NEOMaster

/// A storage without a partition table never stands for one that has data (`spec/master.md §18.4`).
@Suite struct EmptyStorageTests {
    private func rows(_ states: [CellState]) -> [[CellRecord]] {
        [states.enumerated().map { CellRecord(nid: NID(.storage, Int32($0 + 1)), state: $1) }]
    }

    private func empty(_ cluster: inout ScriptedCluster, _ name: String) {
        cluster.answer(name, AnswerRecovery(ptid: nil, backupTID: nil, truncateTID: nil))
    }

    private func tell(_ cluster: inout ScriptedCluster, _ name: String, _ ptid: Int, _ rows: [[CellRecord]]) {
        cluster.answer(name, AnswerRecovery(ptid: ptid, backupTID: nil, truncateTID: nil))
        cluster.answer(name, AnswerPartitionTable(ptid: ptid, replicas: 1, rows: rows))
    }

    /// Seed 70 of the simulation, with an operator.
    /// 1. A storage that was dropped, and erased its database, is the first to find a new master: it is given S1.
    /// 2. S2 comes with a table in which S1 and S2 are readable.
    /// 3. The cluster waits for the real S1. The other one gets another id, also if the table is the first one of a cluster.
    @Test(arguments: [1, 16])
    func idGivenBeforeTheTableIsKnown(ptid: Int) {
        var cluster = ScriptedCluster()
        #expect(cluster.storage(3).contains("S3 < AcceptIdentification S1"))
        empty(&cluster, "S3")
        cluster.storage(2, nid: NID(.storage, 2))
        tell(&cluster, "S2", ptid, rows([.upToDate, .upToDate]))
        #expect(cluster.core.clusterState == .recovering)
        #expect(!cluster.isConnected("S3"))
        // It comes back with the id that it had.
        #expect(cluster.storage(3, nid: NID(.storage, 1)).contains("S3 < AcceptIdentification S3"))
        empty(&cluster, "S3")
        #expect(cluster.core.clusterState == .recovering)
        #expect(cluster.storage(1, nid: NID(.storage, 1)).contains("S1 < AcceptIdentification S1"))
        cluster.answer("S1", AnswerRecovery(ptid: ptid, backupTID: nil, truncateTID: nil))
        #expect(cluster.core.clusterState == .verifying)
        #expect(cluster.core.registry[NID(.storage, 3)]?.state == .pending)
    }

    /// The owner of the id is the only one to have the table: it must not be refused for ever.
    @Test func ownerComesWithTheOnlyTable() {
        var cluster = ScriptedCluster()
        cluster.storage(3)
        _ = cluster.accept("S1")
        let owner = cluster.identification(.storage, nid: NID(.storage, 1), port: 20_001)
        // As long as nobody knows what the other one has.
        #expect(
            cluster.send("S1", owner).first
                == "S1 < Error PROTOCOL_ERROR already connected: storage S1 at 127.0.0.1:20003"
        )
        empty(&cluster, "S3")
        _ = cluster.accept("S1")
        let lines = cluster.send("S1", owner)
        #expect(lines.contains("S3 closed") && lines.contains("S1 < AcceptIdentification S1"))
        // It does not chase the owner away in turn.
        #expect(cluster.storage(3, nid: NID(.storage, 1)).contains("S3 < AcceptIdentification S2"))
        tell(&cluster, "S1", 7, rows([.upToDate]))
        #expect(cluster.core.clusterState == .verifying)
    }

    /// It has the id from a master that is gone.
    @Test func idOfAnotherMaster() {
        var cluster = ScriptedCluster()
        cluster.storage(1, nid: NID(.storage, 1))
        cluster.storage(2, nid: NID(.storage, 2))
        tell(&cluster, "S2", 16, rows([.upToDate, .upToDate]))
        empty(&cluster, "S1")
        #expect(!cluster.isConnected("S1"))
        #expect(cluster.core.clusterState == .recovering)
    }

    /// 1. A cluster was created over S1 and S2. 2. S2 was lost before it recorded the table. 3. It comes back: nothing was
    /// committed, since all that have readable cells had to answer before.
    @Test(arguments: [true, false])
    func tableThatWasJustCreated(startsByItself: Bool) {
        var cluster = ScriptedCluster(autostart: startsByItself ? 2 : 0)
        cluster.admin()
        cluster.storage(1, nid: NID(.storage, 1))
        cluster.storage(2, nid: NID(.storage, 2))
        tell(&cluster, "S1", 1, rows([.upToDate, .upToDate]))
        empty(&cluster, "S2")
        if !startsByItself {
            #expect(cluster.core.clusterState == .recovering)
            #expect(
                cluster.send("A1", SetClusterState(state: .verifying)).first == "A1 < Error ACK Cluster state changed"
            )
        }
        #expect(cluster.core.clusterState == .verifying)
        #expect(cluster.tableText(2) == "UU")
    }

    /// Seed 4003035 of the simulation: as above, with the second table that a master makes.
    /// 1. Nobody recorded the first one. 2. S1 is lost before it records the second one; S2 recorded it.
    @Test func secondTableThatWasJustCreated() {
        var cluster = ScriptedCluster(partitions: 1, autostart: 2)
        for _ in 1...2 {
            for number in Int32(1)...2 {
                cluster.storage(number, nid: NID(.storage, number))
                empty(&cluster, "S\(number)")
            }
            #expect(cluster.core.clusterState == .verifying)
            for name in ["S2", "S1"] { _ = cluster.cut(name) }
        }
        #expect(cluster.core.table.ptid == nil)
        cluster.storage(2, nid: NID(.storage, 2))
        tell(&cluster, "S2", 2, rows([.upToDate]))
        cluster.storage(1, nid: NID(.storage, 1))
        empty(&cluster, "S1")
        #expect(cluster.core.clusterState == .verifying)
        #expect(cluster.isConnected("S1"))
    }

    /// Seed 1000774: a master that creates clusters by itself waits for as many storages as it would for a new one. The
    /// owner is one of them.
    @Test func masterThatStartsByItself() {
        var cluster = ScriptedCluster(autostart: 3)
        cluster.storage(2, nid: NID(.storage, 2))
        tell(&cluster, "S2", 1, rows([.upToDate]))
        cluster.storage(3, nid: NID(.storage, 1))
        empty(&cluster, "S3")
        #expect(cluster.core.clusterState == .recovering)
        cluster.storage(1, nid: NID(.storage, 1))
        tell(&cluster, "S1", 1, rows([.upToDate]))
        #expect(!cluster.isConnected("S3"))
        #expect(cluster.core.clusterState == .verifying)
    }

    /// Seed 110 of the simulation, with an operator.
    /// 1. A storage that nobody uses yet was given S1 by a master that did not know the table.
    /// 2. With that id, it finds another master, where S2 told the table that the cluster was created with.
    /// 3. The cluster waits for the real S1, which may have all the data.
    @Test func idOfAnotherMasterWithTheFirstTable() {
        var cluster = ScriptedCluster()
        cluster.storage(2, nid: NID(.storage, 2))
        tell(&cluster, "S2", 1, rows([.upToDate, .upToDate]))
        cluster.storage(3, nid: NID(.storage, 1))
        empty(&cluster, "S3")
        #expect(cluster.core.clusterState == .recovering)
        cluster.storage(1, nid: NID(.storage, 1))
        #expect(!cluster.isConnected("S3"))
        cluster.answer("S1", AnswerRecovery(ptid: 1, backupTID: nil, truncateTID: nil))
        #expect(cluster.core.clusterState == .verifying)
    }

    /// The owner of a cell that is out of date has data, and comes back. The service does not wait for the answer of such a
    /// storage; a reference one does not say before that it has no table.
    @Test(arguments: [true, false])
    func cellThatIsOutOfDate(saysSo: Bool) {
        var cluster = ScriptedCluster()
        cluster.admin()
        let extra = saysSo ? Properties(["ptid": .integer(0)]) : Properties()
        cluster.storage(2, nid: NID(.storage, 2), extra: extra)
        cluster.storage(1, nid: NID(.storage, 1))
        tell(&cluster, "S1", 5, rows([.upToDate, .outOfDate]))
        #expect(cluster.core.clusterState == .verifying)
        #expect(cluster.isConnected("S2") != saysSo)
        guard saysSo else { return }
        // Seed 4031849: admins took the next node at the address for S2, and operators did not see that S2 is down.
        #expect(cluster.core.registry[NID(.storage, 2)]?.node.address == nil)
        guard
            case .notifyNodeInformation(let told)? = cluster.sent["A1"]?.last(where: { frame in
                if case .notifyNodeInformation(let information) = frame.packet {
                    information.nodes.contains { $0.nid == NID(.storage, 2) }
                } else {
                    false
                }
            })?.packet
        else {
            Issue.record("the admin is not told")
            return
        }
        #expect(told.nodes.map(\.address) == [nil])
        #expect(cluster.storage(2, nid: NID(.storage, 2), extra: extra).contains("S2 < AcceptIdentification S3"))
        #expect(cluster.core.registry[NID(.storage, 3)]?.state == .pending)
    }
}
