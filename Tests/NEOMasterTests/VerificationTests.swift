import NEOProtocol
import NEOTopology
import OrderedCollections
import Testing

@testable import NEOMaster

/// What becomes of a commit that was interrupted (`spec/master.md §6.2, §19.6`).
@Suite struct VerificationTests {
    /// What a storage has of the transaction.
    enum Trace: CaseIterable {
        case absent
        case voted
        case locked
        /// Unlocked: in its final place.
        case finished
    }

    static let ttid = TTID(1000)
    static let tid = TID(1010)

    /// Two storages with one partition each; S1 holds the metadata.
    private func recovered(replicas: Int) -> ScriptedCluster {
        var cluster = ScriptedCluster(partitions: 2, replicas: replicas)
        for number in Int32(1)...2 { cluster.storage(number, nid: NID(.storage, number)) }
        let rows: [[CellRecord]] = (0..<2).map { partition in
            (0...replicas).map { CellRecord(nid: NID(.storage, Int32((partition + $0) % 2 + 1)), state: .upToDate) }
        }
        for number in 1...2 {
            cluster.answer("S\(number)", AnswerRecovery(ptid: 3, backupTID: nil, truncateTID: nil))
        }
        cluster.answer("S1", AnswerPartitionTable(ptid: 3, replicas: replicas, rows: rows))
        return cluster
    }

    private func report(_ trace: Trace) -> AnswerLockedTransactions {
        switch trace {
        case .absent, .finished: AnswerLockedTransactions(transactions: [:])
        case .voted: AnswerLockedTransactions(transactions: [Self.ttid: nil])
        case .locked: AnswerLockedTransactions(transactions: [Self.ttid: Self.tid])
        }
    }

    /// All that two storages with the same cells can have: committed as soon as one decided, else dropped.
    @Test(arguments: Trace.allCases, Trace.allCases)
    func decision(first: Trace, second: Trace) {
        var cluster = recovered(replicas: 1)
        var lines = cluster.answer("S1", report(first))
        lines += cluster.answer("S2", report(second))
        let traces = ["S1": first, "S2": second]
        for _ in 0..<2 {
            for (name, trace) in traces.sorted(by: { $0.key < $1.key })
            where lines.contains("\(name) < AskFinalTID") && !lines.contains("\(name) answered") {
                lines += cluster.answer(name, AnswerFinalTID(tid: trace == .finished ? Self.tid : nil))
                lines.append("\(name) answered")
            }
        }
        let isDecided = [first, second].contains { $0 == .locked || $0 == .finished }
        for (name, trace) in traces {
            let isValidated = lines.contains("\(name) < ValidateTransaction")
            #expect(isValidated == (isDecided && (trace == .voted || trace == .locked)), "\(name) \(first) \(second)")
            // By the TID that was decided, whoever knows it.
            let validations = (cluster.sent[name] ?? []).compactMap { frame in
                if case .validateTransaction(let validation) = frame.packet { validation } else { nil }
            }
            #expect(validations == (isValidated ? [ValidateTransaction(ttid: Self.ttid, tid: Self.tid)] : []))
        }
        // Validations come before what is read next.
        let last = lines.lastIndex { $0.hasSuffix("ValidateTransaction") } ?? -1
        #expect(lines.firstIndex { $0.hasSuffix("AskLastIDs") }.map { $0 > last } == true)
    }

    /// The witness is lost before it answers: it may have the transaction committed, so that nothing is decided without
    /// it (seed 1830 of the simulation).
    @Test func witnessIsLost() {
        var cluster = recovered(replicas: 1)
        cluster.answer("S1", report(.voted))
        #expect(cluster.answer("S2", report(.absent)) == ["S2 < AskFinalTID"])
        let lines = cluster.cut("S2")
        #expect(!lines.contains("S1 < ValidateTransaction"))
        #expect(lines.contains("S1 < AskRecovery"))
        #expect(cluster.core.clusterState == .recovering)
    }

