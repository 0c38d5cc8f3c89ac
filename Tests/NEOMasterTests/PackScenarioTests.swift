import MessagePack
import NEOProtocol
import NEOTopology
import OrderedCollections
import Testing

@testable import NEOMaster

/// Pack orders as the master sees them (`spec/master.md §13, §19.10`).
@Suite struct PackScenarioTests {
    /// All the data at each of the storages, which said that nothing is packed yet.
    private func replicated(_ storages: Int32) -> ScriptedCluster {
        var cluster = ScriptedCluster.running(
            storages: storages,
            partitions: 1,
            replicas: Int(storages) - 1,
            lastTID: TID(1000)
        )
        cluster.client(1)
        for number in 1...storages { cluster.send("S\(number)", NotifyPackCompleted(tid: .zero)) }
        return cluster
    }

    /// A transaction with an order.
    /// - Returns: the id of the order.
    @discardableResult
    private func order(_ oids: [UInt64]? = nil, at storages: [String], _ cluster: inout ScriptedCluster) -> TID {
        let ttid = cluster.begin("C1")
        let pack = PackRequest(oids: oids.map { OIDList($0.map { OID($0) }) }, tid: TID(1000))
        cluster.finish("C1", ttid, [], checked: [0], pack: pack)
        for name in storages { cluster.lock(name, ttid) }
        return cluster.core.lastTransaction
    }

    private func approved(_ id: TID, oids: [UInt64]? = nil) -> PackOrder {
        PackOrder(
            id: id,
            approved: true,
            isPartial: oids != nil,
            oids: oids.map { OIDList($0.map { OID($0) }) },
            tid: TID(1000)
        )
    }

    /// 19.10.2: S3 is away during two packs, that the others executed; the master has forgotten them, and asks one storage.
    @Test func storageThatWasAwayDuringTwoPacks() {
        var cluster = replicated(3)
        _ = cluster.cut("S3")
        let ids = (0..<2).map { _ in order(at: ["S1", "S2"], &cluster) }
        for name in ["S1", "S2"] { cluster.send(name, NotifyPackCompleted(tid: ids[1])) }
        #expect(cluster.core.packs.orders(from: .zero, isStorage: false) == [])
        cluster.storage(3, nid: NID(.storage, 3))
        cluster.send("S3", NotifyReady())
        #expect(cluster.last("S3") == .notifyPackSigned(NotifyPackSigned(approved: [ids[1]], rejected: [])))
        for (index, min) in [TID(1), TID(ids[0].rawValue + 1)].enumerated() {
            let lines = cluster.send("S3", AskPackOrders(min: min))
            #expect(lines == ["S1 < AskPackOrders"] || lines == ["S2 < AskPackOrders"])
            let asked = String(lines.first?.prefix(2) ?? "")
            #expect(cluster.last(asked) == .askPackOrders(AskPackOrders(min: min)))
            // Storages answer with the first one only, or with all.
            cluster.answer(asked, AnswerPackOrders(orders: ids[index...].map { approved($0) }))
            #expect(cluster.last("S3") == .answerPackOrders(AnswerPackOrders(orders: [approved(ids[index])])))
        }
    }

    /// `§13.4`: no storage has all the partitions; one that is asked is lost.
    @Test func othersAreAskedForWhatIsMissing() {
        var cluster = ScriptedCluster.running(storages: 3, partitions: 3, replicas: 1, lastTID: TID(1000))
        #expect(cluster.tableText(3) == "UU.|U.U|.UU")
        cluster.client(1)
        let ttid = cluster.begin("C1")
        cluster.finish("C1", ttid, [], checked: [0, 1, 2], pack: PackRequest(oids: nil, tid: TID(1000)))
        for name in ["S1", "S2", "S3"] { cluster.lock(name, ttid) }
        let id = cluster.core.lastTransaction
        for name in ["S1", "S2", "S3"] { cluster.send(name, NotifyPackCompleted(tid: id)) }
        cluster.client(2)
        let first = cluster.send("C2", AskPackOrders(min: TID(1)))
        #expect(first.count == 2)
        let asked = first.map { String($0.prefix(2)) }
        #expect(cluster.answer(asked[0], AnswerPackOrders(orders: [approved(id)])) == [])
        let left = ["S1", "S2", "S3"].first { !asked.contains($0) } ?? ""
        #expect(cluster.cut(asked[1]).last == "\(left) < AskPackOrders")
        cluster.answer(left, AnswerPackOrders(orders: []))
        #expect(cluster.last("C2") == .answerPackOrders(AnswerPackOrders(orders: [approved(id)])))
    }

