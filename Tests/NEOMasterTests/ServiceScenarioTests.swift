import NEOEngine
import NEOProtocol
import NEOTopology
import OrderedCollections
import Testing

@testable import NEOMaster

/// Scenarios of `spec/master.md §19.7, §19.8, §19.10 and §19.12` that no other suite has: transactions, packs, operators.
@Suite struct ServiceScenarioTests {
    /// 19.7.6: the end of a replication is that of a cell that was discarded, and assigned again, meanwhile.
    @Test func lateEndOfReplication() {
        var cluster = ScriptedCluster.running(storages: 1)
        cluster.admin()
        cluster.storage(2)
        cluster.send("A1", AddPendingNodes(nids: [NID(.storage, 2)]))
        cluster.send("S2", NotifyReady())
        func tweak(without excluded: [NID] = []) {
            cluster.send("A1", TweakPartitionTable(dryRun: false, excluded: excluded))
        }
        cluster.send("A1", SetNumReplicas(replicas: 1))
        tweak()
        #expect(cluster.tableText(2) == "UO|UO")
        cluster.send("S2", AskUnfinishedTransactions(partitions: [0, 1]))
        cluster.send("A1", SetNumReplicas(replicas: 0))
        tweak()
        #expect(cluster.tableText(2) == "U.|FO")
        cluster.send("A1", SetNumReplicas(replicas: 1))
        tweak()
        #expect(cluster.tableText(2) == "UO|UO")
        // Sent before S2 knew.
        #expect(cluster.send("S2", NotifyReplicationDone(partition: 0, tid: .zero)) == [])
        #expect(cluster.tableText(2) == "UO|UO")
        cluster.send("S2", AskUnfinishedTransactions(partitions: [0]))
        cluster.send("S2", NotifyReplicationDone(partition: 0, tid: .zero))
        #expect(cluster.tableText(2) == "UU|UO")
    }

    // MARK: Transactions

    /// 19.8.2
    @Test func unknownTransaction() {
        var cluster = ScriptedCluster.running()
        cluster.client(1)
        cluster.client(2)
        let ttid = cluster.begin("C2")
        for unknown in [TID(77), ttid] {
            let lines = cluster.finish("C1", unknown, [1])
            #expect(lines.first == "C1 < Error PROTOCOL_ERROR unknown ttid \(unknown)")
            #expect(!cluster.isConnected("C1"))
            cluster.client(1)
        }
        #expect(cluster.core.clusterState == .running)
        #expect(cluster.finish("C2", ttid, [2, 3]) == ["S1 < AskLockInformation", "S2 < AskLockInformation"])
    }

    /// 19.8.4: the transaction that waited involves the storage that it waited for.
    @Test func transactionThatWaitedForAStorage() {
        var cluster = ScriptedCluster.running(replicas: 1)
        cluster.client(1)
        _ = cluster.cut("S2")
        cluster.storage(2, nid: NID(.storage, 2))
        #expect(cluster.begin("C1") == .zero)
        cluster.send("S2", NotifyReady())
        guard case .answerBeginTransaction(let answer)? = cluster.last("C1") else {
            Issue.record("the transaction did not begin")
            return
        }
        #expect(cluster.finish("C1", answer.ttid, [2]) == ["S1 < AskLockInformation", "S2 < AskLockInformation"])
    }

    enum End: CaseIterable { case aborted, finished, finishedWithoutThird }

    /// 19.8.10: in a ring of three storages, C1 cannot write to S2, and C2 cannot write to S1. What becomes of the second vote
    /// is known when the first transaction ends, which cannot be finished any more if S3 is lost, too.
    @Test(arguments: End.allCases)
    func votesThatFailInARing(end: End) {
        var cluster = ScriptedCluster.running(storages: 3, partitions: 3, replicas: 1)
        #expect(cluster.tableText(3) == "UU.|U.U|.UU")
        cluster.client(1)
        cluster.client(2)
        let (first, second) = (cluster.begin("C1"), cluster.begin("C2"))
        #expect(cluster.send("C1", FailedVote(ttid: first, nids: [NID(.storage, 2)])) == ["C1 < Error ACK "])
        #expect(cluster.send("C2", FailedVote(ttid: second, nids: [NID(.storage, 1)])) == [])
        // Nobody is disconnected before the end is known.
        #expect(cluster.tableText(3) == "UU.|U.U|.UU")
        switch end {
        case .aborted:
            #expect(cluster.send("C1", AbortTransaction(ttid: first, nids: [])) == ["C2 < Error ACK "])
            #expect(cluster.tableText(3) == "UU.|U.U|.UU")
            cluster.finish("C2", second, [0, 1, 2])
            #expect(cluster.tableText(3) == "OU.|O.U|.UU")
            for name in ["S2", "S3"] { cluster.lock(name, second) }
            #expect(cluster.finishedTID("C2") != nil)
        case .finished:
            let lines = cluster.finish("C1", first, [0, 1, 2])
            #expect(lines.contains("C2 < Error INCOMPLETE_TRANSACTION "))
            #expect(cluster.tableText(3) == "UO.|U.U|.OU")
            for name in ["S1", "S3"] { cluster.lock(name, first) }
            #expect(cluster.finishedTID("C1") != nil)
        case .finishedWithoutThird:
            // Without S1 nobody has partition 1 any more, whatever becomes of the first transaction.
            #expect(cluster.cut("S3").contains("C2 < Error INCOMPLETE_TRANSACTION "))
            #expect(cluster.tableText(3) == "UU.|U.O|.UO")
            let lines = cluster.finish("C1", first, [0, 1, 2])
            #expect(lines.first == "C1 < Error INCOMPLETE_TRANSACTION ")
            #expect(cluster.core.transactions[first] == nil)
            #expect(cluster.tableText(3) == "UU.|U.O|.UO")
            #expect(cluster.isConnected("S2") && cluster.core.clusterState == .running)
        }
    }

