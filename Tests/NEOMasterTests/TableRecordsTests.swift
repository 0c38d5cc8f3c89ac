import NEOProtocol
import NEOTopology
import OrderedCollections
import Testing

@testable import NEOMaster

/// A cell may only be replaced by one that the table of its storage calls readable: under another master that storage
/// would start alone, without what was committed since.
@Suite struct TableRecordsTests {
    private func rows(_ states: [CellState]) -> [[CellRecord]] {
        [states.enumerated().map { CellRecord(nid: NID(.storage, Int32($0 + 1)), state: $1) }]
    }

    /// S1 up to date, or feeding; S2 replicated what it has. Both serve.
    private func replicated(
        _ state: CellState = .upToDate,
        replicas: Int = 1,
        alsoOnlyAtS1: Bool = false
    ) -> ScriptedCluster {
        var cluster = ScriptedCluster()
        for number in Int32(1)...2 {
            cluster.storage(number, nid: NID(.storage, number))
            cluster.answer("S\(number)", AnswerRecovery(ptid: 1, backupTID: nil, truncateTID: nil))
        }
        let table = rows([state, .outOfDate]) + (alsoOnlyAtS1 ? rows([.upToDate]) : [])
        cluster.answer("S1", AnswerPartitionTable(ptid: 1, replicas: replicas, rows: table))
        cluster.answer("S1", AnswerLockedTransactions(transactions: [:]))
        for number in 1...2 {
            cluster.answer("S\(number)", AnswerLastIDs(lastTID: nil, lastOID: nil, firstTID: .max))
        }
        cluster.answer("S1", AnswerPackOrders(orders: []))
        for number in 1...2 { cluster.send("S\(number)", NotifyReady()) }
        cluster.send("S2", AskUnfinishedTransactions(partitions: [0]))
        let lines = cluster.send("S2", NotifyReplicationDone(partition: 0, tid: .zero))
        #expect(lines.contains("S1 < NotifyPartitionChanges 2 (0 S2 U)"))
        #expect(cluster.core.clusterState == .running)
        return cluster
    }

    /// Seed 1564 of the simulation.
    /// 1. S1 is lost before it says that it recorded that S2 is up to date.
    /// 2. The service ends; S2 alone does not start it again.
    /// 3. S1 comes back, with or without the newer table: it starts.
    @Test(arguments: [1, 2])
    func replacedStorageDoesNotKnow(recorded: Int) {
        var cluster = replicated()
        _ = cluster.cut("S1")
        #expect(cluster.core.clusterState == .recovering)
        #expect(cluster.tableText(2) != "OU")
        cluster.answer("S2", AnswerRecovery(ptid: 2, backupTID: nil, truncateTID: nil))
        cluster.answer("S2", AnswerPartitionTable(ptid: 2, replicas: 1, rows: rows([.upToDate, .upToDate])))
        #expect(cluster.core.clusterState == .recovering)
        cluster.storage(1, nid: NID(.storage, 1))
        cluster.answer("S1", AnswerRecovery(ptid: recorded, backupTID: nil, truncateTID: nil))
        if recorded == 1 {
            cluster.answer("S1", AnswerPartitionTable(ptid: 1, replicas: 1, rows: rows([.upToDate, .outOfDate])))
        }
        #expect(cluster.core.clusterState == .verifying)
        #expect(cluster.tableText(2) == "UU")
    }

    @Test func replacedStorageKnows() {
        var cluster = replicated()
        cluster.answer("S1", Pong())
        let lines = cluster.cut("S1")
        #expect(lines.contains("S2 < NotifyPartitionChanges 3 (0 S1 O)"))
        #expect(cluster.core.clusterState == .running)
    }

    /// A partition of S1, which S2 replicates, or of S1 and S2, which S3 replicates; another one of the last storage alone.
    private func grown(replicas: Int32) -> ScriptedCluster {
        var cluster = ScriptedCluster()
        let (added, last) = (replicas + 1, replicas + 2)
        let row = (1...added).map { CellRecord(nid: NID(.storage, $0), state: $0 == added ? .outOfDate : .upToDate) }
        let alone = [CellRecord(nid: NID(.storage, last), state: .upToDate)]
        let readable = (1...last).filter { $0 != added }
        for number in 1...last { cluster.storage(number, nid: NID(.storage, number)) }
        for number in 1...last {
            cluster.answer("S\(number)", AnswerRecovery(ptid: 1, backupTID: nil, truncateTID: nil))
        }
        cluster.answer("S1", AnswerPartitionTable(ptid: 1, replicas: Int(replicas), rows: [row, alone]))
        for number in readable { cluster.answer("S\(number)", AnswerLockedTransactions(transactions: [:])) }
        for number in 1...last {
            cluster.answer("S\(number)", AnswerLastIDs(lastTID: nil, lastOID: nil, firstTID: .max))
        }
        for number in readable { cluster.answer("S\(number)", AnswerPackOrders(orders: [])) }
        for number in 1...last { cluster.send("S\(number)", NotifyReady()) }
        cluster.send("S\(added)", AskUnfinishedTransactions(partitions: [0]))
        cluster.send("S\(added)", NotifyReplicationDone(partition: 0, tid: .zero))
        #expect(cluster.core.table.ptid == 2)
        return cluster
    }