    /// `§13.4`: the answer is for nobody.
    @Test func whoAsksLeaves() {
        var cluster = replicated(1)
        let id = order(at: ["S1"], &cluster)
        cluster.send("S1", NotifyPackCompleted(tid: id))
        cluster.client(2)
        #expect(cluster.send("C2", AskPackOrders(min: id)) == ["S1 < AskPackOrders"])
        _ = cluster.cut("C2")
        #expect(cluster.core.packs.queries.isEmpty)
        #expect(cluster.answer("S1", AnswerPackOrders(orders: [approved(id)])) == [])
        #expect(cluster.core.packs.maxCompleted == id)
    }

    /// 19.10.3: who has no readable cell is not waited for, nor who is lost.
    @Test func onlyReadableCellsAreWaitedFor() {
        var cluster = replicated(3)
        _ = cluster.cut("S3")
        let id = order(at: ["S1", "S2"], &cluster)
        cluster.storage(3, nid: NID(.storage, 3))
        cluster.send("S3", NotifyReady())
        cluster.send("S3", NotifyPackCompleted(tid: .zero))
        #expect(cluster.tableText(3) == "UUO")
        #expect(cluster.send("C1", WaitForPack(tid: id)) == [])
        #expect(cluster.send("S1", NotifyPackCompleted(tid: id)) == [])
        #expect(cluster.cut("S2").last == "C1 < WaitedForPack")
        #expect(cluster.send("C1", WaitForPack(tid: id)) == ["C1 < WaitedForPack"])
    }

