import NEOClient
import NEOEngine
import NEOProtocol
import NIOCore
import Testing

/// Outcomes of commits whose answers were lost, asked to a master that delays its answers (`spec/client.md §20.33`).
@Suite struct OutcomeTests {
    private let data = ByteBuffer(string: "data")

    private func askFinalTID(_ packet: Packet) -> AskFinalTID? {
        if case .askFinalTID(let request) = packet { request } else { nil }
    }

    /// Two transactions are being finished when the master is lost.
    private func twoFinishes() throws -> (ScriptedCluster, [OperationID]) {
        var cluster = ScriptedCluster()
        var finishes: [OperationID] = []
        for number in 1...2 {
            let id = TransactionID(UInt64(number))
            cluster.begin(id)
            cluster.connectAll()
            let (sent, _) = try cluster.require { if case .askBeginTransaction = $0 { true } else { nil } }
            cluster.answer(sent, AnswerBeginTransaction(ttid: TID(104 + UInt64(number))))
            let (oid, data) = (OID(UInt64(number)), data)
            _ = cluster.call { core, operation, context in
                let stored = ClientCore.prepare(data, .off)
                core.store(operation, id, oid, base: TID(90), record: data, stored: stored, &context)
            }
            cluster.connectAll()
            for store in cluster.takeAll(askStore) { cluster.answer(store.sent, AnswerStoreObject(conflict: nil)) }
            _ = cluster.call { $0.vote($1, id, &$2) }
            for vote in cluster.takeAll(vote) { cluster.answer(vote.sent, AnswerStoreTransaction()) }
        }
        for number in 1...2 { finishes.append(cluster.call { $0.finish($1, TransactionID(UInt64(number)), &$2) }) }
        cluster.sent = []
        cluster.lose(cluster.masterConnection)
        cluster.lastTID = 120
        cluster.connectAll()
        return (cluster, finishes)
    }

    private func tid(_ result: OperationResult?) -> TID? {
        if case .finished(let tid)? = result { tid } else { nil }
    }

    /// They are asked one after the other, since an answer does not say what it is about.
    @Test func oneIsAskedAtATime() throws {
        var (cluster, finishes) = try twoFinishes()
        for (number, tid) in [(0, TID(112)), (1, TID(113))] {
            let asked = cluster.takeAll(askFinalTID)
            #expect(asked.map(\.value.ttid) == [TID(105 + UInt64(number))])
            #expect(cluster.results[finishes[number]] == nil)
            cluster.answer(try #require(asked.first).sent, AnswerFinalTID(tid: tid))
            #expect(self.tid(cluster.results[finishes[number]]) == tid)
        }
    }

    /// The answer comes with the id of the last request of the connection: that of one that is answered, or of one that
    /// waits for another answer.
    @Test(arguments: [true, false]) func anAnswerComesUnderAnotherID(isAnswered: Bool) throws {
        var (cluster, finishes) = try twoFinishes()
        _ = try cluster.require(askFinalTID)
        let sync = cluster.call { $0.sync($1, &$2) }
        let ping = try cluster.require { if case .ping = $0 { true } else { nil } }
        if isAnswered { cluster.answer(ping.sent, Pong()) }
        cluster.answer(ping.sent, AnswerFinalTID(tid: TID(112)))
        #expect(tid(cluster.results[finishes[0]]) == TID(112))
        if !isAnswered { cluster.answer(ping.sent, Pong()) }
        #expect(cluster.results[sync] != nil)
        let second = try cluster.require(askFinalTID)
        #expect(second.value.ttid == TID(106))
        cluster.answer(second.sent, AnswerFinalTID(tid: nil))
        #expect(error(cluster.results[finishes[1]]) == .unavailable)
    }

    /// The next master is asked about both.
    @Test func theMasterIsLostAgain() throws {
        var (cluster, finishes) = try twoFinishes()
        cluster.sent = []
        cluster.lose(cluster.masterConnection)
        cluster.connectAll()
        var ttids: Set<TTID> = []
        for _ in 0..<2 {
            let asked = try cluster.require(askFinalTID)
            ttids.insert(asked.value.ttid)
            cluster.answer(asked.sent, AnswerFinalTID(tid: TID(asked.value.ttid.rawValue + 7)))
        }
        #expect(ttids == [TID(105), TID(106)])
        #expect(finishes.map { tid(cluster.results[$0]) } == [TID(112), TID(113)])
    }
}
