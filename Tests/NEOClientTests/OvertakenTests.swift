import NEOClient
import NEOEngine
import NEOProtocol
import NIOCore
import Testing

/// D19: a program that resolves conflicts more slowly than others commit (`spec/client.md §20.31`).
@Suite struct OvertakenTests {
    private let oid = OID(1)
    private let changed = ByteBuffer(string: "changed")
    private let merged = ByteBuffer(string: "merged")
    private let mergedAgain = ByteBuffer(string: "merged again")

    private func conflicts(_ result: OperationResult?) -> [Conflict]? {
        switch result {
        case .stored(let conflicts)?, .conflicts(let conflicts)?: conflicts
        default: nil
        }
    }

    /// A transaction whose object was overtaken by 95, resolved, and overtaken again by 97: nothing is voted yet, and the
    /// program is resolving the second conflict.
    private func overtakenTwice() throws -> (ScriptedCluster, TransactionID, voting: OperationID) {
        var (cluster, id, stores) = ScriptedCluster.withStore(oid, changed)
        let first = cluster.call { $0.vote($1, id, &$2) }
        for store in stores { cluster.answer(store, AnswerStoreObject(conflict: TID(95))) }
        #expect(conflicts(cluster.results[first])?.map(\.serial) == [TID(95)])
        #expect(cluster.takeAll(askStore).isEmpty, "nothing is locked for a first conflict")
        let resolved = cluster.resolve(id, oid, merged)
        #expect(conflicts(cluster.results[resolved]) == [])
        let second = cluster.call { $0.vote($1, id, &$2) }
        let resolutions = cluster.takeAll(askStore)
        #expect(resolutions.map(\.value.serial) == [TID(95), TID(95)])
        for store in resolutions { cluster.answer(store.sent, AnswerStoreObject(conflict: TID(97))) }
        let found = conflicts(cluster.results[second])
        #expect(found == [Conflict(oid: oid, serial: TID(97), base: TID(95), data: merged)])
        return (cluster, id, second)
    }

    /// The object is locked while the program resolves, and what it resolves replaces what locked it.
    @Test func theObjectIsLockedMeanwhile() throws {
        var (cluster, id, _) = try overtakenTwice()
        let locks = cluster.takeAll(askStore)
        #expect(locks.map(\.value.serial) == [TID(97), TID(97)])
        #expect(locks.map(\.value.data) == [merged, merged])
        for lock in locks { cluster.answer(lock.sent, AnswerStoreObject(conflict: nil)) }
        // What locked it is not what is committed.
        let early = cluster.call { $0.vote($1, id, &$2) }
        #expect(error(cluster.results[early]) == .unavailable)
        #expect(cluster.takeAll(vote).isEmpty)
    }

    @Test func whatIsResolvedIsCommitted() throws {
        var (cluster, id, _) = try overtakenTwice()
        let locks = cluster.takeAll(askStore)
        cluster.answer(locks[0].sent, AnswerStoreObject(conflict: nil))
        let resolved = cluster.resolve(id, oid, mergedAgain)
        #expect(conflicts(cluster.results[resolved]) == [])
        let stores = cluster.takeAll(askStore)
        #expect(stores.map(\.value.serial) == [TID(97), TID(97)])
        #expect(stores.map(\.value.data) == [mergedAgain, mergedAgain])
        let voting = cluster.call { $0.vote($1, id, &$2) }
        for store in stores { cluster.answer(store.sent, AnswerStoreObject(conflict: nil)) }
        #expect(cluster.takeAll(vote).isEmpty, "an answer to what locked it is awaited")
        cluster.answer(locks[1].sent, AnswerStoreObject(conflict: nil))
        let votes = cluster.takeAll(vote)
        #expect(votes.count == 2)
        for vote in votes { cluster.answer(vote.sent, AnswerStoreTransaction()) }
        guard case .voted(let list)? = cluster.results[voting] else {
            Issue.record("not voted")
            return
        }
        #expect(list == [ResolvedConflict(oid: oid, serial: TID(97))])
    }

    /// Overtaken before it is locked: it is locked from the new revision at once, once, and what the program resolves
    /// meanwhile is to be resolved again.
    @Test func theLockIsOvertakenToo() throws {
        var (cluster, id, _) = try overtakenTwice()
        let locks = cluster.takeAll(askStore)
        cluster.answer(locks[0].sent, AnswerStoreObject(conflict: TID(98)))
        let again = cluster.takeAll(askStore)
        #expect(again.map(\.value.serial) == [TID(98), TID(98)])
        cluster.answer(locks[1].sent, AnswerStoreObject(conflict: TID(98)))
        #expect(cluster.takeAll(askStore).isEmpty)
        for lock in again { cluster.answer(lock.sent, AnswerStoreObject(conflict: nil)) }
        let resolved = cluster.resolve(id, oid, mergedAgain)
        let expected = Conflict(oid: oid, serial: TID(98), base: TID(97), data: mergedAgain)
        #expect(conflicts(cluster.results[resolved]) == [expected])
        #expect(cluster.takeAll(askStore).isEmpty, "it is locked already")
        let last = ByteBuffer(string: "last")
        #expect(conflicts(cluster.results[cluster.resolve(id, oid, last)]) == [])
        #expect(cluster.takeAll(askStore).map(\.value.data) == [last, last])
    }

    /// An older transaction takes the lock: see `NotifyDeadlock`. It is taken again from what that one committed.
    @Test func theLockIsGivenToAnOlderTransaction() throws {
        var (cluster, id, _) = try overtakenTwice()
        for lock in cluster.takeAll(askStore) { cluster.answer(lock.sent, AnswerStoreObject(conflict: nil)) }
        cluster.notify(cluster.storageConnection(0), NotifyDeadlock(ttid: TID(105), oid: oid))
        let relock = try cluster.require { if case .askRelockObject = $0 { true } else { nil } }
        let given = RelockConflict(serial: TID(97), current: TID(99), data: ClientCore.prepare(merged, .off))
        cluster.answer(relock.sent, AnswerRelockObject(conflict: given))
        #expect(cluster.takeAll(askStore).map(\.value.serial) == [TID(99), TID(99)])
        let resolved = cluster.resolve(id, oid, mergedAgain)
        let expected = Conflict(oid: oid, serial: TID(99), base: TID(97), data: mergedAgain)
        #expect(conflicts(cluster.results[resolved]) == [expected])
    }
}
