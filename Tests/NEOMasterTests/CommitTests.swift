import MessagePack
import NEOEngine
import NEOProtocol
import NEOTopology
import OrderedCollections
import Testing

@testable import NEOMaster

/// Commits, and the order of what they send (`spec/master.md §12, §17`).
@Suite struct CommitTests {
    /// In the order of transcript `02-client`.
    @Test func commitOfTwoStorages() {
        var cluster = ScriptedCluster.running()
        cluster.client(1)
        cluster.client(2)
        cluster.client(3, extra: Properties(["backup": .text("copy")]))
        let ttid = cluster.begin("C1")
        #expect(cluster.finish("C1", ttid, [2, 3, 5]) == ["S1 < AskLockInformation", "S2 < AskLockInformation"])
        #expect(cluster.lock("S1", ttid) == [])
        #expect(
            cluster.lock("S2", ttid) == [
                "C1 < AnswerTransactionFinished",
                "C2 < InvalidateObjects [2 3 5]",
                "C3 < InvalidatePartitions [0 1]",
                "S1 < NotifyUnlockInformation",
                "S2 < NotifyUnlockInformation",
            ]
        )
        let tid = cluster.finishedTID("C1")
        #expect(tid.map { $0 >= ttid && $0.rawValue % 2 == ttid.rawValue % 2 } == true)
        #expect(cluster.core.lastTransaction == tid)
    }

    @Test func transactionsCommitInTheOrderOfTheirTIDs() throws {
        var cluster = ScriptedCluster.running()
        cluster.client(1)
        cluster.client(2)
        let first = cluster.begin("C1")
        let second = cluster.begin("C2")
        cluster.finish("C2", second, [2])
        cluster.finish("C1", first, [2])
        for storage in ["S1", "S2"] { #expect(cluster.lock(storage, first).filter { $0.contains("<") } == []) }
        var lines: [String] = []
        for storage in ["S1", "S2"] { lines += cluster.lock(storage, second) }
        let finished = lines.filter { $0.contains("Finished") }
        #expect(finished == ["C2 < AnswerTransactionFinished", "C1 < AnswerTransactionFinished"])
        let tids = try [#require(cluster.finishedTID("C2")), #require(cluster.finishedTID("C1"))]
        #expect(tids[0] < tids[1])
    }

    /// `spec/master.md §19.8.1`: the storage of a check takes part; nobody is told of it.
    @Test func onlyCheckedPartitionsTakePart() {
        var cluster = ScriptedCluster.running()
        for number in Int32(1)...2 { cluster.client(number) }
        cluster.client(3, extra: Properties(["backup": .text("copy")]))
        let ttid = cluster.begin("C1")
        let checked = 1 - ttid.partition(of: 2)
        #expect(
            cluster.finish("C1", ttid, [], checked: [checked, checked]) == [
                "S1 < AskLockInformation", "S2 < AskLockInformation",
            ]
        )
        #expect(cluster.lock("S1", ttid) == [])
        #expect(
            cluster.lock("S2", ttid) == [
                "C1 < AnswerTransactionFinished",
                "C2 < InvalidateObjects []",
                "C3 < InvalidatePartitions []",
                "S1 < NotifyUnlockInformation",
                "S2 < NotifyUnlockInformation",
            ]
        )
    }

    /// The storage of a deletion takes part, and a backup cluster is told of the partition.
    @Test func onlyDeletions() {
        var cluster = ScriptedCluster.running()
        for number in Int32(1)...2 { cluster.client(number) }
        cluster.client(3, extra: Properties(["backup": .text("copy")]))
        let ttid = cluster.begin("C1")
        let deleted = 1 - ttid.partition(of: 2)
        let finish = AskFinishTransaction(ttid: ttid, stored: [], deleted: [deleted], checked: [], pack: nil)
        #expect(cluster.send("C1", finish) == ["S1 < AskLockInformation", "S2 < AskLockInformation"])
        #expect(cluster.lock("S1", ttid) == [])
        #expect(
            cluster.lock("S2", ttid).prefix(3) == [
                "C1 < AnswerTransactionFinished", "C2 < InvalidateObjects []", "C3 < InvalidatePartitions [\(deleted)]",
            ]
        )
    }

    /// `spec/master.md §19.8.1`: only the storage of the metadata takes part.
    @Test func emptyTransaction() throws {
        var cluster = ScriptedCluster.running()
        for number in Int32(1)...2 { cluster.client(number) }
        let ttid = cluster.begin("C1")
        let storage = ttid.partition(of: 2) == 0 ? "S1" : "S2"
        #expect(cluster.finish("C1", ttid, []) == ["\(storage) < AskLockInformation"])
        #expect(
            cluster.lock(storage, ttid) == [
                "C1 < AnswerTransactionFinished",
                "C2 < InvalidateObjects []",
                "\(storage) < NotifyUnlockInformation",
            ]
        )
        #expect(cluster.core.lastTransaction == cluster.finishedTID("C1"))
    }

    /// `spec/master.md §19.8.16`: who connects during a commit is told of it by the last transaction, or by an invalidation.
    @Test(arguments: [true, false])
    func clientComesDuringACommit(asksBefore: Bool) throws {
        var cluster = ScriptedCluster.running()
        cluster.client(1)
        let ttid = cluster.begin("C1")
        cluster.finish("C1", ttid, [2, 3])
        cluster.lock("S1", ttid)
        cluster.client(2)
        let before = cluster.core.lastTransaction
        func lastTransaction() throws -> TID {
            cluster.send("C2", AskLastTransaction())
            guard case .answerLastTransaction(let answer)? = cluster.last("C2") else { throw NoAnswer() }
            return answer.tid
        }
        if asksBefore { #expect(try lastTransaction() == before) }
        #expect(cluster.lock("S2", ttid).contains("C2 < InvalidateObjects [2 3]"))
        guard case .invalidateObjects(let invalidation)? = cluster.last("C2") else { throw NoAnswer() }
        #expect(invalidation.tid == cluster.finishedTID("C1"))
        if !asksBefore { #expect(try lastTransaction() == invalidation.tid) }
    }

    struct NoAnswer: Error {}

    private func finalTID(_ client: String, _ cluster: ScriptedCluster) throws -> TID? {
        guard case .answerFinalTID(let answer)? = cluster.last(client) else { throw NoAnswer() }
        return answer.tid
    }

    @Test func beginWaitsForStartingStorages() {
        var cluster = ScriptedCluster.running(replicas: 1)
        cluster.client(1)
        _ = cluster.cut("S2")
        #expect(cluster.storage(2, nid: NID(.storage, 2)).last == "S2 < StartOperation")
        #expect(cluster.send("C1", AskBeginTransaction(tid: nil)) == [])
        #expect(cluster.send("S2", NotifyReady()) == ["C1 < AnswerBeginTransaction"])
    }

    @Test func beginDoesNotWaitForEver() {
        var cluster = ScriptedCluster.running(replicas: 1)
        cluster.client(1)
        _ = cluster.cut("S2")
        cluster.storage(2, nid: NID(.storage, 2))
        cluster.send("C1", AskBeginTransaction(tid: nil))
        #expect(cluster.fire(.readiness(NID(.storage, 2))) == ["C1 < AnswerBeginTransaction"])
        #expect(cluster.send("S2", NotifyReady()) == [])
    }

    /// A storage that became ready after the begin does not have the transaction in full.
    @Test func lateStorageIsNotPartOfTheCommit() {
        var cluster = ScriptedCluster.running(replicas: 1)
        cluster.client(1)
        _ = cluster.cut("S2")
        let ttid = cluster.begin("C1")
        cluster.storage(2, nid: NID(.storage, 2))
        cluster.send("S2", NotifyReady())
        #expect(cluster.finish("C1", ttid, [2, 3]) == ["S1 < AskLockInformation"])
    }

    enum Moment: CaseIterable { case beforeFinish, beforeLock, afterLock, afterCommit }

    /// Table of `spec/master.md §12.8`: with a replica, the commit goes on without the storage.
    @Test(arguments: Moment.allCases)
    func storageIsLostWithReplica(_ moment: Moment) {
        var cluster = ScriptedCluster.running(replicas: 1)
        cluster.client(1)
        let ttid = cluster.begin("C1")
        if moment == .beforeFinish { _ = cluster.cut("S2") }
        cluster.finish("C1", ttid, [2, 3])
        if moment == .afterLock { cluster.lock("S2", ttid) }
        if moment == .beforeLock || moment == .afterLock {
            // The node, then the table.
            let lines = cluster.cut("S2")
            #expect(lines.first?.contains("S2 DOWN") == true)
            #expect(lines.contains("S1 < NotifyPartitionChanges 2 (0 S2 O) (1 S2 O)"))
        }
        let lines = cluster.lock("S1", ttid) + (moment == .afterCommit ? cluster.lock("S2", ttid) : [])
        #expect(lines.contains("C1 < AnswerTransactionFinished"))
        #expect(lines.contains("S1 < NotifyUnlockInformation"))
        if moment == .afterCommit { _ = cluster.cut("S2") }
        #expect(cluster.core.clusterState == .running)
        #expect(cluster.tableText(2) == "UO|UO")
    }

    /// The lost storage was the only one that others waited for: they commit in the turn of the loss, after the table.
    @Test func lossCommitsWhatWaitedForIt() {
        var cluster = ScriptedCluster.running(replicas: 1)
        cluster.client(1)
        let ttid = cluster.begin("C1")
        cluster.finish("C1", ttid, [2])
        cluster.lock("S1", ttid)
        #expect(
            cluster.cut("S2") == [
                "S1 < NotifyNodeInformation S2 DOWN",
                "C1 < NotifyNodeInformation S2 DOWN",
                "S1 < NotifyPartitionChanges 2 (0 S2 O) (1 S2 O)",
                "C1 < NotifyPartitionChanges 2 (0 S2 O) (1 S2 O)",
                "C1 < AnswerTransactionFinished",
                "S1 < NotifyUnlockInformation",
            ]
        )
    }

    /// Without replica: back to RECOVERING, in the order of `spec/master.md §4.5`; late locks are ignored.
    @Test func lastCopyIsLost() {
        var cluster = ScriptedCluster.running()
        cluster.client(1)
        let ttid = cluster.begin("C1")
        cluster.finish("C1", ttid, [2, 3])
        #expect(
            cluster.cut("S2") == [
                "S1 < NotifyNodeInformation S2 DOWN",
                "C1 < NotifyNodeInformation S2 DOWN",
                "S1 < StopOperation",
                "C1 < StopOperation",
                "C1 closed",
                "S1 < NotifyNodeInformation S1 PENDING",
                "S1 < NotifyClusterInformation RECOVERING",
                "S1 < AskRecovery",
                "S1 < NotifyNodeInformation C1 UNKNOWN",
            ]
        )
        #expect(cluster.lock("S1", ttid) == [])
        #expect(cluster.send("S1", NotifyReady()) == [])
        #expect(cluster.isConnected("S1"))
    }

    /// Without replica, whatever the storages did of it: the client is told nothing, the verification decides.
    @Test(arguments: [[], ["S1"], ["S2"]])
    func lastCopyIsLostAfterLocks(locked: [String]) {
        var cluster = ScriptedCluster.running()
        cluster.client(1)
        let ttid = cluster.begin("C1")
        cluster.finish("C1", ttid, [2, 3])
        for name in locked { #expect(cluster.lock(name, ttid) == []) }
        let lines = cluster.cut("S2")
        #expect(!lines.contains { $0.contains("Finished") || $0.contains("Unlock") || $0.contains("Abort") })
        #expect(lines.contains("C1 closed"))
        #expect(cluster.core.clusterState == .recovering)
        #expect(cluster.core.transactions.isEmpty)
    }

    @Test func clientIsLostAfterBegin() {
        var cluster = ScriptedCluster.running()
        cluster.client(1)
        let ttid = cluster.begin("C1")
        cluster.send("S1", AskUnfinishedTransactions(partitions: [0]))
        #expect(
            cluster.cut("C1") == [
                "S1 < AbortTransaction",
                "S1 < NotifyNodeInformation C1 UNKNOWN",
                "S2 < NotifyNodeInformation C1 UNKNOWN",
            ]
        )
        #expect(cluster.core.transactions[ttid] == nil)
    }

    /// The commit of an orphan goes on, and its client gets the TID when it comes back.
    @Test(arguments: [true, false])
    func clientIsLostAfterFinish(comesBackDuringCommit: Bool) throws {
        var cluster = ScriptedCluster.running()
        cluster.client(1)
        let ttid = cluster.begin("C1")
        cluster.finish("C1", ttid, [2, 3])
        _ = cluster.cut("C1")
        cluster.lock("S1", ttid)
        if comesBackDuringCommit {
            cluster.client(1)
            #expect(cluster.send("C1", AskFinalTID(ttid: ttid)) == [])
            cluster.send("C1", Ping())
            #expect(
                cluster.lock("S2", ttid) == [
                    "C1 < InvalidateObjects [2 3]",
                    "S1 < NotifyUnlockInformation",
                    "S2 < NotifyUnlockInformation",
                    "C1 < AnswerFinalTID",
                ]
            )
            #expect(try finalTID("C1", cluster) == cluster.core.lastTransaction)
            // The id is that of the question, not of the ping.
            #expect(cluster.sent["C1"]?.last?.id == 1)
        } else {
            cluster.lock("S2", ttid)
            cluster.client(1)
            cluster.send("C1", AskFinalTID(ttid: ttid))
            #expect(try finalTID("C1", cluster) == .max)
        }
        #expect(cluster.core.transactions.isEmpty)
    }

    /// `spec/master.md §18.2`: an older transaction in progress hides nothing.
    @Test func finalTIDOfACommittedTransaction() throws {
        var cluster = ScriptedCluster.running()
        cluster.client(1)
        cluster.client(2)
        _ = cluster.begin("C2")
        let ttid = cluster.begin("C1")
        cluster.finish("C1", ttid, [2, 3])
        cluster.lock("S1", ttid)
        cluster.lock("S2", ttid)
        cluster.send("C2", AskFinalTID(ttid: ttid))
        #expect(try finalTID("C2", cluster) == .max)
        cluster.send("C2", AskFinalTID(ttid: TID(ttid.rawValue + 1 << 40)))
        #expect(try finalTID("C2", cluster) == nil)
    }

    @Test func abortIsForwardedOnce() {
        var cluster = ScriptedCluster.running()
        cluster.client(1)
        let ttid = cluster.begin("C1")
        #expect(
            cluster.send("C1", AbortTransaction(ttid: ttid, nids: [NID(.storage, 2)])) == ["S2 < AbortTransaction"]
        )
        #expect(cluster.send("C1", AbortTransaction(ttid: ttid, nids: [NID(.storage, 2)])) == [])
        #expect(cluster.isConnected("C1"))
    }

    /// Found by the simulator (seed 92):
    ///
    /// 1. A transaction gets a TTID and is aborted. 2. The clock goes back. 3. The next one must not get the same TTID: if
    /// the client of the first one asks how it ended, it would be told the end of the second one.
    @Test func ttidIsNotGivenAgain() {
        var cluster = ScriptedCluster.running()
        cluster.client(1)
        let aborted = cluster.begin("C1")
        cluster.send("C1", AbortTransaction(ttid: aborted, nids: []))
        cluster.wallTime -= 100
        #expect(cluster.begin("C1") > aborted)
    }

    /// The same, where another master gave the TTID of which nothing is left (seed 83).
    @Test func ttidOfAnotherMasterIsUnlikelyToBeGivenAgain() {
        let last = TID(0x0500_0000_0000_0000)
        var cluster = ScriptedCluster.running(lastTID: last)
        cluster.client(1)
        #expect(cluster.begin("C1").rawValue > last.rawValue + 2)
    }

    @Test func preparedTransactionIsNotAborted() {
        var cluster = ScriptedCluster.running()
        cluster.client(1)
        let ttid = cluster.begin("C1")
        cluster.finish("C1", ttid, [2, 3])
        #expect(cluster.send("C1", AbortTransaction(ttid: ttid, nids: [])) == [])
        cluster.lock("S1", ttid)
        #expect(cluster.lock("S2", ttid).first == "C1 < AnswerTransactionFinished")
    }

    @Test func chosenTID() {
        var cluster = ScriptedCluster.running(lastTID: TID(1000))
        cluster.client(1)
        for tid in [999, 1000] as [UInt64] {
            cluster.client(2)
            #expect(
                cluster.send("C2", AskBeginTransaction(tid: TID(tid))) == [
                    "C2 < Error PROTOCOL_ERROR new TID must be greater than the last committed one",
                    "C2 closed",
                    "S1 < NotifyNodeInformation C2 UNKNOWN",
                    "S2 < NotifyNodeInformation C2 UNKNOWN",
                ]
            )
        }
        #expect(cluster.begin("C1", TID(1001)) == TID(1001))
        cluster.client(2)
        #expect(
            cluster.send("C2", AskBeginTransaction(tid: nil)).first
                == "C2 < Error PROTOCOL_ERROR \(TransactionTable.noConcurrency)"
        )
        cluster.send("C1", AbortTransaction(ttid: TID(1001), nids: []))
        #expect(cluster.begin("C1", TID(1001)) == TID(1001))
        cluster.finish("C1", TID(1001), [2, 3])
        cluster.client(2)
        let normal = cluster.begin("C2")
        #expect(normal > TID(1001))
        cluster.lock("S1", TID(1001))
        cluster.lock("S2", TID(1001))
        #expect(cluster.finishedTID("C1") == TID(1001))
    }

    /// No TID is chosen while another transaction is in progress.
    @Test func chosenTIDIsAlone() {
        var cluster = ScriptedCluster.running(lastTID: TID(1000))
        cluster.client(1)
        cluster.client(2)
        let ttid = cluster.begin("C1")
        #expect(
            cluster.send("C2", AskBeginTransaction(tid: TID(1 << 60))).first
                == "C2 < Error PROTOCOL_ERROR \(TransactionTable.noConcurrency)"
        )
        cluster.finish("C1", ttid, [2, 3])
        cluster.client(2)
        #expect(
            cluster.send("C2", AskBeginTransaction(tid: TID(1 << 60))).first
                == "C2 < Error PROTOCOL_ERROR \(TransactionTable.noConcurrency)"
        )
        for storage in ["S1", "S2"] { cluster.lock(storage, ttid) }
        cluster.client(2)
        #expect(cluster.begin("C2", TID(1 << 60)) == TID(1 << 60))
    }

    /// `spec/master.md §19.8.13`: the clock goes back during a commit: the TTID is the TID, if no other one was given since.
    @Test(arguments: [true, false])
    func clockGoesBackDuringACommit(isLast: Bool) throws {
        var cluster = ScriptedCluster.running()
        for number in Int32(1)...3 { cluster.client(number) }
        _ = cluster.begin("C2")
        let ttid = cluster.begin("C1")
        let younger = isLast ? nil : cluster.begin("C3")
        cluster.wallTime -= 100
        cluster.finish("C1", ttid, [2, 3])
        for storage in ["S1", "S2"] { cluster.lock(storage, ttid) }
        let tid = try #require(cluster.finishedTID("C1"))
        if let younger {
            #expect(tid > younger && tid.rawValue <= younger.rawValue + 2)
            #expect(tid.partition(of: 2) == ttid.partition(of: 2))
        } else {
            #expect(tid == ttid)
        }
    }

    /// `spec/master.md §12.6` step 3: all the storages that serve forget what they have of it.
    @Test func transactionThatIsRefusedAtTheFinishIsAborted() {
        var cluster = ScriptedCluster.running(storages: 3, partitions: 3, replicas: 1)
        cluster.client(1)
        let ttid = cluster.begin("C1")
        #expect(cluster.send("C1", FailedVote(ttid: ttid, nids: [NID(.storage, 2)])) == ["C1 < Error ACK "])
        _ = cluster.cut("S3")
        #expect(
            cluster.finish("C1", ttid, [0, 1, 2]) == [
                "C1 < Error INCOMPLETE_TRANSACTION ", "S1 < AbortTransaction", "S2 < AbortTransaction",
            ]
        )
        guard case .abortTransaction(let abort)? = cluster.last("S1") else {
            Issue.record("not aborted")
            return
        }
        #expect(abort.ttid == ttid)
    }

    /// The clock goes back, older transactions are in progress: TIDs grow all the same.
    @Test func tidsGrowWhateverTheClock() {
        var cluster = ScriptedCluster.running()
        cluster.client(1)
        cluster.client(2)
        let old = cluster.begin("C2")
        var last = TID.zero
        for step in 0..<20 {
            if step == 5 { cluster.wallTime -= 1_000_000 }
            if step == 12 { cluster.wallTime += 5 }
            let ttid = cluster.begin("C1")
            #expect(ttid > last)
            cluster.finish("C1", ttid, [2, 3])
            cluster.lock("S1", ttid)
            cluster.lock("S2", ttid)
            let tid = cluster.finishedTID("C1") ?? .zero
            #expect(tid >= ttid && tid > last)
            #expect(tid.partition(of: 2) == ttid.partition(of: 2))
            last = tid
        }
        cluster.finish("C2", old, [2])
        cluster.lock("S1", old)
        cluster.lock("S2", old)
        #expect(cluster.finishedTID("C2").map { $0 > last } == true)
    }

    @Test func oidsFollowThoseThatWereStored() {
        var cluster = ScriptedCluster.running()
        cluster.client(1)
        func newOIDs(_ count: Int) -> [OID] {
            cluster.send("C1", AskNewOIDs(count: count))
            guard case .answerNewOIDs(let answer)? = cluster.last("C1") else { return [] }
            return answer.oids
        }
        #expect(newOIDs(2) == [OID(1), OID(2)])
        let ttid = cluster.begin("C1")
        cluster.finish("C1", ttid, [100])
        #expect(newOIDs(1) == [OID(101)])
        #expect(cluster.send("C1", AskNewOIDs(count: 0)).contains("C1 closed"))
        cluster.client(1)
        #expect(cluster.send("C1", AskNewOIDs(count: .max)).contains("C1 closed"))
    }

    /// `spec/master.md §19.6.6`: those that were given and not stored are given again after the next verification.
    @Test func oidsThatWereNotStoredAreGivenAgain() {
        var cluster = ScriptedCluster.running(storages: 1, partitions: 1)
        cluster.client(1)
        cluster.send("C1", AskNewOIDs(count: 100))
        _ = cluster.cut("S1")
        cluster.storage(1, nid: NID(.storage, 1))
        cluster.answer("S1", AnswerRecovery(ptid: 1, backupTID: nil, truncateTID: nil))
        let row = [CellRecord(nid: NID(.storage, 1), state: .upToDate)]
        cluster.answer("S1", AnswerPartitionTable(ptid: 1, replicas: 0, rows: [row]))
        cluster.answer("S1", AnswerLockedTransactions(transactions: [:]))
        cluster.answer("S1", AnswerLastIDs(lastTID: TID(9), lastOID: OID(40), firstTID: TID(9)))
        cluster.answer("S1", AnswerPackOrders(orders: []))
        cluster.send("S1", NotifyReady())
        #expect(cluster.core.clusterState == .running)
        cluster.client(1)
        cluster.send("C1", AskNewOIDs(count: 2))
        #expect(cluster.last("C1") == .answerNewOIDs(AnswerNewOIDs(oids: [OID(41), OID(42)])))
    }

    @Test func readOnlyClientWritesNothing() {
        var cluster = ScriptedCluster.running()
        cluster.client(1, extra: Properties(["read_only": .bool(true)]))
        #expect(
            cluster.send("C1", AskBeginTransaction(tid: nil)) == [
                "C1 < Error READ_ONLY_ACCESS read-only access as requested by the client"
            ]
        )
        #expect(cluster.send("C1", AbortTransaction(ttid: .zero, nids: [])) == [])
        #expect(cluster.send("C1", AskLastTransaction()) == ["C1 < AnswerLastTransaction"])
    }

    /// The storage that could not be written to is out, and all know it, before any lock.
    @Test func failedStorageIsOutBeforeTheLocks() {
        var cluster = ScriptedCluster.running(storages: 3, partitions: 3, replicas: 1)
        cluster.client(1)
        let ttid = cluster.begin("C1")
        cluster.send("C1", FailedVote(ttid: ttid, nids: [NID(.storage, 2)]))
        let lines = cluster.finish("C1", ttid, [0, 1, 2])
        let closed = lines.firstIndex(of: "S2 closed")
        let told = lines.firstIndex { $0.hasPrefix("S1 < NotifyPartitionChanges") }
        let locks = lines.firstIndex(of: "S1 < AskLockInformation")
        #expect(closed != nil && told != nil && locks != nil)
        #expect(closed ?? 9 < told ?? 0 && told ?? 9 < locks ?? 0)
    }

    @Test func stoppingWaitsForCommits() {
        var cluster = ScriptedCluster.running()
        cluster.admin()
        cluster.client(1)
        let ttid = cluster.begin("C1")
        cluster.send("A1", SetClusterState(state: .stopping))
        #expect(cluster.exitStatus == nil)
        #expect(cluster.send("C1", AskBeginTransaction(tid: nil)) == [])
        cluster.finish("C1", ttid, [2, 3])
        cluster.lock("S1", ttid)
        let lines = cluster.lock("S2", ttid)
        #expect(lines.first == "C1 < AnswerTransactionFinished")
        #expect(lines.last == "exit 0")
        #expect(cluster.core.table.ptid == 1)
    }

    @Test func signalWaitsForPreparedCommits() {
        var cluster = ScriptedCluster.running()
        cluster.client(1)
        let ttid = cluster.begin("C1")
        cluster.finish("C1", ttid, [2, 3])
        #expect(cluster.event(.stopRequested) == [])
        cluster.lock("S1", ttid)
        #expect(cluster.lock("S2", ttid).last == "exit 0")
        var idle = ScriptedCluster.running()
        #expect(idle.event(.stopRequested) == ["exit 0"])
    }
}
