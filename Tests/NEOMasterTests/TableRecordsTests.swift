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

    /// S1 up to date; S2 replicated what it has. Both serve.
    private func replicated() -> ScriptedCluster {
        var cluster = ScriptedCluster()
        for number in Int32(1)...2 {
            cluster.storage(number, nid: NID(.storage, number))
            cluster.answer("S\(number)", AnswerRecovery(ptid: 1, backupTID: nil, truncateTID: nil))
        }
        cluster.answer("S1", AnswerPartitionTable(ptid: 1, replicas: 1, rows: rows([.upToDate, .outOfDate])))
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
}
