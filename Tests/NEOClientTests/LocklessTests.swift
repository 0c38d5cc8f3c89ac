import NEOClient
import NEOEngine
import NEOProtocol
import NIOCore
import Testing

/// Replicas that took a store without lock, while they are filled (`spec/replication.md §4.13`, scenarios R12, R15 and R16;
/// `spec/storage.md §23`, 38 and 40). S1 has the data, S2 is filled.
@Suite struct LocklessTests {
    private let oid = OID(1)
    private let new = ByteBuffer(string: "new")
    private let merged = ByteBuffer(string: "merged")

    enum Loss: CaseIterable { case beforeTheVote, duringTheVote }

    /// Answers all the votes; one of the storages is lost.
    /// - Returns: what the program gets from the vote.
    private func vote(
        _ cluster: inout ScriptedCluster,
        _ id: TransactionID,
        losing index: Int,
        _ loss: Loss
    ) -> OperationID {
        if loss == .beforeTheVote { cluster.lose(cluster.storageConnection(index)) }
        let voting = cluster.call { $0.vote($1, id, &$2) }
        if loss == .duringTheVote { cluster.lose(cluster.storageConnection(index)) }
        for (sent, _) in cluster.takeAll(NEOClientTests.vote) { cluster.answer(sent, AnswerStoreTransaction()) }
        return voting
    }

    private func failedVote(_ packet: Packet) -> FailedVote? {
        if case .failedVote(let request) = packet { request } else { nil }
    }

    /// R15: the storage that looked for conflicts is lost: nobody knows whether there is one.
    @Test(arguments: Loss.allCases)
    func theStorageWithTheLockIsLost(_ loss: Loss) {
        var (cluster, id, stores) = ScriptedCluster.withStore(oid, new)
        cluster.answer(stores[0], AnswerStoreObject(conflict: nil))
        cluster.answer(stores[1], AnswerStoreObject(conflict: .zero))
        let voting = vote(&cluster, id, losing: 0, loss)
        guard case .failed(let failure)? = cluster.results[voting] else {
            Issue.record("not refused: \(String(describing: cluster.results[voting]))")
            return
        }
        #expect(failure.code == .unavailable)
        #expect(failure.message.hasPrefix("partition 0 not fully write-locked"))
        #expect(cluster.takeAll(failedVote).isEmpty, "the master is not asked whether to go on")
        let finish = cluster.call { $0.finish($1, id, &$2) }
        #expect(error(cluster.results[finish]) != nil)
    }

    /// R16: the replica is lost: the transaction is committed without it, if the master agrees.
    @Test(arguments: Loss.allCases, [AnswerStoreObject(conflict: .zero), AnswerStoreObject(conflict: nil), nil])
    func theReplicaIsLost(_ loss: Loss, answer: AnswerStoreObject?) throws {
        var (cluster, id, stores) = ScriptedCluster.withStore(oid, new)
        cluster.answer(stores[0], AnswerStoreObject(conflict: nil))
        if let answer {
            cluster.answer(stores[1], answer)
        } else {
            // Before it answered to the store.
            cluster.lose(cluster.storageConnection(1))
        }
        let voting = vote(&cluster, id, losing: 1, loss)
        #expect(cluster.results[voting] == nil)
        let failed = try cluster.require(failedVote)
        #expect(failed.value.nids == [NID(.storage, 2)])
        cluster.answer(failed.sent, ErrorPacket(code: .ack, message: ""))
        guard case .voted? = cluster.results[voting] else {
            Issue.record("not voted")
            return
        }
        _ = cluster.call { $0.finish($1, id, &$2) }
        let asked = try cluster.require { if case .askFinishTransaction(let request) = $0 { request } else { nil } }
        #expect(asked.value.stored == [oid])
    }

    /// R16: the master does not agree: others depend on the storage that is lost.
    @Test func theReplicaCannotBeDoneWithout() throws {
        var (cluster, id, stores) = ScriptedCluster.withStore(oid, new)
        for store in stores { cluster.answer(store, AnswerStoreObject(conflict: nil)) }
        let voting = vote(&cluster, id, losing: 1, .duringTheVote)
        cluster.answer(try cluster.require(failedVote).sent, ErrorPacket(code: .incompleteTransaction, message: ""))
        #expect(error(cluster.results[voting]) == .unavailable)
    }

    /// The conflict that S1 finds, resolved by the program, stored again on both.
    private func resolved() throws -> (
        ScriptedCluster, TransactionID, first: [ScriptedCluster.Sent], voting: OperationID
    ) {
        var (cluster, id, stores) = ScriptedCluster.withStore(oid, new)
        cluster.answer(stores[0], AnswerStoreObject(conflict: TID(95)))
        let first = cluster.call { $0.vote($1, id, &$2) }
        guard case .conflicts(let conflicts)? = cluster.results[first] else { throw ScriptedCluster.Missing() }
        #expect(conflicts.map(\.serial) == [TID(95)])
        cluster.resolve(id, oid, merged)
        let voting = cluster.call { $0.vote($1, id, &$2) }
        return (cluster, id, stores, voting)
    }

    /// R12: S2 takes both stores without lock.
    @Test func aConflictThatOnlyTheFullReplicaFinds() throws {
        var (cluster, _, first, voting) = try resolved()
        cluster.answer(first[1], AnswerStoreObject(conflict: .zero))
        let again = cluster.takeAll(askStore)
        #expect(again.map(\.value.serial) == [TID(95), TID(95)])
        #expect(again.map(\.value.data) == [merged, merged])
        cluster.answer(again[0].sent, AnswerStoreObject(conflict: nil))
        cluster.answer(again[1].sent, AnswerStoreObject(conflict: .zero))
        let votes = cluster.takeAll(NEOClientTests.vote)
        #expect(votes.count == 2)
        for (sent, _) in votes { cluster.answer(sent, AnswerStoreTransaction()) }
        guard case .voted(let list)? = cluster.results[voting] else {
            Issue.record("not voted")
            return
        }
        #expect(list == [ResolvedConflict(oid: oid, serial: TID(95))])
    }

    /// R15, 38: the answer to the first store comes late: it says nothing of the second one, which S2 locks.
    @Test func aLateAnswerWithoutLock() throws {
        var (cluster, _, first, voting) = try resolved()
        let again = cluster.takeAll(askStore)
        cluster.answer(again[0].sent, AnswerStoreObject(conflict: nil))
        cluster.answer(first[1], AnswerStoreObject(conflict: .zero))
        #expect(cluster.takeAll(NEOClientTests.vote).isEmpty, "the second store is not answered")
        cluster.answer(again[1].sent, AnswerStoreObject(conflict: nil))
        // S2 can answer for the partition alone.
        cluster.lose(cluster.storageConnection(0))
        for (sent, _) in cluster.takeAll(NEOClientTests.vote) { cluster.answer(sent, AnswerStoreTransaction()) }
        cluster.answer(try cluster.require(failedVote).sent, ErrorPacket(code: .ack, message: ""))
        guard case .voted? = cluster.results[voting] else {
            Issue.record("not voted: \(String(describing: cluster.results[voting]))")
            return
        }
    }
}
