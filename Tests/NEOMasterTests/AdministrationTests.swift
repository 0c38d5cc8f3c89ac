import NEOProtocol
import NEOTopology
import OrderedCollections
import Testing

@testable import NEOMaster

/// Commands of operators (`spec/master.md §14`) and replication as the master sees it (`§10.6`).
@Suite struct AdministrationTests {
    @Test func commandsThatNeedTheService() {
        var cluster = ScriptedCluster()
        cluster.admin()
        let denied = { (name: String) in ["A1 < Error DENIED \(name) RPC can not be used in RECOVERING state"] }
        #expect(cluster.send("A1", AddPendingNodes(nids: [])) == denied("addPendingNodes"))
        #expect(cluster.send("A1", TweakPartitionTable(dryRun: true, excluded: [])) == denied("tweakPartitionTable"))
        #expect(cluster.send("A1", SetNumReplicas(replicas: 1)) == denied("setNumReplicas"))
        #expect(cluster.send("A1", Truncate(tid: .zero)) == denied("truncate"))
        let check = CheckReplicas(partitions: [0: nil], min: .zero, max: nil)
        #expect(cluster.send("A1", check) == denied("checkReplicas"))
        #expect(cluster.isConnected("A1"))
    }

    @Test func statesThatAreDenied() {
        var cluster = ScriptedCluster.running()
        cluster.admin()
        func set(_ state: ClusterState) -> [String] { cluster.send("A1", SetClusterState(state: state)) }
        #expect(set(.verifying) == ["A1 < Error DENIED Can not switch to this state"])
        #expect(set(.stoppingBackup) == ["A1 < Error DENIED Can not switch to this state"])
        #expect(set(.running) == ["A1 < Error DENIED Invalid state requested"])
        #expect(
            set(.startingBackup) == ["A1 < Error DENIED No upstream cluster to backup defined in configuration"]
        )
    }

    @Test func statesOfNodes() {
        var cluster = ScriptedCluster.running()
        cluster.admin()
        cluster.client(1)
        func set(_ nid: NID, _ state: NodeState) -> [String] {
            cluster.send("A1", SetNodeState(nid: nid, state: state))
        }
        #expect(set(NID(.storage, 9), .down) == ["A1 < Error DENIED unknown node"])
        #expect(set(NID(.client, 1), .down) == ["A1 < Error DENIED can not switch node to DOWN state"])
        #expect(set(NID(.storage, 1), .running) == ["A1 < Error DENIED can not switch node to RUNNING state"])
        #expect(set(NID(.master, 1), .down) == ["A1 < Error DENIED can not kill primary master node"])
        #expect(
            set(NID(.storage, 1), .unknown) == ["A1 < Error DENIED a running node must be stopped before removal"]
        )
        #expect(
            set(NID(.storage, 1), .down) == [
                "A1 < Error DENIED Refuse to drop nodes that contain the only readable copies of partition 0"
            ]
        )
    }

    @Test func killAndDrop() {
        var cluster = ScriptedCluster.running(replicas: 1)
        cluster.admin()
        let nid = NID(.storage, 2)
        #expect(
            cluster.send("A1", SetNodeState(nid: nid, state: .down)) == [
                "S2 < NotifyNodeInformation S2 DOWN",
                "S2 closed",
                "S1 < NotifyPartitionChanges 2 (0 S2 O) (1 S2 O)",
                "A1 < NotifyPartitionChanges 2 (0 S2 O) (1 S2 O)",
                "A1 < Error ACK state changed",
                "S1 < NotifyNodeInformation S2 DOWN",
                "A1 < NotifyNodeInformation S2 DOWN",
            ]
        )
        #expect(
            cluster.send("A1", SetNodeState(nid: nid, state: .unknown)) == [
                "S1 < NotifyPartitionChanges 3 (0 S2 D) (1 S2 D)",
                "A1 < NotifyPartitionChanges 3 (0 S2 D) (1 S2 D)",
                "S1 < Ping",
                "S1 < NotifyNodeInformation S2 UNKNOWN",
                "A1 < NotifyNodeInformation S2 UNKNOWN",
            ]
        )
        #expect(cluster.answer("S1", Pong()) == ["A1 < Error ACK node permanently removed"])
        #expect(cluster.core.clusterState == .running)
        // It is a stranger, which can be added again.
        cluster.storage(2, nid: nid)
        #expect(cluster.core.registry[nid]?.state == .pending)
        #expect(cluster.send("A1", AddPendingNodes(nids: [nid])).last == "A1 < Error ACK Nodes added: S2")
    }

    /// The operator waits for all that were told, and not for one that is killed or lost meanwhile.
    @Test(arguments: [true, false])
    func witnessOfARemovalIsLost(isKilled: Bool) {
        var cluster = ScriptedCluster.running(storages: 3, partitions: 1, replicas: 2)
        cluster.admin()
        for state in [NodeState.down, .unknown] {
            cluster.send("A1", SetNodeState(nid: NID(.storage, 3), state: state))
        }
        #expect(cluster.tableText(3) == "UU.")
        #expect(cluster.answer("S1", Pong()) == [])
        let acknowledged = "A1 < Error ACK node permanently removed"
        let lines =
            isKilled ? cluster.send("A1", SetNodeState(nid: NID(.storage, 2), state: .down)) : cluster.cut("S2")
        #expect(lines.contains(acknowledged))
    }

    /// In RECOVERING, those that have another table are not told what changes, and cannot have recorded it.
    @Test func witnessesOfARemovalDuringRecovery() {
        var cluster = ScriptedCluster()
        cluster.admin()
        let row = (1...4).map { CellRecord(nid: NID(.storage, $0), state: .upToDate) }
        for (number, ptid) in [(1, 7), (2, 6)] as [(Int32, Int)] {
            cluster.storage(number, nid: NID(.storage, number))
            cluster.answer("S\(number)", AnswerRecovery(ptid: ptid, backupTID: nil, truncateTID: nil))
        }
        cluster.answer("S1", AnswerPartitionTable(ptid: 7, replicas: 3, rows: [row]))
        let lines = cluster.send("A1", SetNodeState(nid: NID(.storage, 4), state: .unknown))
        #expect(cluster.core.clusterState == .recovering)
        #expect(lines.filter { $0.hasSuffix("Ping") } == ["S1 < Ping"])
        #expect(cluster.answer("S1", Pong()) == ["A1 < Error ACK node permanently removed"])
    }

    /// Those that are given the table only once others recorded it are no witnesses before.
    @Test func witnessesOfARemovalDuringTheVerification() {
        var cluster = ScriptedCluster()
        cluster.admin()
        let states: [CellState] = [.outOfDate, .upToDate, .outOfDate]
        let row = states.enumerated().map { CellRecord(nid: NID(.storage, Int32($0 + 1)), state: $1) }
        cluster.storage(1, nid: NID(.storage, 1))
        cluster.storage(2, nid: NID(.storage, 2))
        cluster.answer("S2", AnswerRecovery(ptid: 8, backupTID: nil, truncateTID: nil))
        cluster.answer("S2", AnswerPartitionTable(ptid: 8, replicas: 2, rows: [row]))
        #expect(cluster.core.clusterState == .verifying)
        let lines = cluster.send("A1", SetNodeState(nid: NID(.storage, 3), state: .unknown))
        #expect(lines.filter { $0.hasSuffix("Ping") } == ["S2 < Ping"])
        #expect(cluster.answer("S2", Pong()) == ["A1 < Error ACK node permanently removed"])
    }

    /// Seeds 3000101, 3000669, 3000716, 3001205, 3002230 and 3002928 of the simulation.
    /// 1. S1 is dead, and nobody noticed yet; S2 is dropped, and its operator is told so, and erases it.
    /// 2. S1 comes back with the table of before: the cluster waits for S2.
    @Test func removalThatNobodyRecorded() {
        var cluster = ScriptedCluster.running(replicas: 1)
        cluster.admin()
        let nid = NID(.storage, 2)
        cluster.send("A1", SetNodeState(nid: nid, state: .down))
        let lines = cluster.send("A1", SetNodeState(nid: nid, state: .unknown))
        #expect(!lines.contains { $0.contains("ACK") })
        #expect(
            cluster.cut("S1").first == "A1 < Error DENIED all storages were lost before they recorded that S2 is "
                + "removed: look, and ask again"
        )
    }

    /// A storage that comes back while its removal is not recorded must not be told to erase itself, whether the operator
    /// who asked for the removal is still there or not.
    @Test(arguments: [true, false])
    func removalThatIsNotRecordedYet(operatorStays: Bool) {
        var cluster = ScriptedCluster.running(replicas: 1)
        cluster.admin()
        let nid = NID(.storage, 2)
        cluster.send("A1", SetNodeState(nid: nid, state: .down))
        cluster.send("A1", SetNodeState(nid: nid, state: .unknown))
        if !operatorStays {
            _ = cluster.cut("A1")
            cluster.admin()
        }
        cluster.storage(2, nid: nid)
        let refusal = "A1 < Error DENIED no storage recorded yet that S2 is removed: ask again"
        #expect(cluster.send("A1", SetNodeState(nid: nid, state: .unknown)) == [refusal])
        #expect(cluster.isConnected("S2"))
        cluster.answer("S1", Pong())
        let lines = cluster.send("A1", SetNodeState(nid: nid, state: .unknown))
        #expect(lines.contains("A1 < Error ACK state changed"))
        #expect(lines.contains("S2 < NotifyNodeInformation S2 UNKNOWN"))
    }

    /// Nobody is left who could record it.
    @Test func removalWithoutWitness() {
        var cluster = ScriptedCluster()
        cluster.admin()
        let nids = [NID(.storage, 1), NID(.storage, 2)]
        cluster.storage(1, nid: nids[0])
        cluster.answer("S1", AnswerRecovery(ptid: 7, backupTID: nil, truncateTID: nil))
        let row = nids.map { CellRecord(nid: $0, state: .upToDate) }
        cluster.answer("S1", AnswerPartitionTable(ptid: 7, replicas: 1, rows: [row]))
        _ = cluster.cut("S1")
        #expect(
            cluster.send("A1", SetNodeState(nid: nids[1], state: .unknown)) == [
                "A1 < Error DENIED no storage is here that could record that S2 is removed"
            ]
        )
        #expect(cluster.tableText(2) == "UU")
    }

    /// Second storage added and replicated, as in transcript `03-replication-and-administration`.
    @Test func tweakAndReplication() {
        var cluster = ScriptedCluster.running(storages: 1)
        cluster.admin()
        cluster.client(1)
        cluster.storage(2)
        cluster.send("A1", AddPendingNodes(nids: [NID(.storage, 2)]))
        cluster.send("S2", NotifyReady())
        #expect(
            cluster.send("A1", TweakPartitionTable(dryRun: true, excluded: [])) == ["A1 < AnswerTweakPartitionTable"]
        )
        #expect(cluster.tableText(2) == "U.|U.")
        let lines = cluster.send("A1", TweakPartitionTable(dryRun: false, excluded: []))
        #expect(lines.contains("S2 < NotifyPartitionChanges 2 (1 S2 O) (1 S1 F)"))
        #expect(lines.last == "A1 < AnswerTweakPartitionTable")
        let ttid = cluster.begin("C1")
        // The end of replication of a cell that nobody announced is a leftover.
        #expect(cluster.send("S2", NotifyReplicationDone(partition: 1, tid: .zero)) == [])
        #expect(
            cluster.send("S2", AskUnfinishedTransactions(partitions: [1])) == ["S2 < AnswerUnfinishedTransactions"]
        )
        guard case .answerUnfinishedTransactions(let answer)? = cluster.last("S2") else { return }
        #expect(answer.ttids == [ttid])
        cluster.finish("C1", ttid, [1])
        cluster.lock("S1", ttid)
        #expect(cluster.lock("S2", ttid).last == "S2 < NotifyTransactionFinished")
        #expect(
            cluster.send("S2", NotifyReplicationDone(partition: 1, tid: .zero)).suffix(3) == [
                "S2 < NotifyPartitionChanges 3 (1 S2 U)",
                "S1 < Ping",
                "S2 < Ping",
            ]
        )
        #expect(cluster.tableText(2) == "U.|FU")
        // The first ping was to know that S1 knows that it is not alone.
        #expect(cluster.answer("S1", Pong()) == [])
        #expect(cluster.answer("S1", Pong()) == [])
        #expect(cluster.answer("S2", Pong()).last == "S2 < NotifyPartitionChanges 4 (1 S1 D)")
        #expect(cluster.tableText(2) == "U.|.U")
        // R9: S1 lost the cell while this was on its way. It has done no wrong, and stays.
        #expect(cluster.send("S1", NotifyReplicationDone(partition: 1, tid: .zero)) == [])
        #expect(cluster.isConnected("S1"))
    }

    /// Only who asked in this life what it has to wait for can have replicated.
    @Test func endOfAReplicationBeforeTheStorageWasLost() {
        var cluster = ScriptedCluster.running(replicas: 1)
        for isAsked in [false, false, true] {
            _ = cluster.cut("S2")
            #expect(cluster.tableText(2) == "UO|UO")
            cluster.storage(2, nid: NID(.storage, 2))
            cluster.send("S2", NotifyReady())
            if isAsked { cluster.send("S2", AskUnfinishedTransactions(partitions: [0, 1])) }
            cluster.send("S2", NotifyReplicationDone(partition: 0, tid: .zero))
            #expect(cluster.tableText(2) == (isAsked ? "UU|UO" : "UO|UO"))
            cluster.send("S2", AskUnfinishedTransactions(partitions: [0, 1]))
        }
    }

    @Test func absentNodesMustBeNamed() {
        var cluster = ScriptedCluster.running(replicas: 1)
        cluster.admin()
        _ = cluster.cut("S2")
        let all = [NID(.storage, 1), NID(.storage, 2)]
        for dryRun in [true, false] {
            #expect(
                cluster.send("A1", TweakPartitionTable(dryRun: dryRun, excluded: [])) == [
                    "A1 < Error DENIED tweak: down nodes must be listed explicitly"
                ]
            )
            #expect(
                cluster.send("A1", TweakPartitionTable(dryRun: dryRun, excluded: all)) == [
                    "A1 < Error DENIED Can't remove all nodes."
                ]
            )
        }
        // Listed, it is left as it is.
        #expect(cluster.tableText(2) == "UO|UO")
        let lines = cluster.send("A1", TweakPartitionTable(dryRun: false, excluded: [NID(.storage, 2)]))
        #expect(lines.last == "A1 < AnswerTweakPartitionTable")
        #expect(cluster.tableText(2) == "UO|UO")
    }

    @Test func numberOfReplicas() {
        var cluster = ScriptedCluster.running()
        cluster.admin()
        #expect(cluster.send("A1", SetNumReplicas(replicas: -1)).first?.contains("DENIED") == true)
        #expect(
            cluster.send("A1", SetNumReplicas(replicas: 1)) == [
                "S1 < NotifyPartitionChanges 2",
                "S2 < NotifyPartitionChanges 2",
                "A1 < NotifyPartitionChanges 2",
                "A1 < Error ACK ",
            ]
        )
    }

    @Test func truncation() {
        var cluster = ScriptedCluster.running(replicas: 1, lastTID: TID(1000))
        cluster.admin()
        func truncate(_ tid: UInt64) -> [String] { cluster.send("A1", Truncate(tid: TID(tid))) }
        #expect(truncate(1000) == ["A1 < Error DENIED Truncating after last transaction does nothing"])
        #expect(truncate(999).first?.contains("Truncating before first transaction") == true)
        cluster.client(1)
        let ttid = cluster.begin("C1")
        cluster.finish("C1", ttid, [])
        for storage in ["S1", "S2"] { cluster.lock(storage, ttid) }
        #expect(
            truncate(1000).prefix(3) == [
                "A1 < Error ACK ",
                "S1 < StopOperation",
                "S1 < Truncate",
            ]
        )
        #expect(cluster.core.clusterState == .recovering)
        #expect(cluster.core.recovery.permission == .complete)
    }

    /// The master that ordered it is lost before S1 hears of it. S2, which recorded the order, would truncate alone.
    @Test func truncationThatNotAllKnow() {
        var cluster = ScriptedCluster(replicas: 1)
        let nids = [NID(.storage, 1), NID(.storage, 2)]
        let row = nids.map { CellRecord(nid: $0, state: .upToDate) }
        cluster.storage(1, nid: nids[0])
        cluster.answer("S1", AnswerRecovery(ptid: 7, backupTID: nil, truncateTID: nil))
        cluster.answer("S1", AnswerPartitionTable(ptid: 7, replicas: 1, rows: [row, row]))
        cluster.storage(2, nid: nids[1])
        let lines = cluster.answer("S2", AnswerRecovery(ptid: 7, backupTID: nil, truncateTID: TID(1000)))
        #expect(lines == ["S1 < Truncate", "S1 < AskRecovery"])
        #expect(cluster.core.clusterState == .recovering)
        cluster.answer("S1", AnswerRecovery(ptid: 7, backupTID: nil, truncateTID: TID(1000)))
        #expect(cluster.core.clusterState == .verifying)
    }

    /// S2 was absent from a truncation, and has the order still.
    @Test func truncationThatIsOver() {
        var cluster = ScriptedCluster(replicas: 1)
        let row = [
            CellRecord(nid: NID(.storage, 1), state: .upToDate), CellRecord(nid: NID(.storage, 2), state: .outOfDate),
        ]
        cluster.storage(2, nid: NID(.storage, 2))
        cluster.answer("S2", AnswerRecovery(ptid: 8, backupTID: nil, truncateTID: TID(1000)))
        cluster.storage(1, nid: NID(.storage, 1))
        cluster.answer("S1", AnswerRecovery(ptid: 9, backupTID: nil, truncateTID: nil))
        let lines = cluster.answer("S1", AnswerPartitionTable(ptid: 9, replicas: 1, rows: [row, row]))
        #expect(!lines.contains("S1 < Truncate"))
        #expect(cluster.core.clusterState == .verifying)
    }

    @Test func packs() {
        var cluster = ScriptedCluster.running(lastTID: TID(1000))
        cluster.client(1)
        func finish(_ pack: PackRequest) -> [String] {
            let ttid = cluster.begin("C1")
            cluster.send(
                "C1",
                AskFinishTransaction(ttid: ttid, stored: [], deleted: [], checked: [0, 1], pack: pack)
            )
            return cluster.lock("S1", ttid) + cluster.lock("S2", ttid)
        }
        let lines = finish(PackRequest(oids: nil, tid: TID(1000)))
        #expect(lines.suffix(2) == ["S1 < NotifyPackSigned", "S2 < NotifyPackSigned"])
        let id = cluster.core.lastTransaction
        #expect(cluster.send("C1", WaitForPack(tid: id)) == [])
        #expect(cluster.send("S1", NotifyPackCompleted(tid: id)) == ["C1 < WaitedForPack"])
        // Forgotten by the master: storages are asked.
        let asked = cluster.send("C1", AskPackOrders(min: TID(1)))
        #expect(asked == ["S1 < AskPackOrders", "S2 < AskPackOrders"])
        #expect(cluster.answer("S1", AnswerPackOrders(orders: [])) == [])
        #expect(cluster.cut("S2").last?.contains("UNKNOWN") == true)
    }

    /// `spec/master.md §14.6`: all of them or none.
    @Test func repair() {
        var cluster = ScriptedCluster.running()
        cluster.admin()
        cluster.storage(3)
        let nids = (1...3).map { NID(.storage, $0) }
        #expect(
            cluster.send("A1", Repair(nids: nids + [NID(.storage, 9)], dryRun: false)) == [
                "A1 < Error DENIED invalid storage node S9"
            ]
        )
        #expect(
            cluster.send("A1", Repair(nids: [nids[0], NID(.master, 1)], dryRun: false)) == [
                "A1 < Error DENIED invalid storage node M1"
            ]
        )
        // Also one that is PENDING.
        for dryRun in [true, false] {
            #expect(
                cluster.send("A1", Repair(nids: nids, dryRun: dryRun)) == [
                    "S1 < NotifyRepair", "S2 < NotifyRepair", "S3 < NotifyRepair", "A1 < Error ACK ",
                ]
            )
            #expect(cluster.last("S3") == .notifyRepair(NotifyRepair(dryRun: dryRun)))
        }
    }

    /// `spec/master.md §14.7`: few nodes check, against all the others or against the one that is named.
    @Test func checkReplicas() {
        var cluster = ScriptedCluster.running(storages: 3, partitions: 3, replicas: 1, lastTID: TID(1000))
        cluster.admin()
        #expect(cluster.tableText(3) == "UU.|U.U|.UU")
        func check(_ partitions: OrderedDictionary<PartitionID, NID?>, max: TID? = nil) -> [String: [CheckPartition]] {
            let before = cluster.sent
            let lines = cluster.send("A1", CheckReplicas(partitions: partitions, min: TID(5), max: max))
            #expect(lines.last == "A1 < Error ACK ")
            var checks: [String: [CheckPartition]] = [:]
            for name in ["S1", "S2", "S3"] {
                for frame in cluster.sent[name, default: []].dropFirst(before[name, default: []].count) {
                    if case .checkPartition(let check) = frame.packet { checks[name, default: []].append(check) }
                }
            }
            return checks
        }
        func expected(_ partition: PartitionID, from address: NodeAddress? = nil, max: UInt64 = 1000) -> CheckPartition
        {
            let source = ReplicationSource(cluster: "", address: address)
            return CheckPartition(partition: partition, source: source, min: TID(5), max: TID(max))
        }
        // The last cell, unless another one checks something already.
        #expect(check([0: nil, 1: nil, 2: nil]) == ["S2": [expected(0), expected(2)], "S3": [expected(1)]])
        let first = NodeAddress(host: "127.0.0.1", port: 20_001)
        #expect(check([0: NID(.storage, 1)], max: TID(7)) == ["S2": [expected(0, from: first, max: 7)]])
        #expect(check([1: nil], max: TID(4)) == [:])
        // Nothing to compare with.
        _ = cluster.cut("S3")
        #expect(cluster.tableText(3) == "UU.|U.O|.UO")
        #expect(check([0: nil, 1: nil, 2: nil]) == ["S2": [expected(0)]])
    }

    /// `spec/master.md §14.10`, from whoever is identified.
    @Test func questions() {
        var cluster = ScriptedCluster.running(lastTID: TID(1000))
        cluster.admin()
        cluster.client(1)
        _ = cluster.accept("M2")
        cluster.send("M2", cluster.identification(.master, port: 10_001))
        for name in ["A1", "C1", "S1", "M2"] {
            cluster.send(name, AskClusterState())
            #expect(cluster.last(name) == .answerClusterState(AnswerClusterState(state: .running)))
            cluster.send(name, AskRecovery())
            let recovery = AnswerRecovery(ptid: 1, backupTID: nil, truncateTID: nil)
            #expect(cluster.last(name) == .answerRecovery(recovery))
            cluster.send(name, AskLastTransaction())
            #expect(cluster.last(name) == .answerLastTransaction(AnswerLastTransaction(tid: TID(1000))))
            cluster.send(name, AskLastIDs())
            let ids = AnswerLastIDs(lastTID: TID(1000), lastOID: .zero, firstTID: TID(1000))
            #expect(cluster.last(name) == .answerLastIDs(ids))
            #expect(cluster.isConnected(name))
        }
        _ = cluster.cut("S2")
        cluster.send("A1", AskClusterState())
        #expect(cluster.last("A1") == .answerClusterState(AnswerClusterState(state: .recovering)))
        // The table is that of storages, which did not tell it yet; or that they are to forget something.
        cluster.send("A1", AskRecovery())
        let unknown = AnswerRecovery(ptid: nil, backupTID: nil, truncateTID: nil)
        #expect(cluster.last("A1") == .answerRecovery(unknown))
        cluster.answer("S1", AnswerRecovery(ptid: 1, backupTID: nil, truncateTID: TID(900)))
        let rows = (1...2).map { [CellRecord(nid: NID(.storage, $0), state: .upToDate)] }
        cluster.answer("S1", AnswerPartitionTable(ptid: 1, replicas: 0, rows: rows))
        cluster.send("A1", AskRecovery())
        let truncating = AnswerRecovery(ptid: 1, backupTID: nil, truncateTID: TID(900))
        #expect(cluster.last("A1") == .answerRecovery(truncating))
    }

    /// `spec/master.md §4.5, §14.8`: whoever is here records the order, also one that is not used yet; clients have to leave.
    @Test func truncationIsToldToAll() {
        var cluster = ScriptedCluster.running(replicas: 1, lastTID: TID(1000))
        cluster.admin()
        cluster.client(1)
        cluster.storage(3)
        let ttid = cluster.begin("C1")
        cluster.finish("C1", ttid, [7])
        for name in ["S1", "S2"] { cluster.lock(name, ttid) }
        #expect(
            cluster.send("A1", Truncate(tid: TID(1000))) == [
                "A1 < Error ACK ",
                "S1 < StopOperation", "S1 < Truncate",
                "S2 < StopOperation", "S2 < Truncate",
                "C1 < StopOperation", "C1 closed",
                "S3 < StopOperation", "S3 < Truncate",
                "S1 < NotifyNodeInformation S1 PENDING, S2 PENDING",
                "S2 < NotifyNodeInformation S1 PENDING, S2 PENDING",
                "A1 < NotifyNodeInformation S1 PENDING, S2 PENDING",
                "S3 < NotifyNodeInformation S1 PENDING, S2 PENDING",
                "S1 < NotifyClusterInformation RECOVERING", "S1 < AskRecovery",
                "S2 < NotifyClusterInformation RECOVERING", "S2 < AskRecovery",
                "A1 < NotifyClusterInformation RECOVERING",
                "S3 < NotifyClusterInformation RECOVERING", "S3 < AskRecovery",
                "S1 < NotifyNodeInformation C1 UNKNOWN",
                "S2 < NotifyNodeInformation C1 UNKNOWN",
                "A1 < NotifyNodeInformation C1 UNKNOWN",
                "S3 < NotifyNodeInformation C1 UNKNOWN",
            ]
        )
        // It begins again with all that have cells, and numbers follow what is left.
        for name in ["S1", "S2"] {
            cluster.answer(name, AnswerRecovery(ptid: 1, backupTID: nil, truncateTID: TID(1000)))
        }
        cluster.answer("S3", AnswerRecovery(ptid: nil, backupTID: nil, truncateTID: TID(1000)))
        let row = (1...2).map { CellRecord(nid: NID(.storage, $0), state: .upToDate) }
        cluster.answer("S1", AnswerPartitionTable(ptid: 1, replicas: 1, rows: [row, row]))
        #expect(cluster.core.clusterState == .verifying)
        for name in ["S1", "S2"] { cluster.answer(name, AnswerLockedTransactions(transactions: [:])) }
        for name in ["S1", "S2", "S3"] {
            cluster.answer(name, AnswerLastIDs(lastTID: TID(1000), lastOID: OID(3), firstTID: TID(1000)))
        }
        for name in ["S1", "S2"] { cluster.answer(name, AnswerPackOrders(orders: [])) }
        for name in ["S1", "S2"] { cluster.send(name, NotifyReady()) }
        #expect(cluster.core.clusterState == .running)
        #expect(cluster.core.lastTransaction == TID(1000))
        cluster.client(1)
        cluster.send("C1", AskNewOIDs(count: 1))
        #expect(cluster.last("C1") == .answerNewOIDs(AnswerNewOIDs(oids: [OID(4)])))
        #expect(cluster.begin("C1") > TID(1000))
    }

    /// Out-of-range values from any peer never trap.
    @Test func hostileInput() {
        var cluster = ScriptedCluster.running()
        cluster.admin()
        #expect(cluster.send("S1", AskPackOrders(min: .zero)) == ["S1 < AnswerPackOrders"])
        #expect(
            cluster.send("A1", CheckReplicas(partitions: [7: nil], min: .zero, max: nil)).first?.contains("DENIED")
                == true
        )
        #expect(
            cluster.send("A1", CheckReplicas(partitions: [0: NID(.client, 1)], min: .zero, max: nil)).first?
                .contains("DENIED") == true
        )
        #expect(
            cluster.send("A1", Repair(nids: [NID(.storage, 9)], dryRun: true)) == [
                "A1 < Error DENIED invalid storage node S9"
            ]
        )
        cluster.client(1)
        let ttid = cluster.begin("C1")
        #expect(
            cluster.send(
                "C1",
                AskFinishTransaction(ttid: ttid, stored: [], deleted: [-1], checked: [.max], pack: nil)
            ).contains("C1 closed")
        )
        cluster.client(1)
        #expect(cluster.begin("C1", .invalid) == .zero)
        cluster.client(1)
        #expect(cluster.send("C1", AskFinalTID(ttid: .invalid)) == ["C1 < AnswerFinalTID"])
        #expect(cluster.send("C1", FailedVote(ttid: .invalid, nids: [])).contains("C1 closed"))
        #expect(cluster.send("S1", AskUnfinishedTransactions(partitions: [99])).contains("S1 closed"))
        #expect(cluster.core.clusterState == .recovering)
        #expect(cluster.send("S2", NotifyReplicationDone(partition: -1, tid: .zero)) == [])
    }
}
