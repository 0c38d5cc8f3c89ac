import NEOClient
import NEOEngine
import NEOProtocol
import NIOCore
import Testing

/// Scripts over the client core: what the cluster sends, in which order, and what the program sees.
@Suite struct ScenarioTests {
    private let oid = OID(1)
    private let old = ByteBuffer(string: "old")
    private let new = ByteBuffer(string: "new")

    private func fail(_ text: String) { Issue.record(Comment(rawValue: text)) }

    private func withStore(base: UInt64 = 90) -> (ScriptedCluster, TransactionID, [ScriptedCluster.Sent]) {
        ScriptedCluster.withStore(oid, new, base: base)
    }

    @Test func aLoadIsSharedAndThenCached() throws {
        var cluster = ScriptedCluster()
        let oid = oid
        let first = cluster.call { $0.load($1, oid, .before(TID(101)), &$2) }
        let second = cluster.call { $0.load($1, oid, .current, &$2) }
        cluster.connectAll()
        let asked = cluster.takeAll(askObject)
        #expect(asked.count == 1)
        let only = try #require(asked.first).sent
        cluster.answer(only, object(oid, old, at: 90))
        #expect(record(cluster.results[first])?.data == old)
        #expect(record(cluster.results[second])?.data == old)
        #expect(cluster.core.lastTransaction == TID(100))
        #expect(cluster.deliveries == [.invalidateAll(TID(100))])
    }

    /// B10, B11: what was invalidated while a record was fetched bounds it, but not what the answer includes already.
    @Test func aLoadThatAnInvalidationOvertakes() throws {
        var cluster = ScriptedCluster()
        let oid = oid
        let load = cluster.call { $0.load($1, oid, .before(TID(101)), &$2) }
        cluster.connectAll()
        let asked = try cluster.require(askObject)
        cluster.notify(cluster.masterConnection, InvalidateObjects(tid: TID(110), oids: [oid]))
        cluster.answer(asked.sent, object(oid, old, at: 90))
        #expect(record(cluster.results[load])?.next == TID(110))
        let later = cluster.call { $0.load($1, oid, .current, &$2) }
        let again = try cluster.require(askObject)
        #expect(again.value.before == TID(111))
        cluster.notify(cluster.masterConnection, InvalidateObjects(tid: TID(120), oids: [OID(2)]))
        cluster.answer(again.sent, object(oid, new, at: 110))
        #expect(record(cluster.results[later])?.next == nil)
    }

    /// R3, R5: what the program was not told of cannot be seen.
    @Test func nothingIsSeenBeforeItIsDelivered() throws {
        var cluster = ScriptedCluster()
        let oid = oid
        _ = cluster.call { $0.lastTransaction($1, &$2) }
        cluster.connectAll()
        cluster.deliversAtOnce = false
        cluster.notify(cluster.masterConnection, InvalidateObjects(tid: TID(110), oids: [oid]))
        #expect(cluster.core.lastTransaction == TID(100))
        let load = cluster.call { $0.load($1, oid, .before(TID(111)), &$2) }
        cluster.connectAll()
        let early = cluster.takeAll(askObject)
        #expect(early.isEmpty)
        let sync = cluster.call { $0.sync($1, &$2) }
        let ping = try cluster.require { if case .ping = $0 { true } else { nil } }
        cluster.answer(ping.sent, Pong())
        #expect(cluster.results[sync] == nil)
        cluster.deliver()
        #expect(cluster.results[sync] != nil)
        #expect(cluster.core.lastTransaction == TID(110))
        cluster.connectAll()
        cluster.answer(try cluster.require(askObject).sent, object(oid, new, at: 110))
        #expect(record(cluster.results[load])?.serial == TID(110))
    }

    /// R6: who asks for the last transaction while the program is told that some were missed waits for the end of that.
    @Test func theLastTransactionWhileSomeWereMissed() {
        var cluster = ScriptedCluster()
        let first = cluster.call { $0.lastTransaction($1, &$2) }
        cluster.connectAll()
        #expect(cluster.results[first] != nil)
        #expect(cluster.core.publishedValue == 100)
        cluster.lose(cluster.masterConnection)
        #expect(cluster.core.publishedValue == 100, "it is known while there is no connection")
        cluster.lastTID = 110
        cluster.deliversAtOnce = false
        _ = cluster.call { $0.sync($1, &$2) }
        cluster.connectAll()
        #expect(cluster.core.nextDelivery == .invalidateAll(TID(110)))
        #expect(cluster.core.publishedValue == UInt64.max)
        let waiting = cluster.call { $0.lastTransaction($1, &$2) }
        #expect(cluster.results[waiting] == nil)
        cluster.deliver()
        guard case .lastTransaction(TID(110))? = cluster.results[waiting] else { return fail("not told") }
        #expect(cluster.core.publishedValue == 110)
    }