    private func returns(_ number: Int32, with ptid: Int, _ rows: [[CellRecord]], to cluster: inout ScriptedCluster) {
        if !cluster.isConnected("S\(number)") { cluster.storage(number, nid: NID(.storage, number)) }
        cluster.answer("S\(number)", AnswerRecovery(ptid: ptid, backupTID: nil, truncateTID: nil))
        cluster.answer("S\(number)", AnswerPartitionTable(ptid: ptid, replicas: 1, rows: rows))
    }

    /// 1. S1 recorded that S2 is readable. The service ends with the loss of S3.
    /// 2. The machine of S1 loses its power, and with it the newer table, or not; S1 is seen, and lost again.
    /// 3. S3 comes back: with S2, all the partitions are here.
    @Test(arguments: [1, 2])
    func storageThatLostItsTable(kept: Int) {
        var cluster = grown(replicas: 1)
        for name in ["S1", "S2"] { cluster.answer(name, Pong()) }
        let rows = cluster.core.table.rows
        _ = cluster.cut("S3")
        #expect(cluster.core.clusterState == .recovering)
        for number in Int32(1)...2 { returns(number, with: 2, rows, to: &cluster) }
        _ = cluster.cut("S1")
        returns(1, with: kept, rows, to: &cluster)
        _ = cluster.cut("S1")
        returns(3, with: 2, rows, to: &cluster)
        #expect(cluster.core.clusterState == (kept == 1 ? .recovering : .verifying))
    }

    /// 1. S3 replicates what S1 and S2 have, and S1 did not record that; the service ends with the loss of S4.
    /// 2. S3 and S4 come. S1 knows of S2, which is not here either: alone, it could start without what S3 has.
    @Test(arguments: [true, false])
    func storageThatKnowsOfAnAbsentOne(isRecorded: Bool) {
        var cluster = grown(replicas: 2)
        for name in isRecorded ? ["S1", "S2", "S3"] : ["S2", "S3"] { cluster.answer(name, Pong()) }
        let rows = cluster.core.table.rows
        for name in ["S4", "S1", "S2"] { _ = cluster.cut(name) }
        for number in Int32(3)...4 { returns(number, with: 2, rows, to: &cluster) }
        #expect(cluster.core.clusterState == (isRecorded ? .verifying : .recovering))
    }

    /// 1. S2 comes during the service, with a table of which nothing is known, and replicates what S1 has.
    /// 2. It is lost before it says that it recorded the table in which S1 is readable: with its own, it may need nobody.
    @Test(arguments: [true, false])
    func storageThatCameDuringTheService(isRecorded: Bool) {
        var cluster = ScriptedCluster()
        returns(1, with: 7, rows([.upToDate, .outOfDate]), to: &cluster)
        cluster.verify(storages: 1...1)
        cluster.storage(2, nid: NID(.storage, 2))
        cluster.send("S2", NotifyReady())
        cluster.send("S2", AskUnfinishedTransactions(partitions: [0]))
        cluster.send("S2", NotifyReplicationDone(partition: 0, tid: .zero))
        #expect(cluster.tableText(2) == "UU")
        if isRecorded { for name in ["S1", "S2"] { cluster.answer(name, Pong()) } }
        _ = cluster.cut("S2")
        #expect(cluster.core.clusterState == (isRecorded ? .running : .recovering))
    }

    /// An operator may decide otherwise.
    @Test func operatorStartsWithout() {
        var cluster = replicated()
        cluster.admin()
        _ = cluster.cut("S1")
        cluster.answer("S2", AnswerRecovery(ptid: 2, backupTID: nil, truncateTID: nil))
        cluster.answer("S2", AnswerPartitionTable(ptid: 2, replicas: 1, rows: rows([.upToDate, .upToDate])))
        cluster.send("A1", SetClusterState(state: .verifying))
        #expect(cluster.core.clusterState == .verifying)
        #expect(cluster.tableText(2) == "OU")
    }

    // MARK: Cells that are given up

