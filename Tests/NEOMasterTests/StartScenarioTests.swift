import NEOEngine
import NEOProtocol
import NEOTopology
import OrderedCollections
import Testing

@testable import NEOMaster

/// Scenarios of `spec/master.md §19.3 to §19.6 and §19.9` that no other suite has: from RECOVERING to the service and back.
@Suite struct StartScenarioTests {
    private func rows(_ states: [CellState]...) -> [[CellRecord]] {
        states.map { row in row.enumerated().map { CellRecord(nid: NID(.storage, Int32($0 + 1)), state: $1) } }
    }

    /// A storage comes back, and tells what it has.
    @discardableResult
    private func come(
        _ number: Int32,
        _ ptid: Int,
        _ rows: [[CellRecord]],
        truncate: TID? = nil,
        to cluster: inout ScriptedCluster
    ) -> [String] {
        cluster.storage(number, nid: NID(.storage, number))
            + cluster.answer("S\(number)", AnswerRecovery(ptid: ptid, backupTID: nil, truncateTID: truncate))
            + cluster.answer("S\(number)", AnswerPartitionTable(ptid: ptid, replicas: 1, rows: rows))
    }

    /// 19.3.8
    @Test func adminSeesWhoComesAndGoes() {
        var cluster = ScriptedCluster()
        cluster.admin()
        #expect(cluster.storage(1).contains("A1 < NotifyNodeInformation S1 PENDING"))
        #expect(cluster.cut("S1") == ["A1 < NotifyNodeInformation S1 DOWN"])
    }

    /// 19.3.9: the order is remembered until the table can be served.
    @Test func startBeforeTheTableCanBeServed() {
        var cluster = ScriptedCluster()
        cluster.admin()
        come(1, 4, rows([.upToDate, .outOfDate], [.outOfDate, .upToDate]), to: &cluster)
        #expect(cluster.send("A1", SetClusterState(state: .verifying)) == ["A1 < Error ACK Cluster state changed"])
        #expect(cluster.core.clusterState == .recovering)
        come(2, 4, rows([.upToDate, .outOfDate], [.outOfDate, .upToDate]), to: &cluster)
        #expect(cluster.core.clusterState == .verifying)
    }

    /// `spec/master.md §3.4, §4.2`: the order was given to a master that led. Since it followed another one, it does not hold.
    @Test func startBeforeAnotherMasterLed() {
        var cluster = ScriptedCluster(masters: [ElectionTests.other])
        cluster.admin()
        let table = rows([.upToDate, .upToDate], [.outOfDate, .upToDate])
        come(1, 4, table, to: &cluster)
        #expect(cluster.send("A1", SetClusterState(state: .verifying)) == ["A1 < Error ACK Cluster state changed"])
        #expect(cluster.core.recovery.permission == .ordered)
        _ = cluster.accept("M2")
        cluster.send("M2", cluster.identification(.master, nid: NID(.master, 1), port: 10_001, timestamp: 1))
        #expect(!cluster.core.election.isPrimary)
        cluster.advance(seconds: 2)
        _ = cluster.fire(.election)
        guard let attempt = cluster.connection("to \(ElectionTests.other)") else {
            Issue.record("the winner is not looked for")
            return
        }
        _ = cluster.event(.connectFailed(attempt, reason: "refused"))
        #expect(cluster.core.election.isPrimary)
        // Nobody is known to be here.
        #expect(cluster.core.registry.all.map(\.type) == [.master, .master])
        come(2, 4, rows([.upToDate, .upToDate], [.outOfDate, .upToDate]), to: &cluster)
        cluster.answer("S2", Pong())
        #expect(cluster.core.clusterState == .recovering)
        #expect(cluster.core.recovery.permission == .complete)
        come(1, 4, table, to: &cluster)
        for name in ["S1", "S2"] { cluster.answer(name, Pong()) }
        #expect(cluster.core.clusterState == .verifying)
    }