    /// 19.8.11
    @Test func failedVoteWithoutReplica() {
        var cluster = ScriptedCluster.running()
        cluster.client(1)
        let ttid = cluster.begin("C1")
        #expect(
            cluster.send("C1", FailedVote(ttid: ttid, nids: [NID(.storage, 2)])) == [
                "C1 < Error INCOMPLETE_TRANSACTION "
            ]
        )
        #expect(cluster.isConnected("S2") && cluster.core.clusterState == .running)
    }

    /// 19.8.12: after a TID far in the future, the next ones follow it without a gap.
    @Test func tidsAfterOneOfTheFuture() throws {
        var cluster = ScriptedCluster.running(partitions: 1)
        cluster.client(1)
        func commit(_ chosen: TID? = nil) throws -> TID {
            let ttid = cluster.begin("C1", chosen)
            cluster.finish("C1", ttid, [1])
            cluster.lock("S1", ttid)
            return try #require(cluster.finishedTID("C1"))
        }
        let future = try #require(TID(unixTime: cluster.wallTime + 1e9))
        #expect(try commit(future) == future)
        let next = try commit()
        #expect(next.rawValue == future.rawValue + 1)
        #expect(try commit().rawValue == next.rawValue + 1)
    }

    /// 19.8.16: deleted objects are of no interest to clients.
    @Test func deletionsAreNotInvalidations() {
        var cluster = ScriptedCluster.running()
        cluster.client(1)
        cluster.client(2)
        let ttid = cluster.begin("C1")
        cluster.send("C1", AskFinishTransaction(ttid: ttid, stored: [OID(2)], deleted: [1], checked: [], pack: nil))
        cluster.lock("S1", ttid)
        #expect(cluster.lock("S2", ttid).contains("C2 < InvalidateObjects [2]"))
    }

    // MARK: Packs

    /// 19.10.1
    @Test(arguments: [0, 1001] as [UInt64])
    func invalidPackTime(time: UInt64) {
        var cluster = ScriptedCluster.running(lastTID: TID(1000))
        cluster.client(1)
        let ttid = cluster.begin("C1")
        let lines = cluster.finish("C1", ttid, [], checked: [0], pack: PackRequest(oids: nil, tid: TID(time)))
        #expect(lines.first == "C1 < Error PROTOCOL_ERROR invalid pack time")
        #expect(cluster.core.packs.signatures == nil)
    }

    /// 19.10.3 and 19.10.4: all the nodes that ever reported a completion are waited for; who comes late learns of it.
    @Test func packIsCompletedByAll() {
        var cluster = ScriptedCluster.running(replicas: 1, lastTID: TID(1000))
        cluster.client(1)
        for name in ["S1", "S2"] { cluster.send(name, NotifyPackCompleted(tid: .zero)) }
        let ttid = cluster.begin("C1")
        cluster.finish("C1", ttid, [], checked: [0, 1], pack: PackRequest(oids: nil, tid: TID(1000)))
        for name in ["S1", "S2"] { cluster.lock(name, ttid) }
        let id = cluster.core.lastTransaction
        cluster.send("C1", WaitForPack(tid: id))
        #expect(cluster.send("S1", NotifyPackCompleted(tid: id)) == [])
        #expect(cluster.send("S2", NotifyPackCompleted(tid: id)) == ["C1 < WaitedForPack"])
        _ = cluster.cut("S2")
        cluster.storage(2, nid: NID(.storage, 2))
        #expect(cluster.send("S2", NotifyReady()) == ["S2 < NotifyPackSigned"])
        #expect(
            cluster.last("S2") == .notifyPackSigned(NotifyPackSigned(approved: [id], rejected: []))
        )
    }

    /// Seed 31398941 of the simulation: the last cell that had not executed the order is given up.
    @Test func packIsCompletedByThoseThatStay() {
        var cluster = ScriptedCluster.running(partitions: 1, replicas: 1, lastTID: TID(1000))
        cluster.client(1)
        cluster.admin()
        for name in ["S1", "S2"] { cluster.send(name, NotifyPackCompleted(tid: .zero)) }
        let ttid = cluster.begin("C1")
        cluster.finish("C1", ttid, [], checked: [0], pack: PackRequest(oids: nil, tid: TID(1000)))
        for name in ["S1", "S2"] { cluster.lock(name, ttid) }
        cluster.send("C1", WaitForPack(tid: cluster.core.lastTransaction))
        #expect(cluster.send("S1", NotifyPackCompleted(tid: cluster.core.lastTransaction)) == [])
        var lines = cluster.send("A1", SetNumReplicas(replicas: 0))
        lines += cluster.send("A1", TweakPartitionTable(dryRun: false, excluded: []))
        for name in ["S1", "S2"] where cluster.last(name) == .ping(Ping()) { lines += cluster.answer(name, Pong()) }
        #expect(cluster.tableText(2).hasPrefix("U."), "\(cluster.tableText(2))")
        #expect(lines.contains("C1 < WaitedForPack"))
    }

    // MARK: Operators

    /// 19.12.1 and 2: what is refused in which state, without the loss of the connection.
    @Test func denialsByState() {
        let commands: [(name: String, packet: any RequestPayload, states: [ClusterState])] = [
            ("addPendingNodes", AddPendingNodes(nids: []), [.running]),
            ("tweakPartitionTable", TweakPartitionTable(dryRun: true, excluded: []), [.running]),
            ("setNumReplicas", SetNumReplicas(replicas: 0), [.running]),
            ("truncate", Truncate(tid: .zero), [.running]),
            ("checkReplicas", CheckReplicas(partitions: [0: nil], min: .zero, max: nil), [.running]),
        ]
        for state in [ClusterState.recovering, .verifying, .running, .stopping] {
            var cluster = ScriptedCluster(partitions: 1)
            if state == .running || state == .stopping {
                cluster = .running()
                cluster.client(1)
            }
            if state == .verifying {
                cluster.storage(1, nid: NID(.storage, 1))
                cluster.answer("S1", AnswerRecovery(ptid: 1, backupTID: nil, truncateTID: nil))
                let rows = [[CellRecord(nid: NID(.storage, 1), state: .upToDate)]]
                cluster.answer("S1", AnswerPartitionTable(ptid: 1, replicas: 0, rows: rows))
            }
            cluster.admin()
            if state == .stopping {
                _ = cluster.begin("C1")
                cluster.send("A1", SetClusterState(state: .stopping))
            }
            #expect(cluster.core.clusterState == state)
            for command in commands {
                let lines = cluster.send("A1", command.packet)
                let denial = "A1 < Error DENIED \(command.name) RPC can not be used in \(state.name) state"
                #expect((lines == [denial]) == !command.states.contains(state), "\(command.name) in \(state.name)")
            }
            let start = cluster.send("A1", SetClusterState(state: .verifying))
            #expect(
                start == [
                    state == .recovering
                        ? "A1 < Error DENIED Cannot exit recovery without any storage node"
                        : "A1 < Error DENIED Can not switch to this state"
                ]
            )
            let backup = cluster.send("A1", SetClusterState(state: .startingBackup))
            let withClients = "with pending transactions or connected clients"
            #expect(
                backup == [
                    state == .running
                        ? "A1 < Error DENIED Can not switch to STARTING_BACKUP state \(withClients)"
                        : "A1 < Error DENIED Can not switch to this state"
                ]
            )
            #expect(
                cluster.send("A1", SetClusterState(state: .stoppingBackup)) == [
                    "A1 < Error DENIED Can not switch to this state"
                ]
            )
            // What any state has the same words for.
            #expect(
                cluster.send("A1", Repair(nids: [NID(.storage, 9)], dryRun: true)) == [
                    "A1 < Error DENIED invalid storage node S9"
                ]
            )
            for (nid, target, text) in [
                (NID(.storage, 9), NodeState.down, "unknown node"),
                (NID(.master, 1), .unknown, "can not switch node to UNKNOWN state"),
                (NID(.master, 1), .down, "can not kill primary master node"),
                (NID(.admin, 1), .down, "can not switch node to DOWN state"),
            ] {
                let lines = cluster.send("A1", SetNodeState(nid: nid, state: target))
                #expect(lines == ["A1 < Error DENIED \(text)"], "\(nid) in \(state.name)")
            }
            for invalid in [ClusterState.recovering, .running, .backingUp] {
                #expect(
                    cluster.send("A1", SetClusterState(state: invalid)) == [
                        "A1 < Error DENIED Invalid state requested"
                    ]
                )
            }
            #expect(cluster.isConnected("A1"))
        }
    }

    /// 19.12.3
    @Test func logsOfAllNodes() {
        var cluster = ScriptedCluster.running()
        cluster.admin()
        cluster.client(1)
        _ = cluster.accept("M2")
        cluster.send("M2", cluster.identification(.master, port: 10_001))
        #expect(
            Set(cluster.send("A1", FlushLog())) == [
                "S1 < FlushLog", "S2 < FlushLog", "C1 < FlushLog", "M2 < FlushLog",
            ]
        )
    }
}
