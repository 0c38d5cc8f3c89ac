import NEOClient
import NEOEngine
import NEOProtocol
import NIOCore
import Testing

/// Outcomes of commits whose answers were lost: they are asked to the next master, which may delay its answers
/// (`spec/client.md §20.33`), then to the storages if it does not remember (`§11.10`).
@Suite struct OutcomeTests {
    private let data = ByteBuffer(string: "data")

    private func askFinalTID(_ packet: Packet) -> AskFinalTID? {
        if case .askFinalTID(let request) = packet { request } else { nil }
    }

    /// Transactions are being finished when the master is lost: object 1 is written by 105, object 2 by 106.
    private func lostFinishes(_ count: Int) throws -> (ScriptedCluster, [OperationID]) {
        var cluster = ScriptedCluster()
        var finishes: [OperationID] = []
        for number in 1...count {
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
        for number in 1...count {
            finishes.append(cluster.call { $0.finish($1, TransactionID(UInt64(number)), &$2) })
        }
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
        var (cluster, finishes) = try lostFinishes(2)
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
        var (cluster, finishes) = try lostFinishes(2)
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
        var (cluster, finishes) = try lostFinishes(2)
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

    // MARK: What the storages remember

    /// A transaction whose outcome the next master does not remember, and what is asked to a storage then.
    private func forgottenFinish() throws -> (ScriptedCluster, OperationID, ScriptedCluster.Sent) {
        var (cluster, finishes) = try lostFinishes(1)
        let asked = try cluster.require(askFinalTID)
        #expect(asked.value.ttid == TID(105))
        #expect(asked.sent.connection == cluster.masterConnection)
        cluster.answer(asked.sent, AnswerFinalTID(tid: .max))
        let sent = try storageAsked(&cluster)
        return (cluster, finishes[0], sent)
    }

    /// The only question that is on its way to a storage.
    private func storageAsked(_ cluster: inout ScriptedCluster) throws -> ScriptedCluster.Sent {
        cluster.connectAll()
        let asked = cluster.takeAll(askFinalTID)
        #expect(asked.map(\.value.ttid) == [TID(105)])
        let sent = try #require(asked.first).sent
        #expect(ScriptedCluster.storages.contains(try #require(cluster.addresses[sent.connection])))
        return sent
    }

    /// It is committed once, the program is told once, and what it reads next is asked to the storages, with the change.
    private func expectCommitted(_ cluster: inout ScriptedCluster, _ finish: OperationID) throws {
        #expect(tid(cluster.results[finish]) == TID(112))
        #expect(cluster.deliveries.filter { $0 == .finished(finish, TID(112)) }.count == 1)
        try expectOver(&cluster)
    }

    /// The program is not told of a commit, and reads as it would without it.
    private func expectFailed(
        _ cluster: inout ScriptedCluster,
        _ finish: OperationID,
        _ code: ClientError.Code,
        _ message: String
    ) throws {
        guard case .failed(let error)? = cluster.results[finish] else {
            Issue.record("not failed: \(String(describing: cluster.results[finish]))")
            return
        }
        #expect(error.code == code)
        #expect(error.message.contains(message), Comment(rawValue: error.message))
        #expect(!cluster.deliveries.contains { if case .finished = $0 { true } else { false } })
        try expectOver(&cluster)
    }

    private func expectOver(_ cluster: inout ScriptedCluster) throws {
        #expect(cluster.takeAll(askFinalTID).isEmpty)
        #expect(cluster.take { if case .askFinishTransaction = $0 { true } else { nil } } == nil)
        #expect(cluster.core.lastTransaction == TID(120))
        _ = cluster.call { $0.load($1, OID(1), .current, &$2) }
        cluster.connectAll()
        #expect(try cluster.require(askObject).value.before == TID(121))
    }

    /// Scenario 6 of `spec/master.md §19.8`: it was committed before the client came back.
    @Test func aStorageRemembers() throws {
        var (cluster, finish, asked) = try forgottenFinish()
        #expect(cluster.results[finish] == nil)
        cluster.answer(asked, AnswerFinalTID(tid: TID(112)))
        try expectCommitted(&cluster, finish)
    }

    enum Obstacle: CaseIterable {
        case lost, notReadable
    }

    /// The storage that is asked is lost, or gave up its cell: the other one is asked.
    @Test(arguments: Obstacle.allCases) func theOtherReplicaRemembers(obstacle: Obstacle) throws {
        var (cluster, finish, first) = try forgottenFinish()
        switch obstacle {
        case .lost: cluster.lose(first.connection)
        case .notReadable: cluster.answer(first, ErrorPacket(code: .nonReadableCell, message: ""))
        }
        #expect(cluster.results[finish] == nil)
        let second = try storageAsked(&cluster)
        #expect(cluster.addresses[second.connection] != cluster.addresses[first.connection])
        cluster.answer(second, AnswerFinalTID(tid: TID(112)))
        try expectCommitted(&cluster, finish)
    }

    /// No storage answers: nobody knows, and the program must not take the transaction for an aborted one.
    @Test func noStorageAnswers() throws {
        var (cluster, finish, asked) = try forgottenFinish()
        var addresses = [try #require(cluster.addresses[asked.connection])]
        cluster.lose(asked.connection)
        while cluster.results[finish] == nil, addresses.count < 10 {
            if let (sent, _) = cluster.take({ if case .ping = $0 { true } else { nil } }) {
                cluster.answer(sent, Pong())
            }
            let next = try storageAsked(&cluster)
            addresses.append(try #require(cluster.addresses[next.connection]))
            cluster.lose(next.connection)
        }
        #expect(addresses.count == 4)
        for address in ScriptedCluster.storages { #expect(addresses.filter { $0 == address }.count == 2) }
        try expectFailed(&cluster, finish, .outcomeUnknown, "no storage available")
    }

    /// A storage does not know it. What is committed is in all the readable cells: one of them is enough.
    @Test func theStorageDoesNotKnowIt() throws {
        var (cluster, finish, asked) = try forgottenFinish()
        cluster.answer(asked, AnswerFinalTID(tid: nil))
        try expectFailed(&cluster, finish, .unavailable, "not committed")
    }

    /// The first replica is lost, and the other one does not know it.
    @Test func theOtherReplicaDoesNotKnowIt() throws {
        var (cluster, finish, first) = try forgottenFinish()
        cluster.lose(first.connection)
        cluster.answer(try storageAsked(&cluster), AnswerFinalTID(tid: nil))
        try expectFailed(&cluster, finish, .unavailable, "not committed")
    }

    /// The storages are asked again when there is a master again.
    @Test func theMasterIsLostWhileAStorageIsAsked() throws {
        var (cluster, finish, first) = try forgottenFinish()
        cluster.lose(cluster.masterConnection)
        #expect(cluster.closed.contains(first.connection))
        #expect(cluster.results[finish] == nil)
        let second = try storageAsked(&cluster)
        cluster.answer(second, AnswerFinalTID(tid: TID(112)))
        try expectCommitted(&cluster, finish)
    }

    // MARK: What the master answers

    /// The master knows that it was not committed: no storage is asked.
    @Test func theMasterKnowsThatItWasNotCommitted() throws {
        var (cluster, finishes) = try lostFinishes(1)
        cluster.answer(try cluster.require(askFinalTID).sent, AnswerFinalTID(tid: nil))
        try expectFailed(&cluster, finishes[0], .unavailable, "not committed")
    }

    /// A master that refuses to say, since it is that of a backup cluster now, says nothing about the outcome.
    @Test(arguments: [ErrorCode.readOnlyAccess, .incompleteTransaction, .protocolError])
    func theMasterDoesNotSay(code: ErrorCode) throws {
        var (cluster, finishes) = try lostFinishes(1)
        let asked = try cluster.require(askFinalTID)
        cluster.answer(asked.sent, ErrorPacket(code: code, message: "no"))
        // The connection is over after a protocol error.
        _ = cluster.call { $0.sync($1, &$2) }
        cluster.connectAll()
        try expectFailed(&cluster, finishes[0], .outcomeUnknown, "no (from ")
    }
}