    @Test func aCommit() throws {
        var (cluster, id, stores) = withStore()
        for store in stores { cluster.answer(store, AnswerStoreObject(conflict: nil)) }
        let voting = cluster.call { $0.vote($1, id, &$2) }
        let votes = cluster.takeAll(vote)
        #expect(votes.count == 2)
        for vote in votes { cluster.answer(vote.sent, AnswerStoreTransaction()) }
        guard case .voted? = cluster.results[voting] else { return fail("not voted") }
        let finish = cluster.call { $0.finish($1, id, &$2) }
        let asked = try cluster.require { if case .askFinishTransaction(let request) = $0 { request } else { nil } }
        #expect(asked.value.stored == [oid])
        cluster.answer(asked.sent, AnswerTransactionFinished(ttid: TID(105), tid: TID(112)))
        guard case .finished(let tid)? = cluster.results[finish] else { return fail("not finished") }
        #expect(tid == TID(112))
        #expect(cluster.deliveries.last == .finished(finish, TID(112)))
        let oid = oid
        let load = cluster.call { $0.load($1, oid, .current, &$2) }
        #expect(record(cluster.results[load])?.data == new, "what was written is cached")
    }

    /// The thread that finishes a transaction must not wait for a delivery that nobody makes any more.
    @Test func aClientIsClosedBeforeACommitIsDelivered() throws {
        var (cluster, id, stores) = withStore()
        for store in stores { cluster.answer(store, AnswerStoreObject(conflict: nil)) }
        _ = cluster.call { $0.vote($1, id, &$2) }
        for vote in cluster.takeAll(vote) { cluster.answer(vote.sent, AnswerStoreTransaction()) }
        cluster.deliversAtOnce = false
        let finish = cluster.call { $0.finish($1, id, &$2) }
        let asked = try cluster.require { if case .askFinishTransaction = $0 { true } else { nil } }
        cluster.answer(asked.sent, AnswerTransactionFinished(ttid: TID(105), tid: TID(112)))
        #expect(cluster.results[finish] == nil)
        cluster.turn { core, context in core.close(&context) }
        guard case .finished(let tid)? = cluster.results[finish] else { return fail("not finished") }
        #expect(tid == TID(112))
        #expect(cluster.core.nextDelivery == nil)
    }

    /// D6: the second replica reports a conflict that is already resolved; answers to the first store do not count.
    @Test func aConflictIsResolvedOnce() throws {
        var (cluster, id, stores) = withStore()
        cluster.answer(stores[0], AnswerStoreObject(conflict: TID(95)))
        let voting = cluster.call { $0.vote($1, id, &$2) }
        guard case .conflicts(let conflicts)? = cluster.results[voting] else {
            return fail("no conflict")
        }
        #expect(conflicts == [Conflict(oid: oid, serial: TID(95), base: TID(90), data: new)])
        let oid = oid
        let old = old
        let resolve = cluster.call { core, operation, context in
            core.resolve(operation, id, oid, record: old, stored: ClientCore.prepare(old, .off), &context)
        }
        guard case .stored(let more)? = cluster.results[resolve] else { return fail("unexpected result") }
        #expect(more.isEmpty)
        let second = cluster.call { $0.vote($1, id, &$2) }
        let resolved = cluster.takeAll(askStore)
        #expect(resolved.map(\.value.serial) == [TID(95), TID(95)])
        cluster.answer(stores[1], AnswerStoreObject(conflict: TID(95)))
        for store in resolved { cluster.answer(store.sent, AnswerStoreObject(conflict: nil)) }
        for vote in cluster.takeAll(vote) { cluster.answer(vote.sent, AnswerStoreTransaction()) }
        guard case .voted(let list)? = cluster.results[second] else { return fail("not voted") }
        #expect(list == [ResolvedConflict(oid: oid, serial: TID(95))])
    }