    /// 19.3.10: before a table is loaded, admins that have the one of before are given an empty one first.
    @Test func dropBeforeATableIsLoaded() {
        var cluster = ScriptedCluster.running(replicas: 1)
        cluster.admin()
        for name in ["S1", "S2"] { _ = cluster.cut(name) }
        #expect(cluster.core.clusterState == .recovering)
        let lines = cluster.send("A1", SetNodeState(nid: NID(.storage, 2), state: .unknown))
        #expect(
            lines == [
                "A1 < SendPartitionTable none", "A1 < Error ACK state changed", "A1 < NotifyNodeInformation S2 UNKNOWN",
            ]
        )
        // A storage that has not told what it has may have the only copies.
        cluster.storage(1, nid: NID(.storage, 1))
        #expect(
            cluster.send("A1", SetNodeState(nid: NID(.storage, 1), state: .unknown)) == [
                "A1 < Error DENIED the partition table is not loaded yet"
            ]
        )
        #expect(cluster.isConnected("S1"))
    }

    /// 19.3.10: an empty storage that is there during a drop is not given changes of a table that it does not have.
    @Test func emptyStorageDuringADrop() {
        var cluster = ScriptedCluster()
        cluster.admin()
        come(1, 7, rows([.upToDate, .upToDate], [.upToDate, .upToDate]), to: &cluster)
        cluster.storage(3)
        cluster.answer("S3", AnswerRecovery(ptid: nil, backupTID: nil, truncateTID: nil))
        let lines = cluster.send("A1", SetNodeState(nid: NID(.storage, 2), state: .unknown))
        #expect(lines.contains("S1 < NotifyPartitionChanges 8 (0 S2 D) (1 S2 D)"))
        #expect(!lines.contains { $0.hasPrefix("S3 < NotifyPartitionChanges") })
        #expect(cluster.core.clusterState == .verifying)
    }

    /// 19.3.12
    @Test func fiveThousandPartitions() {
        var cluster = ScriptedCluster.running(storages: 4, partitions: 5000, replicas: 1)
        #expect(cluster.core.clusterState == .running)
        #expect(cluster.core.table.cellCounts == [.upToDate: 10_000])
        _ = cluster.cut("S4")
        #expect(cluster.core.clusterState == .running)
        #expect(cluster.core.table.cellCounts == [.upToDate: 7500, .outOfDate: 2500])
    }

    /// 19.3.13
    @Test func droppedNodeIsAStrangerAfterARestart() {
        var cluster = ScriptedCluster()
        // Dropped before all stopped: the table of S1 does not name it.
        come(1, 9, rows([.upToDate], [.upToDate]), to: &cluster)
        cluster.verify(storages: 1...1)
        #expect(cluster.core.clusterState == .running)
        #expect(
            cluster.storage(2, nid: NID(.storage, 2)).contains(
                "S2 < NotifyNodeInformation S2 PENDING, M1 RUNNING, S1 RUNNING"
            )
        )
        #expect(cluster.core.table.nids == [NID(.storage, 1)])
    }

    /// 19.4.2: cells that nobody else can replace stay readable; the others do not.
    @Test func replicasAreLostOneAfterTheOther() {
        var cluster = ScriptedCluster.running(storages: 3, partitions: 3, replicas: 1)
        #expect(cluster.tableText(3) == "UU.|U.U|.UU")
        #expect(cluster.cut("S2").last == "S3 < NotifyPartitionChanges 2 (0 S2 O) (2 S2 O)")
        #expect(cluster.core.clusterState == .running)
        #expect(
            cluster.cut("S3").prefix(3) == [
                "S1 < NotifyNodeInformation S3 DOWN", "S1 < NotifyPartitionChanges 3 (1 S3 O)", "S1 < StopOperation",
            ]
        )
        #expect(cluster.core.clusterState == .recovering)
    }

    /// 19.4.3
    @Test func replicasAreLostOneByOne() {
        var cluster = ScriptedCluster.running(storages: 3, partitions: 1, replicas: 2)
        for (name, table) in [("S1", "OUU"), ("S3", "OUO")] {
            _ = cluster.cut(name)
            #expect(cluster.core.clusterState == .running)
            #expect(cluster.tableText(3) == table)
        }
        _ = cluster.cut("S2")
        #expect(cluster.core.clusterState == .recovering)
    }

    /// 19.4.6: a tweak moves a cell to S3, and the one that feeds it is lost meanwhile. It is discarded at once, and no copy
    /// is too many when its node is back, before or after the end of the replication.
    @Test(arguments: [false, true])
    func feedingNodeIsLost(isBackFirst: Bool) throws {
        var cluster = ScriptedCluster.running(storages: 2, partitions: 3, replicas: 1)
        cluster.admin()
        cluster.storage(3)
        cluster.send("A1", AddPendingNodes(nids: [NID(.storage, 3)]))
        cluster.send("S3", NotifyReady())
        cluster.send("A1", TweakPartitionTable(dryRun: false, excluded: []))
        #expect(cluster.tableText(3) == "UU.|UFO|FUO")
        let lines = cluster.cut("S2")
        #expect(cluster.tableText(3) == "UO.|U.O|FOO")
        #expect(lines.contains { $0.hasPrefix("S3 < NotifyPartitionChanges") && $0.contains("(1 S2 D)") })
        #expect(cluster.core.clusterState == .running)
        func comeBack() {
            cluster.storage(2, nid: NID(.storage, 2))
            #expect(cluster.tableText(3) == (isBackFirst ? "UO.|U.O|FOO" : "UO.|U.U|FOU"))
            cluster.send("S2", NotifyReady())
        }
        func replicated(_ name: String, _ partitions: [PartitionID]) {
            cluster.send(name, AskUnfinishedTransactions(partitions: partitions))
            for partition in partitions { cluster.send(name, NotifyReplicationDone(partition: partition, tid: .zero)) }
            // All say that they recorded the table, as often as they are asked.
            for _ in 0..<3 {
                for other in ["S1", "S2", "S3"] { cluster.answer(other, Pong()) }
            }
        }
        if isBackFirst { comeBack() }
        replicated("S3", [1, 2])
        if !isBackFirst { comeBack() }
        replicated("S2", [0, 2])
        #expect(cluster.tableText(3) == "UU.|U.U|.UU")
    }

    enum Moment: CaseIterable { case recovering, verifying, interruptedCommit, running, preparedBefore }

    /// 19.5.2: with an idle connection that said nothing, and transactions of a period that is over.
    @Test(arguments: Moment.allCases)
    func stop(_ moment: Moment) {
        var cluster = ScriptedCluster()
        switch moment {
        case .recovering: cluster.storage(1)
        case .verifying: come(1, 3, rows([.upToDate], [.upToDate]), to: &cluster)
        case .interruptedCommit:
            // One storage has it locked, the other one has not told yet what it has.
            for number in Int32(1)...2 {
                come(number, 3, rows([.upToDate, .upToDate], [.upToDate, .upToDate]), to: &cluster)
            }
            cluster.answer("S1", AnswerLockedTransactions(transactions: [TID(1000): TID(1010)]))
            #expect(cluster.core.clusterState == .verifying)
        case .running: cluster = .running()
        case .preparedBefore:
            cluster = .running()
            cluster.client(1)
            let ttid = cluster.begin("C1")
            cluster.finish("C1", ttid, [2, 3])
            #expect(cluster.core.transactions.hasPrepared)
            _ = cluster.cut("S2")
            #expect(cluster.core.clusterState == .recovering)
        }
        cluster.admin()
        _ = cluster.accept("idle")
        let lines = cluster.send("A1", SetClusterState(state: .stopping))
        #expect(lines.contains("S1 < NotifyNodeInformation S1 DOWN"))
        #expect(lines.contains("S1 closed") && lines.contains("A1 closed") && lines.contains("idle closed"))
        #expect(cluster.exitStatus == 0)
    }

    /// 19.6.4
    /// 1. S1 voted; S2 locked and was lost; S1 alone committed other transactions.
    /// 2. S2 comes back: what it locked is not asked for, since no cell of it is readable, and S1 drops what it voted.
    @Test func lockOfACellThatIsOutOfDateDecidesNothing() {
        var cluster = ScriptedCluster(partitions: 1)
        let table = rows([.upToDate, .outOfDate])
        cluster.storage(2, nid: NID(.storage, 2))
        cluster.answer("S2", AnswerRecovery(ptid: 5, backupTID: nil, truncateTID: nil))
        come(1, 6, table, to: &cluster)
        #expect(cluster.core.clusterState == .verifying)
        #expect(
            cluster.answer("S2", AnswerLockedTransactions(transactions: [TID(1000): TID(1001)])) == [
                "S2 was not asked for AnswerLockedTransactions"
            ]
        )
        let lines = cluster.answer("S1", AnswerLockedTransactions(transactions: [TID(1000): nil]))
        #expect(lines == ["S2 < AskLastIDs", "S1 < AskLastIDs"] || lines == ["S1 < AskLastIDs", "S2 < AskLastIDs"])
    }

    // MARK: Truncation

    /// 19.9.1: all the nodes of the table are waited for, those that missed the order get it, and what comes after is lost.
    @Test func truncationWaitsForAll() {
        var cluster = ScriptedCluster(partitions: 1)
        let table = rows([.upToDate, .outOfDate])
        come(1, 5, table, truncate: TID(1000), to: &cluster)
        #expect(cluster.core.clusterState == .recovering)
        let lines = come(2, 5, table, to: &cluster)
        #expect(lines.contains("S2 < Truncate"))
        #expect(cluster.core.clusterState == .recovering)
        cluster.answer("S2", AnswerRecovery(ptid: 5, backupTID: nil, truncateTID: TID(1000)))
        #expect(cluster.core.clusterState == .verifying)
        cluster.verify(storages: 1...2, lastTID: TID(1000))
        #expect(cluster.core.clusterState == .running)
        #expect(cluster.core.lastTransaction == TID(1000))
        cluster.admin()
        #expect(
            cluster.send("A1", Truncate(tid: TID(1000))) == [
                "A1 < Error DENIED Truncating after last transaction does nothing"
            ]
        )
    }

    /// 19.9.2
    @Test func truncationWithoutAMissingNode() {
        var cluster = ScriptedCluster(partitions: 1)
        cluster.admin()
        come(1, 5, rows([.upToDate, .upToDate]), truncate: TID(1000), to: &cluster)
        #expect(cluster.core.clusterState == .recovering)
        cluster.send("A1", SetClusterState(state: .verifying))
        #expect(cluster.core.clusterState == .verifying)
        #expect(cluster.tableText(2) == "UO")
    }

    /// 19.9.3
    @Test func nodeIsLostDuringATruncation() {
        var cluster = ScriptedCluster(partitions: 1)
        let table = rows([.upToDate, .outOfDate])
        come(1, 5, table, truncate: TID(1000), to: &cluster)
        come(2, 5, table, truncate: TID(1000), to: &cluster)
        #expect(cluster.core.clusterState == .verifying)
        _ = cluster.cut("S2")
        #expect(cluster.core.clusterState == .recovering)
        #expect(cluster.core.recovery.permission == .complete)
    }

    /// 19.9.4, 19.10.3: what was packed cannot be brought back.
    @Test func truncationBeforeAnApprovedPack() {
        var cluster = ScriptedCluster.running(replicas: 1, lastTID: TID(1000))
        cluster.admin()
        cluster.client(1)
        let ttid = cluster.begin("C1")
        cluster.finish("C1", ttid, [], checked: [0, 1], pack: PackRequest(oids: nil, tid: TID(1000)))
        for name in ["S1", "S2"] { cluster.lock(name, ttid) }
        #expect(
            cluster.send("A1", Truncate(tid: TID(1000))) == [
                "A1 < Error DENIED Can not truncate before an approved pack"
            ]
        )
    }
}
