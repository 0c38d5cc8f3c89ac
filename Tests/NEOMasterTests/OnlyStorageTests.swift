import NEOProtocol
import NEOTopology
import Testing

@testable import NEOMaster

/// A storage that believes to be alone does not sync what it votes: no other storage may lock before it.
@Suite struct OnlyStorageTests {
    /// S1 has all the cells; S2 is RUNNING and has none.
    private func grown() -> ScriptedCluster {
        var cluster = ScriptedCluster.running(storages: 1)
        cluster.client(1)
        cluster.admin()
        cluster.storage(2)
        cluster.send("A1", AddPendingNodes(nids: [NID(.storage, 2)]))
        cluster.send("S2", NotifyReady())
        return cluster
    }

    private func tweak(_ cluster: inout ScriptedCluster) {
        let lines = cluster.send("A1", TweakPartitionTable(dryRun: false, excluded: []))
        #expect(lines.contains { $0.hasPrefix("S1 < NotifyPartitionChanges") })
        #expect(lines.contains("S1 < Ping"))
    }

    @Test func transactionThatBeganBeforeTheTableChanged() {
        var cluster = grown()
        let ttid = cluster.begin("C1")
        tweak(&cluster)
        cluster.answer("S1", Pong())
        #expect(cluster.finish("C1", ttid, [2, 3]) == ["S1 < AskLockInformation"])
        #expect(cluster.lock("S1", ttid) == ["S2 < AskLockInformation"])
        #expect(cluster.lock("S2", ttid).first == "C1 < AnswerTransactionFinished")
    }

    @Test func transactionThatBeganBeforeTheTableWasRecorded() {
        var cluster = grown()
        tweak(&cluster)
        let early = cluster.begin("C1")
        cluster.answer("S1", Pong())
        let late = cluster.begin("C1")
        #expect(cluster.finish("C1", early, [2, 3]) == ["S1 < AskLockInformation"])
        #expect(cluster.finish("C1", late, [2, 3]) == ["S1 < AskLockInformation", "S2 < AskLockInformation"])
    }

    /// The other storages are not asked before the first one answered, and not at all if they are gone then.
    @Test func otherStorageIsLost() {
        var cluster = grown()
        let ttid = cluster.begin("C1")
        tweak(&cluster)
        cluster.finish("C1", ttid, [2, 3])
        _ = cluster.cut("S2")
        #expect(cluster.lock("S1", ttid) == ["C1 < AnswerTransactionFinished", "S1 < NotifyUnlockInformation"])
    }

    /// The storage that was alone is replaced by another one, and lost before it locks.
    @Test func onlyStorageIsLost() {
        var cluster = ScriptedCluster.running(storages: 1, replicas: 1)
        cluster.client(1)
        cluster.admin()
        cluster.storage(2)
        cluster.send("A1", AddPendingNodes(nids: [NID(.storage, 2)]))
        cluster.send("S2", NotifyReady())
        let ttid = cluster.begin("C1")
        cluster.send("A1", TweakPartitionTable(dryRun: false, excluded: []))
        cluster.answer("S1", Pong())
        cluster.send("S2", AskUnfinishedTransactions(partitions: [0, 1]))
        for partition in 0..<2 {
            cluster.send("S2", NotifyReplicationDone(partition: partition, tid: .zero))
            cluster.answer("S1", Pong())
        }
        #expect(cluster.tableText(2) == "UU|UU")
        #expect(cluster.finish("C1", ttid, [2, 3]) == ["S1 < AskLockInformation"])
        #expect(cluster.cut("S1").contains("S2 < AskLockInformation"))
        #expect(cluster.lock("S2", ttid).first == "C1 < AnswerTransactionFinished")
    }
}