    /// D2: the lock is given up at once; the older transaction's change becomes a conflict.
    @Test func aDeadlockIsAvoided() throws {
        var (cluster, id, stores) = withStore()
        for store in stores { cluster.answer(store, AnswerStoreObject(conflict: nil)) }
        cluster.notify(cluster.storageConnection(0), NotifyDeadlock(ttid: TID(105), oid: oid))
        let relock = try cluster.require { if case .askRelockObject = $0 { true } else { nil } }
        let voting = cluster.call { $0.vote($1, id, &$2) }
        let early = cluster.takeAll(vote)
        #expect(early.isEmpty, "no vote while an answer is awaited")
        let saved = ClientCore.prepare(new, .off)
        let conflict = RelockConflict(serial: TID(90), current: TID(99), data: saved)
        cluster.answer(relock.sent, AnswerRelockObject(conflict: conflict))
        guard case .conflicts(let conflicts)? = cluster.results[voting] else { return fail("unexpected result") }
        #expect(conflicts == [Conflict(oid: oid, serial: TID(99), base: TID(90), data: new)])
    }

    /// E1: a storage is lost: the others are enough, and the master is told.
    @Test func aStorageIsLostDuringTheVote() throws {
        var (cluster, id, stores) = withStore()
        for store in stores { cluster.answer(store, AnswerStoreObject(conflict: nil)) }
        let voting = cluster.call { $0.vote($1, id, &$2) }
        let votes = cluster.takeAll(vote)
        cluster.lose(cluster.storageConnection(1))
        for vote in votes { cluster.answer(vote.sent, AnswerStoreTransaction()) }
        let failed = try cluster.require { if case .failedVote(let request) = $0 { request } else { nil } }
        #expect(failed.value.nids == [NID(.storage, 2)])
        cluster.answer(failed.sent, ErrorPacket(code: .ack, message: ""))
        guard case .voted? = cluster.results[voting] else { return fail("not voted") }
    }

    /// F11: the answer to the finish is lost; the program is told once, and the result is the TID.
    @Test(arguments: [100, 112] as [UInt64]) func theMasterIsLostDuringTheFinish(tidAtReconnection: UInt64) throws {
        var (cluster, id, stores) = withStore()
        for store in stores { cluster.answer(store, AnswerStoreObject(conflict: nil)) }
        _ = cluster.call { $0.vote($1, id, &$2) }
        for vote in cluster.takeAll(vote) { cluster.answer(vote.sent, AnswerStoreTransaction()) }
        let finish = cluster.call { $0.finish($1, id, &$2) }
        cluster.lose(cluster.masterConnection)
        #expect(cluster.results[finish] == nil)
        cluster.lastTID = tidAtReconnection
        cluster.connectAll()
        let asked = try cluster.require { if case .askFinalTID = $0 { true } else { nil } }
        cluster.answer(asked.sent, AnswerFinalTID(tid: TID(112)))
        if let ping = cluster.take({ if case .ping = $0 { true } else { nil } }) {
            cluster.notify(cluster.masterConnection, InvalidateObjects(tid: TID(112), oids: [oid]))
            cluster.answer(ping.sent, Pong())
        }
        guard case .finished(let tid)? = cluster.results[finish] else { return fail("not finished") }
        #expect(tid == TID(112))
        #expect(cluster.deliveries.filter { $0 == .finished(finish, TID(112)) }.count == 1)
        #expect(!cluster.deliveries.contains(.invalidate(TID(112), [oid])))
        #expect(cluster.core.lastTransaction == TID(112))
    }

    /// F7, F8: nothing about a transaction is sent on another connection than the one that it began on.
    @Test func theMasterIsLostBeforeTheVote() throws {
        var (cluster, id, stores) = withStore()
        for store in stores { cluster.answer(store, AnswerStoreObject(conflict: nil)) }
        cluster.lose(cluster.masterConnection)
        let voting = cluster.call { $0.vote($1, id, &$2) }
        #expect(error(cluster.results[voting]) == .unavailable)
        _ = cluster.call { $0.sync($1, &$2) }
        cluster.connectAll()
        cluster.sent.removeAll()
        cluster.turn { core, context in core.abort(id, &context) }
        #expect(cluster.sent.isEmpty)
    }

    @Test func aDamagedRecordIsReadFromTheOtherReplica() throws {
        var cluster = ScriptedCluster()
        let oid = oid
        let load = cluster.call { $0.load($1, oid, .current, &$2) }
        cluster.connectAll()
        var damaged = object(oid, old, at: 90)
        damaged.data = new
        cluster.answer(try cluster.require(askObject).sent, damaged)
        cluster.connectAll()
        cluster.answer(try cluster.require(askObject).sent, object(oid, old, at: 90))
        #expect(record(cluster.results[load])?.data == old)
    }
}
