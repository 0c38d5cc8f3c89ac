import MessagePack
import NEOProtocol
import NEOTopology
import OrderedCollections
import Testing

@testable import NEOMaster

/// The id of a storage is never given to another one: the two databases could be taken for each other.
@Suite struct StorageIDTests {
    private static func heardOf(_ number: Int64) -> Properties { Properties(["last_nid": .integer(number)]) }

    private func row(_ states: [CellState]) -> [[CellRecord]] {
        [states.enumerated().map { CellRecord(nid: NID(.storage, Int32($0 + 1)), state: $1) }]
    }

    /// Whatever became of the storage that had it: it left before it was used, or was dropped.
    @Test func idOfAForgottenStorage() {
        var cluster = ScriptedCluster.running(replicas: 1)
        cluster.admin()
        #expect(cluster.storage(3).contains("S3 < AcceptIdentification S3"))
        _ = cluster.cut("S3")
        #expect(cluster.storage(4).contains("S4 < AcceptIdentification S4"))
        for state in [NodeState.down, .unknown] {
            cluster.send("A1", SetNodeState(nid: NID(.storage, 2), state: state))
        }
        #expect(cluster.core.registry[NID(.storage, 2)] == nil)
        #expect(cluster.storage(5).contains("S5 < AcceptIdentification S5"))
        // Who had an id comes back with it, as one that nobody uses yet.
        #expect(cluster.storage(3, nid: NID(.storage, 3)).contains("S3 < AcceptIdentification S3"))
        #expect(cluster.storage(2, nid: NID(.storage, 2)).contains("S2 < AcceptIdentification S2"))
        #expect(cluster.core.registry[NID(.storage, 2)]?.state == .pending)
    }

    /// Masters have no disk: a new one learns from the storages which ids were given.
    @Test func idThatAnotherMasterGave() {
        var cluster = ScriptedCluster()
        cluster.storage(1, nid: NID(.storage, 1), extra: Self.heardOf(7))
        cluster.answer("S1", AnswerRecovery(ptid: 7, backupTID: nil, truncateTID: nil))
        cluster.answer("S1", AnswerPartitionTable(ptid: 7, replicas: 0, rows: row([.upToDate])))
        #expect(cluster.core.clusterState == .verifying)
        #expect(cluster.storage(2).contains("S2 < AcceptIdentification S8"))
    }

    /// 1. A new master gives S1 to an empty storage. 2. Those that have data come, and heard of storages up to S7: there may
    /// be a database with id S1 that was dropped.
    @Test func idGivenBeforeTheOthersAreHeard() {
        var cluster = ScriptedCluster()
        cluster.storage(9)
        cluster.answer("S9", AnswerRecovery(ptid: nil, backupTID: nil, truncateTID: nil))
        cluster.storage(2, nid: NID(.storage, 2), extra: Self.heardOf(7))
        cluster.answer("S2", AnswerRecovery(ptid: 7, backupTID: nil, truncateTID: nil))
        let rows = [[CellRecord(nid: NID(.storage, 2), state: .upToDate)]]
        let lines = cluster.answer("S2", AnswerPartitionTable(ptid: 7, replicas: 0, rows: rows))
        #expect(lines.contains("S9 closed"))
        #expect(cluster.storage(9, nid: NID(.storage, 1)).contains("S9 < AcceptIdentification S8"))
        #expect(cluster.isConnected("S9"))
    }

    /// Seed 3000716 of the simulation.
    /// 1. While the cluster is created, one candidate gives S2 to a storage, the other one to another; the first storage is
    /// refused, and stops. 2. S2 is lost. 3. The first storage comes, with the id on its disk, and without a table: with the
    /// cells of S2, it would keep S2 out for ever.
    @Test func idOfAnotherCandidate() {
        var cluster = ScriptedCluster.running(replicas: 1)
        _ = cluster.cut("S2")
        let lines = cluster.storage(9, nid: NID(.storage, 2), extra: Properties(["ptid": .integer(0)]))
        #expect(lines.contains("S9 < AcceptIdentification S3"))
        #expect(cluster.core.registry[NID(.storage, 3)]?.state == .pending)
        let owner = cluster.storage(2, nid: NID(.storage, 2), extra: Properties(["ptid": .integer(1)]))
        #expect(owner.contains("S2 < AcceptIdentification S2"))
        #expect(cluster.core.registry[NID(.storage, 2)]?.state == .running)
    }

