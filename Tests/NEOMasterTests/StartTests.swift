import MessagePack
import NEOProtocol
import NEOTopology
import OrderedCollections
import Testing

@testable import NEOMaster

/// From nothing to RUNNING (`spec/master.md §19.3`), in the order of transcript `01-startup-and-neoctl`.
@Suite struct StartTests {
    @Test func newClusterIsStartedByAnOperator() {
        var cluster = ScriptedCluster()
        #expect(
            cluster.storage(1) == [
                "S1 < AcceptIdentification S1",
                "S1 < NotifyNodeInformation S1 PENDING, M1 RUNNING",
                "S1 < AskRecovery",
            ]
        )
        #expect(
            cluster.admin() == [
                "A1 < AcceptIdentification A1",
                "A1 < NotifyNodeInformation A1 RUNNING, M1 RUNNING, S1 PENDING",
                "A1 < SendPartitionTable none",
            ]
        )
        #expect(
            cluster.send("A1", SetClusterState(state: .verifying)).first?.hasPrefix(
                "A1 < Error DENIED Cannot exit recovery now"
            ) == true
        )
        #expect(cluster.answer("S1", AnswerRecovery(ptid: nil, backupTID: nil, truncateTID: nil)) == [])
        #expect(
            cluster.send("A1", SetClusterState(state: .verifying)) == [
                "A1 < Error ACK Cluster state changed",
                "S1 < NotifyNodeInformation S1 RUNNING",
                "A1 < NotifyNodeInformation S1 RUNNING",
                "A1 < SendPartitionTable 1",
                "S1 < NotifyClusterInformation VERIFYING",
                "S1 < SendPartitionTable 1",
                "A1 < NotifyClusterInformation VERIFYING",
                "S1 < AskLockedTransactions",
            ]
        )
        #expect(cluster.answer("S1", AnswerLockedTransactions(transactions: [:])) == ["S1 < AskLastIDs"])
        #expect(cluster.send("S1", NotifyPackCompleted(tid: .zero)) == [])
        #expect(
            cluster.answer("S1", AnswerLastIDs(lastTID: nil, lastOID: nil, firstTID: .max)) == ["S1 < AskPackOrders"]
        )
        #expect(
            cluster.answer("S1", AnswerPackOrders(orders: [])) == [
                "S1 < NotifyClusterInformation RUNNING",
                "S1 < StartOperation",
                "A1 < NotifyClusterInformation RUNNING",
            ]
        )
        #expect(cluster.send("S1", NotifyReady()) == [])
        #expect(
            cluster.send("A1", SetClusterState(state: .stopping)) == [
                "A1 < Error ACK Cluster state changed",
                "S1 < NotifyClusterInformation STOPPING",
                "A1 < NotifyClusterInformation STOPPING",
                "S1 < NotifyNodeInformation S1 DOWN",
                "S1 closed",
                "A1 closed",
                "exit 0",
            ]
        )
    }

    @Test func startWithoutStorageIsDenied() {
        var cluster = ScriptedCluster()
        cluster.admin()
        #expect(
            cluster.send("A1", SetClusterState(state: .verifying)) == [
                "A1 < Error DENIED Cannot exit recovery without any storage node"
            ]
        )
    }

    @Test func autostartWaitsForAllStorages() {
        var cluster = ScriptedCluster(autostart: 2)
        cluster.storage(1)
        #expect(cluster.answer("S1", AnswerRecovery(ptid: nil, backupTID: nil, truncateTID: nil)) == [])
        cluster.storage(2)
        cluster.answer("S2", AnswerRecovery(ptid: nil, backupTID: nil, truncateTID: nil))
        #expect(cluster.core.clusterState == .verifying)
        #expect(cluster.tableText(2) == "U.|.U")
    }

    private func rows(_ states: [CellState]...) -> [[CellRecord]] {
        states.map { row in
            row.enumerated().map { CellRecord(nid: NID(.storage, Int32($0 + 1)), state: $1) }
        }
    }

    /// The newest table is chosen, whoever answers last.
    @Test func newestTableIsLoaded() {
        var cluster = ScriptedCluster()
        cluster.storage(1, nid: NID(.storage, 1))
        cluster.storage(2, nid: NID(.storage, 2))
        #expect(
            cluster.answer("S1", AnswerRecovery(ptid: 4, backupTID: nil, truncateTID: nil)) == [
                "S1 < AskPartitionTable"
            ]
        )
        #expect(
            cluster.answer("S2", AnswerRecovery(ptid: 5, backupTID: nil, truncateTID: nil)) == [
                "S2 < AskPartitionTable"
            ]
        )
        cluster.answer(
            "S2",
            AnswerPartitionTable(ptid: 5, replicas: 1, rows: rows([.outOfDate, .upToDate], [.outOfDate, .upToDate]))
        )
        cluster.answer(
            "S1",
            AnswerPartitionTable(ptid: 4, replicas: 1, rows: rows([.upToDate, .upToDate], [.upToDate, .upToDate]))
        )
        #expect(cluster.core.table.ptid == 5)
        #expect(cluster.core.clusterState == .verifying)
        #expect(cluster.tableText(2) == "OU|OU")
    }

    @Test func anotherStorageIsAskedWhenTheFirstIsLost() {
        var cluster = ScriptedCluster()
        cluster.storage(1, nid: NID(.storage, 1))
        cluster.storage(2, nid: NID(.storage, 2))
        cluster.answer("S1", AnswerRecovery(ptid: 5, backupTID: nil, truncateTID: nil))
        #expect(cluster.answer("S2", AnswerRecovery(ptid: 5, backupTID: nil, truncateTID: nil)) == [])
        #expect(cluster.cut("S1") == ["S2 < AskPartitionTable", "S2 < NotifyNodeInformation S1 DOWN"])
        #expect(cluster.cut("S2") == [])
        #expect(cluster.storage(1, nid: NID(.storage, 1)).contains("S1 < AskRecovery"))
        #expect(
            cluster.answer("S1", AnswerRecovery(ptid: 5, backupTID: nil, truncateTID: nil)) == [
                "S1 < AskPartitionTable"
            ]
        )
    }

    /// 19.3.6: the only storage that is known to have a table is lost before it tells it. No cluster is created over the others,
    /// though there are enough of them.
    @Test(arguments: [true, false])
    func tableThatIsNotKnownYetIsNotMadeAgain(operatorStarts: Bool) {
        var cluster = ScriptedCluster(autostart: operatorStarts ? 0 : 2)
        cluster.admin()
        cluster.storage(1, nid: NID(.storage, 1))
        cluster.answer("S1", AnswerRecovery(ptid: 5, backupTID: nil, truncateTID: nil))
        _ = cluster.cut("S1")
        for number in Int32(2)...3 {
            cluster.storage(number)
            cluster.answer("S\(number)", AnswerRecovery(ptid: nil, backupTID: nil, truncateTID: nil))
        }
        if operatorStarts {
            #expect(
                cluster.send("A1", SetClusterState(state: .verifying)) == ["A1 < Error ACK Cluster state changed"]
            )
        }
        #expect(cluster.core.clusterState == .recovering)
        returns("S1", with: 5, rows([.upToDate], [.upToDate]), to: &cluster)
        #expect(cluster.core.clusterState == .verifying)
        #expect(cluster.core.table.nids == [NID(.storage, 1)])
    }

    /// `spec/master.md §18.5`
    @Test func tableThatNamesOtherNodes() {
        for nid in [NID(.client, 1), NID(.master, 1)] {
            var cluster = ScriptedCluster()
            cluster.storage(1, nid: NID(.storage, 1))
            cluster.answer("S1", AnswerRecovery(ptid: 5, backupTID: nil, truncateTID: nil))
            let row = [CellRecord(nid: NID(.storage, 1), state: .upToDate), CellRecord(nid: nid, state: .upToDate)]
            let lines = cluster.answer("S1", AnswerPartitionTable(ptid: 5, replicas: 1, rows: [row]))
            #expect(lines.first?.hasPrefix("S1 < Error PROTOCOL_ERROR") == true)
            #expect(!cluster.isConnected("S1") && cluster.core.table.ptid == nil)
        }
    }

    /// A missing node that has readable cells is waited for, until it comes or an operator decides.
    @Test(arguments: [true, false])
    func readableCellsAreWaitedFor(operatorStarts: Bool) {
        var cluster = ScriptedCluster()
        cluster.admin()
        cluster.storage(1, nid: NID(.storage, 1))
        cluster.answer("S1", AnswerRecovery(ptid: 7, backupTID: nil, truncateTID: nil))
        cluster.answer(
            "S1",
            AnswerPartitionTable(ptid: 7, replicas: 1, rows: rows([.upToDate, .upToDate], [.upToDate, .upToDate]))
        )
        #expect(cluster.core.clusterState == .recovering)
        if operatorStarts {
            let lines = cluster.send("A1", SetClusterState(state: .verifying))
            let ptid = cluster.core.table.ptid ?? 0
            #expect(ptid > 7 + 1 << 16)
            #expect(lines.contains("A1 < NotifyPartitionChanges \(ptid) (0 S2 O) (1 S2 O)"))
            #expect(cluster.tableText(2) == "UO|UO")
        } else {
            cluster.storage(2, nid: NID(.storage, 2))
            cluster.answer("S2", AnswerRecovery(ptid: 6, backupTID: nil, truncateTID: nil))
            let older = rows([.upToDate, .upToDate], [.upToDate, .outOfDate])
            cluster.answer("S2", AnswerPartitionTable(ptid: 6, replicas: 1, rows: older))
            #expect(cluster.tableText(2) == "UU|UU")
        }
        #expect(cluster.core.clusterState == .verifying)
    }

    /// `spec/master.md §18.3`: the reference marks all cells out of date.
    @Test func killDuringRecoveryLeavesTheTable() {
        var cluster = ScriptedCluster()
        cluster.admin()
        cluster.storage(1, nid: NID(.storage, 1))
        cluster.answer("S1", AnswerRecovery(ptid: 7, backupTID: nil, truncateTID: nil))
        cluster.answer(
            "S1",
            AnswerPartitionTable(ptid: 7, replicas: 1, rows: rows([.upToDate, .upToDate], [.upToDate, .upToDate]))
        )
        #expect(
            cluster.send("A1", SetNodeState(nid: NID(.storage, 2), state: .down)) == [
                "A1 < Error ACK node already in DOWN state"
            ]
        )
        #expect(cluster.tableText(2) == "UU|UU")
        // Dropping the dead node lets the cluster start.
        let lines = cluster.send("A1", SetNodeState(nid: NID(.storage, 2), state: .unknown))
        #expect(lines.contains("S1 < NotifyPartitionChanges 8 (0 S2 D) (1 S2 D)"))
        #expect(cluster.core.clusterState == .verifying)
        #expect(cluster.answer("S1", Pong()) == ["A1 < Error ACK node permanently removed"])
        #expect(cluster.tableText(2) == "U.|U.")
    }

    /// `spec/master.md §18.4`: with an old table, the transactions committed since would be lost. If none was, the absent
    /// storage, which the newer table makes the only readable one, could still start alone under another master (seed 650).
    @Test(arguments: [true, false])
    func oldTableDoesNotStartAlone(isCommitted: Bool) {
        var cluster = ScriptedCluster.running(partitions: 1, replicas: 1)
        _ = cluster.cut("S2")
        #expect(cluster.tableText(2) == "UO")
        if isCommitted {
            cluster.client(1)
            let ttid = cluster.begin("C1")
            cluster.finish("C1", ttid, [])
            cluster.lock("S1", ttid)
        }
        _ = cluster.cut("S1")
        returns("S2", with: 1, rows([.upToDate, .upToDate]), to: &cluster)
        #expect(cluster.core.clusterState == .recovering)
        returns("S1", with: 2, rows([.upToDate, .outOfDate]), to: &cluster)
        #expect(cluster.core.clusterState == .verifying)
        #expect(cluster.tableText(2) == "UO")
    }

    /// Seed 71 of the simulation.
    /// 1. Another master committed with table 5, in which only S1 is readable, and is gone.
    /// 2. This one recovers from S1, which is lost during the verification.
    /// 3. S2 comes with table 4, in which both are readable: it lacks what was committed.
    @Test func tableOfAnotherMasterIsWaitedFor() {
        var cluster = ScriptedCluster()
        returns("S1", with: 5, rows([.upToDate, .outOfDate]), to: &cluster)
        #expect(cluster.core.clusterState == .verifying)
        _ = cluster.cut("S1")
        returns("S2", with: 4, rows([.upToDate, .upToDate]), to: &cluster)
        #expect(cluster.core.clusterState == .recovering)
        returns("S1", with: 5, rows([.upToDate, .outOfDate]), to: &cluster)
        #expect(cluster.core.clusterState == .verifying)
        #expect(cluster.tableText(2) == "UO")
    }

    /// Seed 4056703 of the simulation.
    /// 1. The service ends under this master, which would begin it again without the storages that can be replaced.
    /// 2. Another master, which this one does not see, leads since: it made both storages readable, and serves with S2.
    /// 3. S1 comes back here: two masters must not serve.
    @Test func tableOfAMasterThatLeadsElsewhere() {
        var cluster = ScriptedCluster.running(partitions: 1, replicas: 1)
        _ = cluster.cut("S2")
        _ = cluster.cut("S1")
        #expect(cluster.core.clusterState == .recovering)
        returns("S1", with: 7, rows([.upToDate, .upToDate]), to: &cluster)
        #expect(cluster.core.clusterState == .recovering)
        returns("S2", with: 7, rows([.upToDate, .upToDate]), to: &cluster)
        #expect(cluster.core.clusterState == .verifying)
    }

    /// Seed 9322 of the simulation.
    /// 1. S1 and S2 are connected to this master; the end of the connection of S2 is not noticed, and another master serves
    ///    with it.
    /// 2. If this one began the service, S1 could record a newer table, without what is committed there.
    @Test func storagesAreStillHere() {
        var cluster = ScriptedCluster(replicas: 1, masters: [ElectionTests.other])
        let table = rows([.upToDate, .upToDate])
        returns("S1", with: 7, table, to: &cluster)
        returns("S2", with: 7, table, to: &cluster)
        #expect(cluster.last("S1") == .ping(Ping()) && cluster.last("S2") == .ping(Ping()))
        cluster.answer("S1", Pong())
        #expect(cluster.core.clusterState == .recovering)
        // Another life of S2: both are asked again.
        _ = cluster.cut("S2")
        returns("S2", with: 7, table, to: &cluster)
        #expect(cluster.core.clusterState == .recovering)
        for name in ["S1", "S2"] { cluster.answer(name, Pong()) }
        #expect(cluster.core.clusterState == .verifying)
    }

    /// What S2 says was sent before S1 came: it does not tell that it is here since.
    @Test func answerOfAnEarlierRoundProvesNothing() {
        var cluster = ScriptedCluster(replicas: 1, masters: [ElectionTests.other])
        let table = rows([.upToDate, .upToDate])
        for name in ["S1", "S2"] { returns(name, with: 7, table, to: &cluster) }
        _ = cluster.cut("S1")
        returns("S1", with: 7, table, to: &cluster)
        for name in ["S2", "S1"] { cluster.answer(name, Pong()) }
        #expect(cluster.core.clusterState == .recovering)
        cluster.answer("S2", Pong())
        #expect(cluster.core.clusterState == .verifying)
    }

    /// As above, with a storage that is not needed: what the others say was sent before it came.
    @Test func storageThatComesMeanwhile() {
        var cluster = ScriptedCluster(replicas: 1, masters: [ElectionTests.other])
        let table = rows([.upToDate, .upToDate, .outOfDate])
        for name in ["S1", "S2"] { returns(name, with: 7, table, to: &cluster) }
        cluster.answer("S1", Pong())
        returns("S3", with: 6, table, to: &cluster)
        cluster.answer("S2", Pong())
        #expect(cluster.core.clusterState == .recovering)
        cluster.answer("S1", Pong())
        #expect(cluster.core.clusterState == .recovering)
        cluster.answer("S2", Pong())
        #expect(cluster.core.clusterState == .verifying)
    }

    /// 1. The service ends under a master that knows no other one: it would begin it again without S2.
    /// 2. Another one, which was not configured here, gets known. It may have led with S2 since.
    @Test func masterThatGetsKnownAfterTheService() {
        var cluster = ScriptedCluster(replicas: 1)
        let table = [[1, 2], [3]].map { $0.map { CellRecord(nid: NID(.storage, $0), state: .upToDate) } }
        for name in ["S1", "S2", "S3"] { returns(name, with: 7, table, to: &cluster) }
        cluster.verify(storages: 1...3)
        #expect(cluster.core.clusterState == .running)
        for name in ["S3", "S2"] { _ = cluster.cut(name) }
        #expect(cluster.core.recovery.permission == .partial)
        _ = cluster.accept("M2")
        let younger = cluster.wallTime + 100
        cluster.send("M2", cluster.identification(.master, nid: NID(.master, 1), port: 10_001, timestamp: younger))
        tells("S1", 7, table, to: &cluster)
        returns("S3", with: 7, table, to: &cluster)
        confirm(&cluster)
        #expect(cluster.core.clusterState == .recovering)
        returns("S2", with: 7, table, to: &cluster)
        confirm(&cluster)
        #expect(cluster.core.clusterState == .verifying)
    }

    /// 1. Another master, to which S2 went, begins with both, gives S2 a table of its own, and leads no service without S1.
    /// 2. An operator starts without S2: what is committed here must not be older than that table.
    @Test func startOfAnOperatorIsNewerThanATakeOver() {
        var cluster = ScriptedCluster(replicas: 1, masters: [ElectionTests.other])
        cluster.admin()
        returns("S1", with: 7, rows([.upToDate, .upToDate]), to: &cluster)
        cluster.send("A1", SetClusterState(state: .verifying))
        confirm(&cluster)
        #expect(cluster.core.clusterState == .verifying)
        #expect(cluster.core.table.ptid ?? 0 > 7 + 1 << 17)
    }

    /// Seed 1795 of the simulation.
    /// 1. Another master leads, and does not notice that S1 and S2 left: it tells a spare one that is still there of tables 8 to 10.
    /// 2. What is committed under this master must have a table that is newer than all of them.
    @Test(arguments: [false, true])
    func takeOverIsRecorded(isAlone: Bool) {
        var cluster = ScriptedCluster(replicas: 1, masters: isAlone ? [] : [ElectionTests.other])
        let table = rows([.upToDate, .upToDate])
        for name in ["S1", "S2"] { returns(name, with: 7, table, to: &cluster) }
        confirm(&cluster)
        #expect(cluster.core.clusterState == .verifying)
        #expect(cluster.tableText(2) == "UU")
        let ptid = cluster.core.table.ptid ?? 0
        guard case .sendPartitionTable(let told)? = cluster.sent["S1"]?.suffix(2).first?.packet else {
            Issue.record("no table")
            return
        }
        #expect(told.ptid == ptid)
        // Only where masters can take over from each other.
        guard !isAlone else { return #expect(ptid == 7) }
        #expect(ptid > 7 + 1 << 16)
        // Without one that did not record it, the service does not begin, and the table stays.
        _ = cluster.cut("S2")
        #expect(cluster.core.clusterState == .recovering)
        tells("S1", ptid, table, to: &cluster)
        #expect(cluster.core.clusterState == .recovering)
        returns("S2", with: 7, table, to: &cluster)
        confirm(&cluster)
        #expect(cluster.core.clusterState == .verifying)
        // Another master may have led meanwhile.
        #expect(cluster.core.table.ptid ?? 0 > ptid)
    }

    /// Seed 4075380 of the simulation.
    /// 1. The first table was recorded by S1 only; a new master begins with it, and with S2, which has none.
    /// 2. It is lost before S2 recorded what it gave. S2 must still be known as an owner that did not record its table yet.
    @Test func firstTableOfALostMasterStaysTheFirst() {
        var cluster = ScriptedCluster(replicas: 1, autostart: 2, masters: [ElectionTests.other])
        cluster.storage(2, nid: NID(.storage, 2))
        cluster.answer("S2", AnswerRecovery(ptid: nil, backupTID: nil, truncateTID: nil))
        returns("S1", with: 1, rows([.upToDate, .upToDate]), to: &cluster)
        confirm(&cluster)
        #expect(cluster.core.clusterState == .verifying)
        #expect(cluster.core.table.ptid == 1)
    }

    /// 1. The service ends under this master with the loss of S3, and S2 is lost, too.
    /// 2. S3 comes back. Another master, if there is one, may have led with S2 meanwhile, and S3 not have recorded what it gave.
    @Test(arguments: [false, true])
    func serviceBeginsAgainWithAllIfThereAreOtherMasters(hasPeers: Bool) {
        let table = [[1, 2], [3]].map { $0.map { CellRecord(nid: NID(.storage, $0), state: .upToDate) } }
        var cluster = ScriptedCluster(replicas: 1, masters: hasPeers ? [ElectionTests.other] : [])
        for name in ["S1", "S2", "S3"] { returns(name, with: 7, table, to: &cluster) }
        confirm(&cluster)
        cluster.verify(storages: 1...3)
        #expect(cluster.core.clusterState == .running)
        _ = cluster.cut("S3")
        for name in ["S1", "S2"] { tells(name, 7, table, to: &cluster) }
        _ = cluster.cut("S2")
        returns("S3", with: 7, table, to: &cluster)
        confirm(&cluster)
        #expect(cluster.core.clusterState == (hasPeers ? .recovering : .verifying))
        guard hasPeers else { return }
        returns("S2", with: 7, table, to: &cluster)
        confirm(&cluster)
        #expect(cluster.core.clusterState == .verifying)
    }

    /// Storages say that they are here, if they are asked.
    private func confirm(_ cluster: inout ScriptedCluster) {
        for name in ["S1", "S2", "S3"] where cluster.isConnected(name) && cluster.last(name) == .ping(Ping()) {
            cluster.answer(name, Pong())
        }
    }

    /// Seed 3001667 of the simulation.
    /// 1. S1 became readable with table 2, which S2 did not record; S2 is lost, and the service ends.
    /// 2. S2 is back with table 1; S1 is connected, and did not say yet what it has: the service begins with S2.
    /// 3. The table with which S2 commits now must be newer than the one of S1.
    @Test func tableOfAStorageThatDoesNotAnswer() {
        var cluster = ScriptedCluster()
        cluster.storage(1, nid: NID(.storage, 1))
        returns("S2", with: 1, rows([.outOfDate, .upToDate]), to: &cluster)
        cluster.answer("S1", AnswerRecovery(ptid: 1, backupTID: nil, truncateTID: nil))
        if cluster.core.clusterState == .recovering { Issue.record("not started") }
        cluster.answer("S2", AnswerLockedTransactions(transactions: [:]))
        for number in 1...2 {
            cluster.answer("S\(number)", AnswerLastIDs(lastTID: nil, lastOID: nil, firstTID: .max))
        }
        cluster.answer("S2", AnswerPackOrders(orders: []))
        for number in 1...2 { cluster.send("S\(number)", NotifyReady()) }
        cluster.send("S1", AskUnfinishedTransactions(partitions: [0]))
        cluster.send("S1", NotifyReplicationDone(partition: 0, tid: .zero))
        let given = cluster.core.table.ptid ?? 0
        _ = cluster.cut("S2")
        #expect(cluster.core.clusterState == .recovering)
        // S1 is asked, and does not answer.
        returns("S2", with: given - 1, rows([.outOfDate, .upToDate]), to: &cluster)
        #expect(cluster.core.clusterState == .verifying)
        #expect(cluster.core.table.ptid ?? 0 > given)
    }

    /// Seed 71128 of the simulation.
    /// 1. S2 alone served with table 6, and was lost before it recorded tables 7 to 9, by which S1 got readable.
    /// 2. A new master starts with S2; nothing changes in the table, and transactions are committed.
    /// 3. The service ends, and S1 comes first, with table 9: it lacks them.
    @Test func tableOfAMasterThatIsGoneIsOlder() {
        var cluster = ScriptedCluster()
        returns("S2", with: 6, rows([.outOfDate, .upToDate]), to: &cluster)
        #expect(cluster.core.clusterState == .verifying)
        let ptid = cluster.core.table.ptid ?? 0
        #expect(ptid > 6 + 1 << 16)
        _ = cluster.cut("S2")
        returns("S1", with: 9, rows([.upToDate, .upToDate]), to: &cluster)
        #expect(cluster.core.clusterState == .recovering)
        returns("S2", with: ptid, rows([.outOfDate, .upToDate]), to: &cluster)
        #expect(cluster.core.clusterState == .verifying)
        #expect(cluster.tableText(2) == "OU")
    }

    /// Seed 4055557 of the simulation.
    /// 1. S2 is the only readable one, and others are absent: a new master moves on to a table that is far ahead.
    /// 2. S1 comes before S2 recorded this table. All are lost; S1 alone would have it, if it was given to it.
    /// 3. The next master begins without S1 once more, with a table that need not be beyond, and refuses S1 for ever.
    @Test(arguments: [false, true])
    func tableFarAheadIsRecordedWhereItIsNeeded(isPresent: Bool) {
        var cluster = ScriptedCluster()
        if isPresent { cluster.storage(1, nid: NID(.storage, 1)) }
        if isPresent { cluster.answer("S1", AnswerRecovery(ptid: 7, backupTID: nil, truncateTID: nil)) }
        returns("S2", with: 8, rows([.outOfDate, .upToDate, .outOfDate]), to: &cluster)
        if !isPresent { cluster.storage(1, nid: NID(.storage, 1)) }
        #expect(cluster.core.clusterState == .verifying)
        let ptid = cluster.core.table.ptid ?? 0
        func isTold(_ name: String) -> Bool {
            cluster.sent[name, default: []].contains { frame in
                if case .sendPartitionTable(let table) = frame.packet { table.ptid == ptid } else { false }
            }
        }
        #expect(isTold("S2"))
        #expect(ptid > 8 + 1 << 16)
        cluster.answer("S2", AnswerLockedTransactions(transactions: [:]))
        #expect(!isTold("S1"))
        let lines = cluster.answer("S2", AnswerLastIDs(lastTID: nil, lastOID: nil, firstTID: .max))
        #expect(isTold("S1"))
        #expect(lines.last == "S1 < AskLastIDs")
        cluster.answer("S1", AnswerLastIDs(lastTID: nil, lastOID: nil, firstTID: .max))
        cluster.answer("S2", AnswerPackOrders(orders: []))
        #expect(cluster.core.clusterState == .running)
    }

    /// The same, and S1 does not wait, or is given up.
    @Test(arguments: [false, true])
    func tableFarAheadAndAStorageThatIsLost(isRemoved: Bool) {
        var cluster = ScriptedCluster()
        cluster.admin()
        cluster.storage(1, nid: NID(.storage, 1))
        returns("S2", with: 8, rows([.outOfDate, .upToDate, .outOfDate]), to: &cluster)
        cluster.answer("S2", AnswerLockedTransactions(transactions: [:]))
        if isRemoved {
            cluster.send("A1", SetNodeState(nid: NID(.storage, 1), state: .down))
        } else {
            _ = cluster.cut("S1")
        }
        cluster.answer("S2", AnswerLastIDs(lastTID: nil, lastOID: nil, firstTID: .max))
        cluster.answer("S2", AnswerPackOrders(orders: []))
        #expect(cluster.core.clusterState == .running)
    }

    /// Seed 4011482 of the simulation.
    /// 1. The machines of S1 and S2 lose their power, and M1 does not notice: it leads, and only S2 is readable.
    /// 2. M2 leads too; S1 gets readable, and locks a commit, which is acknowledged. All that was done is lost but the lock.
    /// 3. S1 comes to M1, in service: it would record the older table, and drop the lock, before it comes back as readable.
    @Test func storageThatServedUnderAnotherMaster() {
        var cluster = ScriptedCluster.running(replicas: 1)
        _ = cluster.cut("S1")
        let ptid = Int64(cluster.core.table.ptid ?? 0)
        func extra(_ ptid: Int64) -> Properties { Properties(["ptid": .integer(ptid)]) }
        #expect(
            cluster.storage(1, nid: NID(.storage, 1), extra: extra(ptid + 3)) == [
                "S1 < Error NOT_READY S1 has partition table \(ptid + 3), and this master \(ptid): another master led",
                "S1 closed",
            ]
        )
        // Who has no cell has nothing to give up.
        #expect(
            cluster.storage(3, nid: NID(.storage, 3), extra: extra(ptid + 3)).contains("S3 < AcceptIdentification S3")
        )
        // S2 is noticed to be lost: all begins with the newest table.
        _ = cluster.cut("S2")
        #expect(cluster.storage(1, nid: NID(.storage, 1), extra: extra(ptid + 3)).contains("S1 < AskRecovery"))
    }

    /// Seed 30741 of the simulation with packs.
    /// 1. A table in which only S1 is readable was recorded by S3 alone, which has no cell in it.
    /// 2. Another master, which did not see S3, gave the same PTID to a table in which only S2 is readable, and committed.
    @Test(arguments: [
        ["S3", "S1", "S2"], ["S1", "S3", "S2"], ["S1", "S2", "S3"], ["S3", "S2", "S1"], ["S2", "S3", "S1"],
    ])
    func tableOfABystanderGivesWay(order: [String]) {
        var cluster = ScriptedCluster()
        let tables: [String: (ptid: Int, rows: [[CellRecord]])] = [
            "S1": (4, rows([.upToDate, .upToDate])),
            "S2": (5, rows([.outOfDate, .upToDate])),
            "S3": (5, rows([.upToDate, .outOfDate])),
        ]
        for storage in order {
            let number = Int32(storage.dropFirst()) ?? 0
            cluster.storage(number, nid: NID(.storage, number))
            _ = cluster.answer(storage, AnswerRecovery(ptid: tables[storage]?.ptid, backupTID: nil, truncateTID: nil))
            // Whoever is asked for a table, again if need be.
            for name in order + order {
                guard let table = tables[name] else { continue }
                _ = cluster.answer(name, AnswerPartitionTable(ptid: table.ptid, replicas: 1, rows: table.rows))
            }
        }
        #expect(cluster.core.clusterState != .recovering)
        #expect(cluster.tableText(2) == "OU")
    }

    /// Seed 3002634 of the simulation.
    /// 1. S1 recorded table 43, in which it has no cell any more: it deleted its data, or is another storage.
    /// 2. S2, which alone has what was committed since, comes with table 39, in which both are readable.
    /// 3. The service begins with S2; S1 has to be filled.
    @Test(arguments: [["S1", "S2"], ["S2", "S1"]])
    func bystanderHasNoneOfItsCells(order: [String]) {
        var cluster = ScriptedCluster()
        let both = rows([.upToDate, .upToDate])
        let tables: [String: (ptid: Int, rows: [[CellRecord]])] = [
            "S1": (43, [[CellRecord(nid: NID(.storage, 2), state: .upToDate)]]),
            "S2": (39, both),
        ]
        for storage in order {
            let number = Int32(storage.dropFirst()) ?? 0
            cluster.storage(number, nid: NID(.storage, number))
            _ = cluster.answer(storage, AnswerRecovery(ptid: tables[storage]?.ptid, backupTID: nil, truncateTID: nil))
            for name in order + order {
                guard let table = tables[name] else { continue }
                _ = cluster.answer(name, AnswerPartitionTable(ptid: table.ptid, replicas: 1, rows: table.rows))
            }
        }
        #expect(cluster.core.clusterState == .verifying)
        #expect(cluster.tableText(2) == "OU")
        #expect(cluster.core.table.ptid ?? 0 > 43)
    }

    /// The storage with cells is lost before the table of the other one comes, which is left for its own when it is back.
    @Test func ownerIsLostBeforeTheTableOfABystander() {
        var cluster = ScriptedCluster()
        for number in Int32(1)...2 { cluster.storage(number, nid: NID(.storage, number)) }
        cluster.answer("S1", AnswerRecovery(ptid: 43, backupTID: nil, truncateTID: nil))
        cluster.answer("S2", AnswerRecovery(ptid: 39, backupTID: nil, truncateTID: nil))
        _ = cluster.cut("S2")
        let elsewhere = [[CellRecord(nid: NID(.storage, 2), state: .upToDate)]]
        cluster.answer("S1", AnswerPartitionTable(ptid: 43, replicas: 0, rows: elsewhere))
        #expect(cluster.core.table.ptid == 43 && cluster.core.clusterState == .recovering)
        returns("S2", with: 39, elsewhere, to: &cluster)
        #expect(cluster.core.clusterState == .verifying)
    }

    /// As above, and nobody else has the partition: an operator cannot start either.
    @Test func bystanderWithTheOnlyReadableCell() {
        var cluster = ScriptedCluster()
        cluster.admin()
        cluster.storage(1, nid: NID(.storage, 1))
        cluster.answer("S1", AnswerRecovery(ptid: 43, backupTID: nil, truncateTID: nil))
        let elsewhere = [[CellRecord(nid: NID(.storage, 3), state: .upToDate)]]
        cluster.answer("S1", AnswerPartitionTable(ptid: 43, replicas: 0, rows: elsewhere))
        cluster.storage(2, nid: NID(.storage, 2))
        cluster.answer("S2", AnswerRecovery(ptid: 39, backupTID: nil, truncateTID: nil))
        cluster.answer("S2", AnswerPartitionTable(ptid: 39, replicas: 0, rows: rows([.upToDate, .outOfDate])))
        cluster.send("A1", SetClusterState(state: .verifying))
        #expect(cluster.core.recovery.targetPTID == 39)
        #expect(cluster.core.clusterState == .recovering)
    }

    /// An operator may start with an old table; what becomes of it must not be taken for the newer one.
    @Test func ptidIsNotGivenTwice() {
        var cluster = ScriptedCluster.running(partitions: 1, replicas: 1)
        cluster.admin()
        _ = cluster.cut("S2")
        #expect(cluster.core.table.ptid == 2)
        _ = cluster.cut("S1")
        returns("S2", with: 1, rows([.upToDate, .upToDate]), to: &cluster)
        let lines = cluster.send("A1", SetClusterState(state: .verifying))
        #expect(lines.contains("A1 < NotifyPartitionChanges 3 (0 S1 O)"))
    }

    private func returns(_ storage: String, with ptid: Int, _ rows: [[CellRecord]], to cluster: inout ScriptedCluster) {
        let number = Int32(storage.dropFirst()) ?? 0
        cluster.storage(number, nid: NID(.storage, number))
        tells(storage, ptid, rows, to: &cluster)
    }

    private func tells(_ storage: String, _ ptid: Int, _ rows: [[CellRecord]], to cluster: inout ScriptedCluster) {
        cluster.answer(storage, AnswerRecovery(ptid: ptid, backupTID: nil, truncateTID: nil))
        cluster.answer(storage, AnswerPartitionTable(ptid: ptid, replicas: 1, rows: rows))
    }
}
