import MessagePack
import NEOEngine
import NEOProtocol
import NEOTopology
import OrderedCollections
import Testing

@testable import NEOMaster

/// Late messages, peers that overstep, and losses at bad moments (`spec/master.md §18`), where no other suite has them.
@Suite struct RobustnessTests {
    // MARK: Messages and connections (§18.1)

    /// All that a storage may send before it learns that the service is over.
    @Test func lateMessagesOfAStorageAreIgnored() {
        var cluster = ScriptedCluster.running()
        _ = cluster.cut("S2")
        #expect(cluster.core.clusterState == .recovering)
        #expect(cluster.send("S1", NotifyReady()) == [])
        #expect(cluster.send("S1", NotifyReplicationDone(partition: 0, tid: TID(1))) == [])
        #expect(cluster.send("S1", NotifyPackCompleted(tid: TID(1))) == [])
        #expect(cluster.send("S1", AskUnfinishedTransactions(partitions: [0])) == [])
        #expect(cluster.send("S1", AskPackOrders(min: TID(1))) == [])
        #expect(cluster.send("S1", NotifyPartitionCorrupted(partition: 0, nids: [])) == [])
        #expect(cluster.isConnected("S1"))
        let cell = CellRecord(nid: NID(.storage, 1), state: .upToDate)
        let other = CellRecord(nid: NID(.storage, 2), state: .upToDate)
        cluster.answer("S1", AnswerRecovery(ptid: 1, backupTID: nil, truncateTID: nil))
        cluster.answer("S1", AnswerPartitionTable(ptid: 1, replicas: 0, rows: [[cell], [other]]))
        #expect(cluster.core.table.ptid == 1)
    }

    @Test func secondFinishIsRefused() {
        var cluster = ScriptedCluster.running()
        cluster.client(1)
        let ttid = cluster.begin("C1")
        cluster.finish("C1", ttid, [2, 3])
        let lines = cluster.finish("C1", ttid, [2, 3])
        #expect(lines.first == "C1 < Error PROTOCOL_ERROR commit already requested for ttid \(ttid)")
        #expect(!lines.contains { $0.hasSuffix("AskLockInformation") })
        // The first one goes on.
        cluster.lock("S1", ttid)
        #expect(cluster.lock("S2", ttid) == ["S1 < NotifyUnlockInformation", "S2 < NotifyUnlockInformation"])
        #expect(cluster.core.lastTransaction >= ttid)
    }

    @Test func transactionsOfOthersAreOutOfReach() {
        for number in 0..<3 {
            var cluster = ScriptedCluster.running(replicas: 1)
            cluster.client(1)
            cluster.client(2)
            let ttid = cluster.begin("C1")
            switch number {
            case 0:
                let lines = cluster.send("C2", FailedVote(ttid: ttid, nids: [NID(.storage, 2)]))
                #expect(lines.first == "C2 < Error PROTOCOL_ERROR unknown ttid \(ttid)")
            case 1:
                #expect(cluster.finish("C2", ttid, [2]).first == "C2 < Error PROTOCOL_ERROR unknown ttid \(ttid)")
            default:
                #expect(cluster.send("C2", AbortTransaction(ttid: ttid, nids: [NID(.storage, 1)])) == [])
            }
            #expect(cluster.core.transactions[ttid]?.failed == [])
            cluster.finish("C1", ttid, [2])
            cluster.lock("S1", ttid)
            #expect(cluster.lock("S2", ttid).first == "C1 < AnswerTransactionFinished")
        }
    }