    /// A cell that feeds another one is discarded once both storages recorded that the other one is readable.
    ///
    /// 1. S1 feeds, S2 becomes readable; only S1 records that. 2. S1 is discarded, and deletes its data.
    /// 3. All stop; S2 comes with the older table, in which it has to be filled from S1.
    @Test(arguments: [["S1", "S2"], ["S2", "S1"]])
    func feedingCellGoesOnceBothKnow(order: [String]) {
        var cluster = replicated(.feeding, replicas: 0)
        #expect(cluster.tableText(2) == "FU")
        #expect(cluster.answer(order[0], Pong()) == [])
        let lines = cluster.answer(order[1], Pong())
        #expect(lines.contains("S1 < NotifyPartitionChanges 3 (0 S1 D)"))
        #expect(lines.contains("S2 < NotifyPartitionChanges 3 (0 S1 D)"))
        #expect(cluster.core.clusterState == .running)
    }

    /// 1. S1 feeds, S2 becomes readable; S1 is lost before it says that it recorded that.
    /// 2. If S2 went on alone and all stopped, S1, coming back first, would start without what S2 has: S2 waits for it.
    /// 3. With S1, which may have the older table or the newer one, the service begins again, and S1 is discarded.
    @Test(arguments: [1, 2])
    func feedingCellDoesNotKnow(recorded: Int) {
        var cluster = replicated(.feeding, replicas: 0)
        _ = cluster.cut("S1")
        #expect(cluster.core.clusterState == .recovering)
        cluster.answer("S2", AnswerRecovery(ptid: 2, backupTID: nil, truncateTID: nil))
        cluster.answer("S2", AnswerPartitionTable(ptid: 2, replicas: 0, rows: rows([.feeding, .upToDate])))
        #expect(cluster.core.clusterState == .recovering)
        cluster.storage(1, nid: NID(.storage, 1))
        cluster.answer("S1", AnswerRecovery(ptid: recorded, backupTID: nil, truncateTID: nil))
        if recorded == 1 {
            cluster.answer("S1", AnswerPartitionTable(ptid: 1, replicas: 0, rows: rows([.feeding, .outOfDate])))
        }
        #expect(cluster.tableText(2) == "FU")
        let lines = cluster.verify(storages: 1...2)
        #expect(lines.contains("S1 < NotifyPartitionChanges 3 (0 S1 D)"))
        #expect(cluster.core.clusterState == .running)
    }

    /// The table of a storage that knows names the other one.
    @Test func feedingCellThatKnowsDoesNotStartAlone() {
        var cluster = ScriptedCluster()
        cluster.storage(1, nid: NID(.storage, 1))
        cluster.answer("S1", AnswerRecovery(ptid: 2, backupTID: nil, truncateTID: nil))
        cluster.answer("S1", AnswerPartitionTable(ptid: 2, replicas: 0, rows: rows([.feeding, .upToDate])))
        #expect(cluster.core.clusterState == .recovering)
    }

    /// A tweak discards a copy that is not needed, at once if it is known who has the partition.
    @Test(arguments: [true, false])
    func tweak(isKnown: Bool) {
        var cluster = replicated(replicas: 0, alsoOnlyAtS1: true)
        cluster.admin()
        if isKnown { for name in ["S1", "S2"] { cluster.answer(name, Pong()) } }
        let lines = cluster.send("A1", TweakPartitionTable(dryRun: false, excluded: []))
        if isKnown {
            #expect(lines.contains("S1 < NotifyPartitionChanges 3 (0 S1 D)"))
        } else {
            #expect(lines.contains("S1 < NotifyPartitionChanges 3 (0 S1 F)"))
            #expect(cluster.answer("S1", Pong()) == [])
            #expect(cluster.answer("S2", Pong()).contains("S1 < NotifyPartitionChanges 4 (0 S1 D)"))
        }
        #expect(cluster.tableText(2) == ".U|U.")
    }

    /// A tweak has nothing to do for a cell that is about to go.
    @Test func tweakBeforeAFeedingCellKnows() {
        var cluster = replicated(.feeding, replicas: 0)
        cluster.admin()
        let lines = cluster.send("A1", TweakPartitionTable(dryRun: false, excluded: []))
        #expect(lines == ["S2 < Ping", "S1 < Ping", "A1 < AnswerTweakPartitionTable"])
        #expect(cluster.tableText(2) == "FU")
    }

    /// An operator is asked to wait rather than that the service ends.
    @Test func kill() {
        var cluster = replicated()
        cluster.admin()
        let kill = SetNodeState(nid: NID(.storage, 1), state: .down)
        #expect(
            cluster.send("A1", kill) == ["A1 < Error DENIED S1 did not record yet that others have all its partitions"]
        )
        #expect(cluster.isConnected("S1"))
        cluster.answer("S1", Pong())
        #expect(cluster.send("A1", kill).contains("A1 < Error ACK state changed"))
        #expect(cluster.core.clusterState == .running)
    }
}