    /// Seed 4075835 of the simulation.
    /// 1. S1, which has the metadata, voted and did not lock; S2 locked: the commit was decided.
    /// 2. Both are told; S2 makes it part of history, with nothing that names the transaction; S1 is lost before it did.
    /// 3. The next verification finds it voted at S1 only, and would drop half of it.
    @Test func metadataIsValidatedFirst() {
        var cluster = recovered(replicas: 0)
        cluster.answer("S1", report(.voted))
        let lines = cluster.answer("S2", report(.locked))
        #expect(lines == ["S1 < ValidateTransaction", "S1 < AskLockedTransactions"])
        #expect(
            cluster.answer("S1", report(.finished)) == [
                "S2 < ValidateTransaction", "S1 < AskLastIDs", "S2 < AskLastIDs",
            ]
        )
        _ = cluster.cut("S1")
        #expect(cluster.core.clusterState == .recovering)
    }

    /// Seed 4085603 of the simulation: only S2 had locked a commit that was acknowledged. It was told to stop, and its cells were
    /// out of date from then on; S1 was lost before it recorded what was decided.
    @Test func nobodyIsStoppedMeanwhile() {
        var cluster = recovered(replicas: 1)
        cluster.admin()
        cluster.answer("S2", report(.locked))
        let order = SetNodeState(nid: NID(.storage, 2), state: .down)
        #expect(cluster.send("A1", order) == ["A1 < Error DENIED S2 is being verified: ask again"])
        #expect(cluster.isConnected("S2"))
        #expect(cluster.tableText(2) == "UU|UU")
        cluster.answer("S1", report(.voted))
        for name in ["S1", "S2"] {
            cluster.answer(name, AnswerLastIDs(lastTID: TID(9), lastOID: OID(4), firstTID: TID(2)))
        }
        for name in ["S1", "S2"] { cluster.answer(name, AnswerPackOrders(orders: [])) }
        #expect(cluster.core.clusterState == .running)
        #expect(cluster.send("A1", order).contains("A1 < Error ACK state changed"))
    }

    enum Step: CaseIterable { case lockedTransactions, finalTIDs, lastIDs, packOrders }

    /// What was decided may be known to nobody else: all the readable cells are waited for again.
    @Test(arguments: Step.allCases, [0, 1])
    func storageIsLost(step: Step, replicas: Int) {
        var cluster = recovered(replicas: replicas)
        if step != .lockedTransactions {
            cluster.answer("S1", report(step == .finalTIDs ? .voted : .absent))
            cluster.answer("S2", report(.absent))
        }
        if step == .packOrders {
            for name in ["S1", "S2"] {
                cluster.answer(name, AnswerLastIDs(lastTID: TID(9), lastOID: OID(4), firstTID: TID(2)))
            }
        }
        _ = cluster.cut("S2")
        #expect(cluster.core.clusterState == .recovering)
        #expect(cluster.core.recovery.permission == .complete)
    }

    /// A storage that has nothing to say of what was committed is not waited for, in any step.
    @Test(arguments: [Step.lockedTransactions, .lastIDs, .packOrders])
    func storageWithoutReadableCellIsLost(step: Step) {
        var cluster = ScriptedCluster(partitions: 1)
        let row = [
            CellRecord(nid: NID(.storage, 1), state: .upToDate), CellRecord(nid: NID(.storage, 2), state: .outOfDate),
        ]
        for number in Int32(1)...2 { cluster.storage(number, nid: NID(.storage, number)) }
        for name in ["S1", "S2"] { cluster.answer(name, AnswerRecovery(ptid: 3, backupTID: nil, truncateTID: nil)) }
        cluster.answer("S1", AnswerPartitionTable(ptid: 3, replicas: 1, rows: [row]))
        let lastIDs = AnswerLastIDs(lastTID: TID(9), lastOID: OID(4), firstTID: TID(2))
        if step == .lockedTransactions { _ = cluster.cut("S2") }
        cluster.answer("S1", report(.absent))
        // The only answer that it owes.
        cluster.answer("S1", lastIDs)
        if step == .packOrders { cluster.answer("S2", lastIDs) }
        if step != .lockedTransactions { _ = cluster.cut("S2") }
        #expect(cluster.answer("S1", AnswerPackOrders(orders: [])).contains("S1 < StartOperation"), "\(step)")
        #expect(cluster.core.clusterState == .running)
        #expect(cluster.core.lastTransaction == TID(9))
    }

    /// A master that takes over tells of packs that all readable cells executed: a storage that was away may have missed
    /// them (seed 108 of the simulation, with packs).
    @Test func executedPacks() {
        var cluster = recovered(replicas: 1)
        for name in ["S1", "S2"] { cluster.answer(name, report(.absent)) }
        for name in ["S1", "S2"] {
            cluster.send(name, NotifyPackCompleted(tid: TID(5)))
            cluster.answer(name, AnswerLastIDs(lastTID: TID(9), lastOID: OID(4), firstTID: TID(2)))
        }
        for name in ["S1", "S2"] { cluster.answer(name, AnswerPackOrders(orders: [])) }
        cluster.send("S1", NotifyReady())
        #expect(
            cluster.sent["S1"]?.last?.packet == .notifyPackSigned(NotifyPackSigned(approved: [TID(5)], rejected: []))
        )
    }

    @Test func lastIDsAreTheGreatest() {
        var cluster = recovered(replicas: 0)
        for name in ["S1", "S2"] { cluster.answer(name, report(.absent)) }
        cluster.answer("S1", AnswerLastIDs(lastTID: TID(900), lastOID: OID(4), firstTID: TID(20)))
        cluster.answer("S2", AnswerLastIDs(lastTID: TID(800), lastOID: OID(7), firstTID: TID(10)))
        #expect(cluster.core.lastTransaction == TID(900))
        #expect(cluster.core.transactions.lastOID == OID(7))
        #expect(cluster.core.transactions.first == TID(10))
    }
}