    /// 19.10.4: an order that is not executed yet, and one that was rejected. Both are told to who gets ready.
    @Test func signaturesForWhoComesLate() {
        var cluster = ScriptedCluster(replicas: 1)
        let row = (1...2).map { CellRecord(nid: NID(.storage, $0), state: .upToDate) }
        for number in Int32(1)...2 {
            cluster.storage(number, nid: NID(.storage, number))
            cluster.answer("S\(number)", AnswerRecovery(ptid: 7, backupTID: nil, truncateTID: nil))
        }
        cluster.answer("S1", AnswerPartitionTable(ptid: 7, replicas: 1, rows: [row]))
        for name in ["S1", "S2"] { cluster.answer(name, AnswerLockedTransactions(transactions: [:])) }
        for name in ["S1", "S2"] {
            cluster.answer(name, AnswerLastIDs(lastTID: TID(1000), lastOID: nil, firstTID: TID(1)))
        }
        var rejected = approved(TID(900))
        rejected.approved = false
        let orders = [rejected, approved(TID(950))]
        for name in ["S1", "S2"] { cluster.answer(name, AnswerPackOrders(orders: orders)) }
        #expect(cluster.send("S2", NotifyReady()) == ["S2 < NotifyPackSigned"])
        #expect(
            cluster.last("S2") == .notifyPackSigned(NotifyPackSigned(approved: [TID(950)], rejected: [TID(900)]))
        )
        // `§13.4`: clients see all of them, storages the next one that is to be executed.
        cluster.send("S1", NotifyReady())
        cluster.client(1)
        cluster.send("C1", AskPackOrders(min: TID(1)))
        #expect(cluster.last("C1") == .answerPackOrders(AnswerPackOrders(orders: orders)))
        cluster.send("S1", AskPackOrders(min: TID(1)))
        #expect(cluster.last("S1") == .answerPackOrders(AnswerPackOrders(orders: [approved(TID(950))])))
    }

    /// `§13.1`: as long as an order waits for a signature, none is signed. Only what is approved prevents a truncation.
    @Test func nothingIsSignedBehindAnUnsignedOrder() {
        var cluster = ScriptedCluster(replicas: 1)
        cluster.admin()
        let row = [CellRecord(nid: NID(.storage, 1), state: .upToDate)]
        cluster.storage(1, nid: NID(.storage, 1))
        cluster.answer("S1", AnswerRecovery(ptid: 7, backupTID: nil, truncateTID: nil))
        cluster.answer("S1", AnswerPartitionTable(ptid: 7, replicas: 0, rows: [row]))
        cluster.answer("S1", AnswerLockedTransactions(transactions: [:]))
        cluster.answer("S1", AnswerLastIDs(lastTID: TID(1000), lastOID: nil, firstTID: TID(1)))
        var unsigned = approved(TID(900))
        unsigned.approved = nil
        cluster.answer("S1", AnswerPackOrders(orders: [unsigned]))
        #expect(cluster.send("S1", NotifyReady()) == [])
        cluster.client(1)
        let ttid = cluster.begin("C1")
        cluster.finish("C1", ttid, [], checked: [0], pack: PackRequest(oids: nil, tid: TID(1000)))
        guard case .askLockInformation(let lock)? = cluster.last("S1") else {
            Issue.record("no lock")
            return
        }
        #expect(!lock.pack)
        #expect(cluster.lock("S1", ttid) == ["C1 < AnswerTransactionFinished", "S1 < NotifyUnlockInformation"])
        #expect(cluster.send("A1", Truncate(tid: TID(500))).first == "A1 < Error ACK ")
    }

    /// 19.10.5, and `§12.7`: storages are told that it is approved with the lock, and who has a copy once it is committed.
    @Test(arguments: [nil, [], [3, 5]] as [[UInt64]?])
    func partialPack(oids: [UInt64]?) {
        var cluster = replicated(1)
        cluster.client(2, extra: Properties(["backup": .text("copy")]))
        let ttid = cluster.begin("C1")
        let list = oids.map { OIDList($0.map { OID($0) }) }
        cluster.finish("C1", ttid, [], checked: [0], pack: PackRequest(oids: list, tid: TID(1000)))
        guard case .askLockInformation(let lock)? = cluster.last("S1") else {
            Issue.record("no lock")
            return
        }
        #expect(lock.pack)
        let lines = cluster.lock("S1", ttid)
        #expect(lines.suffix(2) == ["S1 < NotifyPackSigned", "C2 < NotifyPackSigned"])
        let id = cluster.core.lastTransaction
        #expect(cluster.last("S1") == .notifyPackSigned(NotifyPackSigned(approved: [id], rejected: [])))
        cluster.send("S1", AskPackOrders(min: TID(1)))
        let order = PackOrder(id: id, approved: true, isPartial: oids?.isEmpty == false, oids: list, tid: TID(1000))
        #expect(cluster.last("S1") == .answerPackOrders(AnswerPackOrders(orders: [order])))
    }

    /// 19.9.4: an order that all executed, and that the master forgot, cannot be undone either.
    @Test func truncationBeforeAPackThatIsOver() {
        var cluster = replicated(1)
        cluster.admin()
        let id = order(at: ["S1"], &cluster)
        cluster.send("S1", NotifyPackCompleted(tid: id))
        let ttid = cluster.begin("C1")
        cluster.finish("C1", ttid, [1])
        cluster.lock("S1", ttid)
        #expect(
            cluster.send("A1", Truncate(tid: TID(id.rawValue - 1))) == [
                "A1 < Error DENIED Can not truncate before an approved pack"
            ]
        )
        #expect(cluster.send("A1", Truncate(tid: id)).first == "A1 < Error ACK ")
    }
}