    /// The same, and this master never saw the owner, whose cell is out of date.
    @Test func idOfAnOwnerThatNeverCame() {
        var cluster = ScriptedCluster()
        tells(1, 7, row([.upToDate, .outOfDate]), to: &cluster)
        #expect(cluster.core.clusterState == .verifying)
        let lines = cluster.storage(9, nid: NID(.storage, 2), extra: Properties(["ptid": .integer(0)]))
        #expect(lines.contains("S9 < AcceptIdentification S3"))
        let owner = cluster.storage(2, nid: NID(.storage, 2), extra: Properties(["ptid": .integer(5)]))
        #expect(owner.contains("S2 < AcceptIdentification S2"))
    }

    /// A table that is left for a newer one still says which ids were given.
    @Test func idInATableThatIsNotUsed() {
        var cluster = ScriptedCluster()
        for number in Int32(1)...2 { cluster.storage(number, nid: NID(.storage, number)) }
        cluster.answer("S2", AnswerRecovery(ptid: 5, backupTID: nil, truncateTID: nil))
        cluster.answer("S1", AnswerRecovery(ptid: 6, backupTID: nil, truncateTID: nil))
        let older = [
            [CellRecord(nid: NID(.storage, 2), state: .upToDate), .init(nid: NID(.storage, 9), state: .upToDate)]
        ]
        cluster.answer("S2", AnswerPartitionTable(ptid: 5, replicas: 1, rows: older))
        #expect(cluster.core.table.ptid == nil)
        #expect(cluster.storage(3).contains("S3 < AcceptIdentification S10"))
    }

    /// Seed 5838 of the simulation.
    /// 1. S3 is dropped while it is away, and comes back with its old table; it has no place in the new one. 2. It is lost. 3. An erased
    /// database comes with the id, that a master gave to it who knew nothing: it would keep S3 out for ever.
    @Test func idOfADroppedStorage() {
        var cluster = ScriptedCluster.running(replicas: 1)
        let owner = cluster.storage(3, nid: NID(.storage, 3), extra: Properties(["ptid": .integer(1)]))
        #expect(owner.contains("S3 < AcceptIdentification S3"))
        _ = cluster.cut("S3")
        let erased = cluster.storage(9, nid: NID(.storage, 3), extra: Properties(["ptid": .integer(0)]))
        #expect(erased.contains("S9 < AcceptIdentification S4"))
        #expect(cluster.storage(3, nid: NID(.storage, 3)).contains("S3 < AcceptIdentification S3"))
    }

    /// Seed 2674 of the simulation.
    /// 1. A master that knew nothing gave S2 to an erased storage, which recorded a table as one that has no cell. S2 came afterwards, and
    /// got cells. 2. Another master leads, and the first one of the two to come is the one without data.
    @Test(arguments: [false, true])
    func idOfAnOwnerThatIsAway(hasPeers: Bool) {
        var cluster = ScriptedCluster(replicas: 1, masters: hasPeers ? [ElectionTests.other] : [])
        let spare = [[CellRecord(nid: NID(.storage, 1), state: .upToDate)]]
        tells(1, 9, row([.outOfDate, .upToDate]), to: &cluster)
        cluster.storage(9, nid: NID(.storage, 2), extra: Properties(["ptid": .integer(7)]))
        cluster.answer("S9", AnswerRecovery(ptid: 7, backupTID: nil, truncateTID: nil))
        #expect(cluster.last("S9") == .askPartitionTable(AskPartitionTable()))
        #expect(cluster.core.clusterState == .recovering)
        let lines = cluster.answer("S9", AnswerPartitionTable(ptid: 7, replicas: 1, rows: spare))
        #expect(lines.contains("S9 closed"))
        let again = cluster.storage(9, nid: NID(.storage, 2), extra: Properties(["ptid": .integer(7)]))
        #expect(again.contains("S9 < AcceptIdentification S3"))
        #expect(cluster.core.clusterState == .recovering)
        // The owner did not record the last change.
        tells(2, 8, row([.upToDate, .outOfDate]), to: &cluster)
        if hasPeers { cluster.answer("S2", Pong()) }
        #expect(cluster.core.clusterState == .verifying)
    }