    /// A storage: `IdentificationTests.storageThatComesBackReplacesItself`.
    @Test(arguments: [NodeType.master, .admin])
    func nodeThatComesBackReplacesItself(type: NodeType) {
        var cluster = ScriptedCluster.running()
        let nid = NID(type, type == .master ? 2 : 1)
        _ = cluster.accept("first")
        #expect(
            cluster.send("first", cluster.identification(type, nid: nid, port: 30_000, timestamp: 2e9))
                .contains("first < AcceptIdentification \(nid)")
        )
        _ = cluster.accept("again")
        let lines = cluster.send("again", cluster.identification(type, nid: nid, port: 30_000, timestamp: 2e9))
        #expect(lines.first == "first closed")
        #expect(lines.contains("again < AcceptIdentification \(nid)"))
        // Its end is not that of the new one.
        #expect(cluster.core.registry[nid]?.isIdentified == true)
    }

    /// A client that is told that the service stops comes back, with its id, before its old connection is really over.
    @Test func endOfAnOldConnectionDoesNotForgetTheNewNode() throws {
        var cluster = ScriptedCluster.running()
        cluster.admin()
        cluster.client(1)
        let old = try #require(cluster.connection("C1"))
        _ = cluster.cut("S2")
        cluster.storage(2, nid: NID(.storage, 2))
        let rows = [
            [CellRecord(nid: NID(.storage, 1), state: .upToDate)],
            [CellRecord(nid: NID(.storage, 2), state: .upToDate)],
        ]
        for name in ["S1", "S2"] { cluster.answer(name, AnswerRecovery(ptid: 1, backupTID: nil, truncateTID: nil)) }
        cluster.answer("S1", AnswerPartitionTable(ptid: 1, replicas: 0, rows: rows))
        cluster.verify(storages: 1...2)
        #expect(cluster.core.clusterState == .running)
        #expect(cluster.client(1, nid: NID(.client, 1)).contains("C1 < AcceptIdentification C1"))
        #expect(cluster.event(.closed(old, .closedByPeer)) == [])
        #expect(cluster.core.registry[NID(.client, 1)]?.isIdentified == true)
        #expect(cluster.begin("C1") != .zero)
    }

    /// A storage with readable cells that never gets ready is disconnected if the cluster can do without it.
    @Test func storageThatNeverGetsReadyIsDisconnected() {
        var cluster = ScriptedCluster(partitions: 2, replicas: 1, autostart: 2)
        for number in Int32(1)...2 {
            cluster.storage(number)
            cluster.answer("S\(number)", AnswerRecovery(ptid: nil, backupTID: nil, truncateTID: nil))
        }
        cluster.verify(storages: 1...2, ready: 1...1)
        cluster.client(1)
        #expect(cluster.send("C1", AskBeginTransaction(tid: nil)) == [])
        let lines = cluster.fire(.readiness(NID(.storage, 2)))
        #expect(lines.contains("S2 closed"))
        #expect(lines.contains("C1 < AnswerBeginTransaction"))
        #expect(cluster.tableText(2) == "UO|UO")
    }

    /// The same, and nobody else has what it has: it is waited for.
    @Test func storageThatIsNeededAndNotReady() {
        var cluster = ScriptedCluster(partitions: 2, autostart: 2)
        for number in Int32(1)...2 {
            cluster.storage(number)
            cluster.answer("S\(number)", AnswerRecovery(ptid: nil, backupTID: nil, truncateTID: nil))
        }
        cluster.verify(storages: 1...2, ready: 1...1)
        cluster.client(1)
        #expect(cluster.send("C1", AskBeginTransaction(tid: nil)) == [])
        let timer = TimerID.readiness(NID(.storage, 2))
        #expect(cluster.fire(timer) == [])
        #expect(cluster.isConnected("S2") && cluster.timers[timer] != nil)
        #expect(cluster.send("S2", NotifyReady()) == ["C1 < AnswerBeginTransaction"])
        #expect(cluster.timers[timer] == nil)
    }

    // MARK: Transaction identifiers (§18.2)

    @Test func lastIDsWhileAnOlderTransactionIsInProgress() {
        var cluster = ScriptedCluster.running()
        cluster.admin()
        cluster.client(1)
        cluster.client(2)
        _ = cluster.begin("C2")
        let ttid = cluster.begin("C1")
        cluster.finish("C1", ttid, [2, 3])
        cluster.lock("S1", ttid)
        cluster.lock("S2", ttid)
        cluster.send("A1", AskLastIDs())
        guard case .answerLastIDs(let answer)? = cluster.last("A1") else {
            Issue.record("no answer")
            return
        }
        #expect(answer.lastTID == cluster.core.lastTransaction)
        #expect(answer.lastOID == OID(3))
    }

    // MARK: States of the cluster (§18.3)

    private func rows(_ states: CellState...) -> [[CellRecord]] {
        let row = states.enumerated().map { CellRecord(nid: NID(.storage, Int32($0 + 1)), state: $1) }
        return [row, row]
    }

    private func returns(_ storage: String, with ptid: Int?, to cluster: inout ScriptedCluster) {
        let number = Int32(storage.dropFirst()) ?? 0
        cluster.storage(number, nid: ptid.map { _ in NID(.storage, number) })
        cluster.answer(storage, AnswerRecovery(ptid: ptid, backupTID: nil, truncateTID: nil))
    }

    /// A connected storage is killed before the start: the table is what its storages recorded, whatever was killed.
    @Test func killOfAConnectedStorageDuringRecovery() {
        var cluster = ScriptedCluster()
        cluster.admin()
        returns("S1", with: 7, to: &cluster)
        cluster.answer("S1", AnswerPartitionTable(ptid: 7, replicas: 2, rows: rows(.upToDate, .upToDate, .upToDate)))
        returns("S2", with: 7, to: &cluster)
        let lines = cluster.send("A1", SetNodeState(nid: NID(.storage, 2), state: .down))
        #expect(
            lines == [
                "S2 < NotifyNodeInformation S2 DOWN", "S2 closed", "A1 < Error ACK state changed",
                "A1 < NotifyNodeInformation S2 DOWN", "S1 < NotifyNodeInformation S2 DOWN",
            ]
        )
        #expect(cluster.tableText(3) == "UUU|UUU")
        #expect(cluster.core.table.ptid == 7)
    }

    /// A storage that has no table, or an older one, cannot be told what changes in it.
    @Test func changesDuringRecoveryAreForThoseWhoHaveTheTable() {
        var cluster = ScriptedCluster()
        cluster.admin()
        returns("S1", with: 7, to: &cluster)
        cluster.answer(
            "S1",
            AnswerPartitionTable(ptid: 7, replicas: 1, rows: rows(.upToDate, .upToDate, .outOfDate, .upToDate))
        )
        returns("S3", with: 6, to: &cluster)
        returns("S5", with: nil, to: &cluster)
        #expect(cluster.core.clusterState == .recovering)
        let lines = cluster.send("A1", SetNodeState(nid: NID(.storage, 2), state: .unknown))
        let told = lines.filter { $0.contains("NotifyPartitionChanges") }.map { $0.prefix(2) }
        #expect(told == ["A1", "S1"] || told == ["S1", "A1"])
        #expect(cluster.isConnected("S3") && cluster.isConnected("S5"))
        // The next change follows: S1 is known to have this one.
        let next = cluster.send("A1", SetNodeState(nid: NID(.storage, 4), state: .unknown))
        #expect(next.contains("S1 < NotifyPartitionChanges 9 (0 S4 D) (1 S4 D)"))
        #expect(!next.contains { $0.hasPrefix("S3 < NotifyPartitionChanges") })
    }

    /// Nobody knows yet whether the storage has the only copies.
    @Test func dropIsDeniedBeforeTheTableIsLoaded() {
        var cluster = ScriptedCluster()
        cluster.admin()
        cluster.storage(1, nid: NID(.storage, 1))
        cluster.storage(2, nid: NID(.storage, 2))
        func drop(_ number: Int32) -> [String] {
            cluster.send("A1", SetNodeState(nid: NID(.storage, number), state: .unknown))
        }
        let denied = ["A1 < Error DENIED the partition table is not loaded yet"]
        #expect(drop(1) == denied)
        cluster.answer("S1", AnswerRecovery(ptid: 7, backupTID: nil, truncateTID: nil))
        #expect(drop(2) == denied)
        #expect(drop(1) == denied)
        #expect(cluster.isConnected("S1") && cluster.isConnected("S2"))
    }

    /// Without any table at all, admins first forget the one that they have: it may name the node.
    @Test func dropOfAnEmptyStorageBeforeTheCreation() {
        var cluster = ScriptedCluster()
        cluster.admin()
        returns("S1", with: nil, to: &cluster)
        returns("S2", with: nil, to: &cluster)
        let lines = cluster.send("A1", SetNodeState(nid: NID(.storage, 2), state: .unknown))
        #expect(lines.contains("S2 < NotifyNodeInformation S2 UNKNOWN"))
        let table = lines.firstIndex(of: "A1 < SendPartitionTable none")
        let unknown = lines.firstIndex(of: "A1 < NotifyNodeInformation S2 UNKNOWN")
        #expect(table != nil && unknown != nil && table ?? 9 < unknown ?? 0)
        #expect(lines.contains("A1 < Error ACK state changed"))
    }

    enum OutOfService: CaseIterable { case recovering, verifying }

    /// A commit of the service before is for the next verification: nobody waits for it.
    @Test(arguments: OutOfService.allCases)
    func stopOutOfService(state: OutOfService) {
        var cluster = ScriptedCluster.running()
        cluster.admin()
        cluster.client(1)
        let ttid = cluster.begin("C1")
        cluster.finish("C1", ttid, [2, 3])
        _ = cluster.cut("S2")
        if state == .verifying {
            let rows = [
                [CellRecord(nid: NID(.storage, 1), state: .upToDate)],
                [CellRecord(nid: NID(.storage, 2), state: .upToDate)],
            ]
            cluster.answer("S1", AnswerRecovery(ptid: 1, backupTID: nil, truncateTID: nil))
            cluster.answer("S1", AnswerPartitionTable(ptid: 1, replicas: 0, rows: rows))
            returns("S2", with: 1, to: &cluster)
            #expect(cluster.core.clusterState == .verifying)
        }
        let lines = cluster.send("A1", SetClusterState(state: .stopping))
        #expect(lines.contains("S1 < NotifyNodeInformation S1 DOWN"))
        #expect(lines.last == "exit 0")
    }

    /// A probe that holds a connection and says nothing does not hold the stop.
    @Test func stopClosesSilentConnections() {
        var cluster = ScriptedCluster.running()
        cluster.admin()
        _ = cluster.accept("probe")
        let lines = cluster.send("A1", SetClusterState(state: .stopping))
        #expect(lines.contains("probe closed"))
        #expect(lines.last == "exit 0")
    }

    /// Storages that come while the cluster stops are not told to start.
    @Test func storageThatComesDuringTheStopIsNotReady() {
        var cluster = ScriptedCluster.running()
        cluster.admin()
        cluster.client(1)
        _ = cluster.begin("C1")
        cluster.send("A1", SetClusterState(state: .stopping))
        #expect(cluster.storage(3) == ["S3 < Error NOT_READY Retry Later", "S3 closed"])
        #expect(cluster.client(2) == ["C2 < Error NOT_READY Retry Later", "C2 closed"])
    }

    /// It lost its connection in the middle of a finish, and must learn how that ended.
    @Test func clientAsksForItsEndWhileTheClusterStops() {
        var cluster = ScriptedCluster.running()
        cluster.admin()
        cluster.client(1)
        let ttid = cluster.begin("C1")
        cluster.finish("C1", ttid, [2, 3])
        cluster.send("A1", SetClusterState(state: .stopping))
        _ = cluster.cut("C1")
        #expect(cluster.client(1, nid: NID(.client, 1)).contains("C1 < AcceptIdentification C1"))
        #expect(cluster.send("C1", AskBeginTransaction(tid: nil)) == [])
        #expect(cluster.send("C1", AskFinalTID(ttid: ttid)) == [])
        cluster.lock("S1", ttid)
        let lines = cluster.lock("S2", ttid)
        let answer = lines.firstIndex(of: "C1 < AnswerFinalTID")
        let closed = lines.firstIndex(of: "C1 closed")
        #expect(answer != nil && closed != nil && answer ?? 9 < closed ?? 0)
        #expect(lines.last == "exit 0")
        guard case .answerFinalTID(let final)? = cluster.last("C1") else { return }
        #expect(final.tid == cluster.core.lastTransaction)
    }

    /// SIGTERM: `CommitTests.signalWaitsForPreparedCommits`. What is not prepared is not waited for, and nothing begins.
    @Test func nothingBeginsAfterASignal() {
        var cluster = ScriptedCluster.running()
        cluster.client(1)
        let ttid = cluster.begin("C1")
        _ = cluster.begin("C1")
        cluster.finish("C1", ttid, [2, 3])
        #expect(cluster.event(.stopRequested) == [])
        #expect(cluster.send("C1", AskBeginTransaction(tid: nil)) == [])
        #expect(cluster.client(2) == ["C2 < Error NOT_READY Retry Later", "C2 closed"])
        cluster.lock("S1", ttid)
        let lines = cluster.lock("S2", ttid)
        #expect(lines.first == "C1 < AnswerTransactionFinished" && lines.last == "exit 0")
        #expect(!lines.contains { $0.hasPrefix("C1 < AnswerBeginTransaction") })
        // One who does not want to wait says so again.
        var impatient = ScriptedCluster.running()
        impatient.client(1)
        impatient.finish("C1", impatient.begin("C1"), [2, 3])
        #expect(impatient.event(.stopRequested) == [])
        #expect(impatient.event(.stopRequested) == ["exit 0"])
    }

    @Test func truncationWaitsForCommits() {
        var cluster = ScriptedCluster.running(lastTID: TID(1000))
        cluster.admin()
        cluster.client(1)
        var ttid = cluster.begin("C1")
        cluster.finish("C1", ttid, [2, 3])
        for storage in ["S1", "S2"] { cluster.lock(storage, ttid) }
        ttid = cluster.begin("C1")
        cluster.finish("C1", ttid, [2, 3])
        #expect(
            cluster.send("A1", Truncate(tid: TID(1000))) == [
                "A1 < Error DENIED Can not truncate while transactions are being committed"
            ]
        )
        cluster.lock("S1", ttid)
        #expect(cluster.lock("S2", ttid).first == "C1 < AnswerTransactionFinished")
        #expect(cluster.send("A1", Truncate(tid: TID(1000))).first == "A1 < Error ACK ")
    }

    /// Whatever else a storage has been told to forget, it forgets what the storages of the newest table do
    /// (`spec/replication.md §10.26`).
    @Test(arguments: [nil, 900, 1000, 1100] as [UInt64?])
    func anotherTruncationIsCorrected(recorded: UInt64?) {
        var cluster = ScriptedCluster()
        func comes(_ number: Int32, ptid: Int, _ truncation: UInt64?) -> [String] {
            cluster.storage(number, nid: NID(.storage, number))
            return cluster.answer(
                "S\(number)",
                AnswerRecovery(ptid: ptid, backupTID: nil, truncateTID: truncation.map { TID($0) })
            )
        }
        _ = comes(1, ptid: 7, 1000)
        cluster.answer("S1", AnswerPartitionTable(ptid: 7, replicas: 1, rows: rows(.upToDate, .upToDate)))
        let lines = comes(2, ptid: 6, recorded)
        if recorded == 1000 {
            #expect(!lines.contains("S2 < Truncate"))
        } else {
            #expect(lines == ["S2 < Truncate", "S2 < AskRecovery"])
            cluster.answer("S2", AnswerRecovery(ptid: 6, backupTID: nil, truncateTID: TID(1000)))
        }
        cluster.answer("S2", AnswerPartitionTable(ptid: 6, replicas: 1, rows: rows(.upToDate, .outOfDate)))
        #expect(cluster.core.clusterState == .verifying)
    }

    // MARK: Nodes that are not members (§18.4)

    /// A storage that was seen and never added is PENDING again when it comes back, and can be added.
    @Test(arguments: [true, false])
    func storageThatWasNeverAddedIsPendingAgain(isKilled: Bool) {
        var cluster = ScriptedCluster.running(storages: 1)
        cluster.admin()
        cluster.storage(2)
        let nid = NID(.storage, 2)
        #expect(cluster.core.registry[nid]?.state == .pending)
        if isKilled {
            cluster.send("A1", SetNodeState(nid: nid, state: .down))
        } else {
            // Lost while the cluster recovers, it stays in the registry.
            _ = cluster.cut("S1")
            _ = cluster.cut("S2")
            returns("S1", with: 1, to: &cluster)
            cluster.answer("S1", AnswerPartitionTable(ptid: 1, replicas: 0, rows: rows(.upToDate)))
            cluster.verify(storages: 1...1)
        }
        #expect(cluster.core.clusterState == .running)
        #expect(cluster.core.registry[nid]?.state == .down)
        // Nor is it missed.
        #expect(
            cluster.send("A1", TweakPartitionTable(dryRun: true, excluded: [])) == ["A1 < AnswerTweakPartitionTable"]
        )
        cluster.storage(2, nid: nid)
        #expect(cluster.core.registry[nid]?.state == .pending)
        #expect(cluster.send("A1", AddPendingNodes(nids: [nid])).last == "A1 < Error ACK Nodes added: S2")
    }

    // MARK: What peers send (§18.5)

    /// Only the master that a node connected to may tell it these.
    @Test func messagesOfMastersFromOthers() {
        let messages: [any PacketPayload] = [
            NotifyNodeInformation(
                timestamp: 1e12,
                nodes: [NodeRecord(type: .storage, address: nil, nid: NID(.storage, 1), state: .down, idTimestamp: nil)]
            ),
            NotPrimaryMaster(primaryIndex: nil, masters: [NodeAddress(host: "127.0.0.1", port: 9)]),
            AcceptIdentification(type: .master, nid: NID(.master, 1), yourNID: NID(.master, 9)),
            NotifyClusterInformation(state: .stopping),
        ]
        for message in messages {
            for peer in ["X", "S3", "C1", "A1", "M2"] {
                var cluster = ScriptedCluster.running()
                switch peer {
                case "X": _ = cluster.accept("X")
                case "S3": cluster.storage(3)
                case "C1": cluster.client(1)
                case "A1": cluster.admin()
                default:
                    _ = cluster.accept("M2")
                    cluster.send("M2", cluster.identification(.master, port: 10_001, timestamp: 2e9))
                }
                #expect(cluster.isConnected(peer))
                let masters = cluster.core.knownMasters
                #expect(cluster.send(peer, message).contains("\(peer) closed"), "\(message) from \(peer)")
                #expect(cluster.core.clusterState == .running)
                #expect(cluster.core.registry[NID(.storage, 1)]?.state == .running)
                #expect(cluster.core.knownMasters == masters)
                #expect(cluster.core.nid == NID(.master, 1))
            }
        }
    }

    /// Whoever asks for the id of a node of another type gets one of its own.
    @Test func idsStayInTheirNamespace() {
        var cluster = ScriptedCluster.running()
        #expect(cluster.storage(3, nid: NID(.master, 5)).contains("S3 < AcceptIdentification S3"))
        #expect(cluster.storage(4, nid: NID(rawValue: 0)).contains("S4 < AcceptIdentification S4"))
        #expect(cluster.client(1, nid: NID(.storage, 9)).contains("C1 < AcceptIdentification C1"))
        _ = cluster.accept("X")
        #expect(
            cluster.send("X", cluster.identification(.master, nid: NID(.master, 9), port: nil)).first
                == "X < Error PROTOCOL_ERROR a master must say its address"
        )
    }

    /// Also that of a node that is down.
    @Test func idsOfAbsentNodesStayTheirs() {
        var cluster = ScriptedCluster.running(replicas: 1)
        _ = cluster.accept("M2")
        cluster.send("M2", cluster.identification(.master, port: 10_001))
        _ = cluster.cut("M2")
        _ = cluster.cut("S2")
        #expect(cluster.storage(3, nid: NID(.master, 2)).contains("S3 < AcceptIdentification S3"))
        #expect(
            cluster.client(1, nid: NID(.storage, 2)).first?.hasPrefix("C1 < Error PROTOCOL_ERROR S2 is the id of")
                == true
        )
        for (nid, type) in [(NID(.master, 2), NodeType.master), (NID(.storage, 2), .storage)] {
            #expect(cluster.core.registry[nid]?.type == type && cluster.core.registry[nid]?.state == .down)
        }
    }

    /// `spec/master.md §2.4`: a storage at the address of another one, which is down like the one that had its id.
    @Test func storageAtTheAddressOfAnother() {
        var cluster = ScriptedCluster.running(storages: 3, partitions: 1, replicas: 2)
        for name in ["S2", "S3"] { _ = cluster.cut(name) }
        _ = cluster.accept("X")
        #expect(
            cluster.send("X", cluster.identification(.storage, nid: NID(.storage, 3), port: 20_002)) == [
                "X < Error PROTOCOL_ERROR already connected", "X closed",
            ]
        )
        #expect(cluster.storage(3, nid: NID(.storage, 3)).contains("S3 < AcceptIdentification S3"))
        #expect(cluster.storage(2, nid: NID(.storage, 2)).contains("S2 < AcceptIdentification S2"))
    }

    @Test func readinessOfAStorageThatIsNotStarting() {
        var cluster = ScriptedCluster.running(replicas: 1)
        #expect(
            cluster.send("S2", NotifyReady()).first
                == "S2 < Error PROTOCOL_ERROR S2 is ready but was not told to start"
        )
        #expect(cluster.core.clusterState == .running)
    }

    @Test func partitionsThatDoNotExist() {
        for number in 0..<3 {
            var cluster = ScriptedCluster.running(replicas: 1)
            let lines =
                switch number {
                case 0: cluster.send("S2", NotifyReplicationDone(partition: -1, tid: .zero))
                case 1: cluster.send("S2", NotifyReplicationDone(partition: 2, tid: .zero))
                default: cluster.send("S2", AskUnfinishedTransactions(partitions: [0, 2]))
                }
            #expect(lines.first?.hasPrefix("S2 < Error PROTOCOL_ERROR no partition") == true)
            #expect(cluster.core.clusterState == .running)
        }
    }

    /// Below 1 nothing is completed, whatever was.
    @Test(arguments: ["C1", "S1"])
    func packOrdersFromZeroWhenSomeAreCompleted(peer: String) {
        var cluster = ScriptedCluster.running(lastTID: TID(1000))
        cluster.client(1)
        let ttid = cluster.begin("C1")
        let pack = PackRequest(oids: nil, tid: TID(1000))
        cluster.send("C1", AskFinishTransaction(ttid: ttid, stored: [], deleted: [], checked: [0, 1], pack: pack))
        for storage in ["S1", "S2"] { cluster.lock(storage, ttid) }
        let id = cluster.core.lastTransaction
        for storage in ["S1", "S2"] { cluster.send(storage, NotifyPackCompleted(tid: id)) }
        #expect(cluster.core.packs.maxCompleted == id)
        #expect(cluster.send(peer, AskPackOrders(min: .zero)) == ["S1 < AskPackOrders", "S2 < AskPackOrders"])
        for storage in ["S1", "S2"] { cluster.answer(storage, AnswerPackOrders(orders: [])) }
        #expect(cluster.last(peer)?.code == .answerPackOrders)
        #expect(cluster.core.packs.maxCompleted == nil)
        #expect(cluster.core.clusterState == .running)
    }

    /// As long as a packet can be: all is looked at, nothing traps.
    @Test func longLists() {
        var cluster = ScriptedCluster.running()
        cluster.admin()
        cluster.client(1)
        let count = 200_000
        let ttid = cluster.begin("C1")
        cluster.send(
            "C1",
            AskFinishTransaction(
                ttid: ttid,
                stored: (0..<count).map { OID(UInt64($0)) },
                deleted: Array(repeating: 1, count: count),
                checked: Array(repeating: 0, count: count),
                pack: nil
            )
        )
        cluster.lock("S1", ttid)
        #expect(cluster.lock("S2", ttid).first == "C1 < AnswerTransactionFinished")
        let nids = (0..<count).map { NID(.storage, Int32($0 % 0xff_ffff + 1)) }
        #expect(cluster.send("A1", AddPendingNodes(nids: nids)) == ["A1 < Error ACK No node added"])
        #expect(cluster.send("A1", TweakPartitionTable(dryRun: true, excluded: nids)).last?.contains("DENIED") == true)
        let partitions = OrderedDictionary<PartitionID, NID?>(
            uniqueKeysWithValues: (0..<count).map { ($0, nil) }
        )
        #expect(
            cluster.send("A1", CheckReplicas(partitions: partitions, min: .zero, max: nil)).first?
                .hasPrefix("A1 < Error DENIED no partition 2") == true
        )
        let waiting = (0..<count).map { _ in 0 }
        cluster.send("S1", AskUnfinishedTransactions(partitions: waiting))
        #expect(cluster.last("S1")?.code == .answerUnfinishedTransactions)
    }

    // MARK: Partition table (§18.6)

    /// What `tweak -n` shows is what `tweak` does, also for a member that has no cell.
    @Test func dryRunIsWhatIsDone() {
        var cluster = ScriptedCluster.running(storages: 3, partitions: 7, replicas: 1)
        cluster.admin()
        for number in Int32(4)...5 {
            cluster.storage(number)
            cluster.send("A1", AddPendingNodes(nids: [NID(.storage, number)]))
            cluster.send("S\(number)", NotifyReady())
        }
        for excluded in [[], [NID(.storage, 1)], [NID(.storage, 4)], []] {
            func tweak(_ dryRun: Bool) -> AnswerTweakPartitionTable? {
                cluster.send("A1", TweakPartitionTable(dryRun: dryRun, excluded: excluded))
                if case .answerTweakPartitionTable(let answer)? = cluster.last("A1") { return answer }
                return nil
            }
            let before = cluster.core.table
            let simulated = tweak(true)
            #expect(cluster.core.table == before)
            #expect(simulated != nil && simulated == tweak(false))
            #expect(simulated?.rows == cluster.core.table.rows)
            #expect(tweak(true)?.changed == false)
        }
    }

    /// More storages than cells: those that got none are members, and a later tweak counts on them.
    @Test func storagesWithoutCellAreMembers() {
        var cluster = ScriptedCluster.running(storages: 3, partitions: 2)
        cluster.admin()
        #expect(cluster.tableText(3) == "U..|.U.")
        #expect(cluster.core.registry[NID(.storage, 3)]?.state == .running)
        cluster.send("A1", SetNumReplicas(replicas: 1))
        cluster.send("A1", TweakPartitionTable(dryRun: false, excluded: []))
        #expect(cluster.core.table.nids.contains(NID(.storage, 3)))
    }
}