    /// A truncation waits for all that have cells. One that was to be filled did not record that yet: its id is its own.
    @Test func ownerThatWasToBeFilled() {
        var cluster = ScriptedCluster(replicas: 1)
        for (number, ptid) in [(1, 9), (2, 7)] as [(Int32, Int)] {
            cluster.storage(number, nid: NID(.storage, number), extra: Properties(["ptid": .integer(Int64(ptid))]))
            cluster.answer("S\(number)", AnswerRecovery(ptid: ptid, backupTID: nil, truncateTID: TID(1000)))
            guard number == 1 else { continue }
            cluster.answer("S1", AnswerPartitionTable(ptid: 9, replicas: 1, rows: row([.upToDate, .outOfDate])))
        }
        #expect(cluster.last("S2") != .askPartitionTable(AskPartitionTable()))
        #expect(cluster.isConnected("S2"))
        #expect(cluster.core.clusterState == .verifying)
    }

    private func tells(_ number: Int32, _ ptid: Int, _ rows: [[CellRecord]], to cluster: inout ScriptedCluster) {
        let name = "S\(number)"
        cluster.storage(number, nid: NID(.storage, number), extra: Properties(["ptid": .integer(Int64(ptid))]))
        cluster.answer(name, AnswerRecovery(ptid: ptid, backupTID: nil, truncateTID: nil))
        cluster.answer(name, AnswerPartitionTable(ptid: ptid, replicas: 1, rows: rows))
    }

    /// Seed 4020178 of the simulation: the machine of a storage loses its power while the cluster is created, and nobody
    /// notices before it is back.
    @Test func ownerThatDidNotRecordTheTable() {
        var cluster = ScriptedCluster(replicas: 1, autostart: 2)
        for number in Int32(1)...2 {
            cluster.storage(number)
            cluster.answer("S\(number)", AnswerRecovery(ptid: nil, backupTID: nil, truncateTID: nil))
        }
        #expect(cluster.core.clusterState == .verifying)
        _ = cluster.accept("again")
        let request = cluster.identification(
            .storage,
            nid: NID(.storage, 2),
            port: 20_002,
            extra: Properties(["ptid": .integer(0)])
        )
        #expect(cluster.send("again", request).contains("again < AcceptIdentification S2"))
    }

    /// Two databases with one id, a copy of another storage for example: the second one is refused, by name.
    @Test func idThatIsThereTwice() {
        var cluster = ScriptedCluster.running()
        let lines = cluster.storage(3, nid: NID(.storage, 1))
        #expect(
            lines == ["S3 < Error PROTOCOL_ERROR already connected: storage S1 at 127.0.0.1:20001", "S3 closed"]
        )
        #expect(cluster.isConnected("S1") && cluster.core.clusterState == .running)
    }

    /// A storage that says that all ids are given does not keep others out.
    @Test(arguments: [0xff_ffff, 0x7fff_ffff, -1, .max] as [Int64])
    func absurdID(number: Int64) {
        var cluster = ScriptedCluster()
        cluster.storage(1, nid: NID(.storage, 1), extra: Self.heardOf(number))
        cluster.answer("S1", AnswerRecovery(ptid: 7, backupTID: nil, truncateTID: nil))
        cluster.storage(2)
        cluster.answer("S2", AnswerRecovery(ptid: nil, backupTID: nil, truncateTID: nil))
        cluster.answer("S1", AnswerPartitionTable(ptid: 7, replicas: 0, rows: row([.upToDate])))
        #expect(cluster.isConnected("S2"))
        #expect(cluster.storage(3).contains("S3 < AcceptIdentification S3"))
    }
}
