import NEOEngine
import NEOProtocol
import NIOCore
import Testing

@testable import NEOClient

/// Questions about what was committed, undo and restore, over the client core (`spec/client.md §12, §13`).
@Suite struct HistoryTests {
    private let data = ByteBuffer(string: "data")

    private func askStore(_ packet: Packet) -> AskStoreObject? {
        if case .askStoreObject(let request) = packet { request } else { nil }
    }
    private func askHistory(_ packet: Packet) -> AskObjectHistory? {
        if case .askObjectHistory(let request) = packet { request } else { nil }
    }
    private func askUndo(_ packet: Packet) -> AskObjectUndoSerial? {
        if case .askObjectUndoSerial(let request) = packet { request } else { nil }
    }
    private func askTIDsFrom(_ packet: Packet) -> AskTIDsFrom? {
        if case .askTIDsFrom(let request) = packet { request } else { nil }
    }
    private func askInformation(_ packet: Packet) -> AskTransactionInformation? {
        if case .askTransactionInformation(let request) = packet { request } else { nil }
    }
    private func isUnfinished(_ cluster: ScriptedCluster, _ operation: OperationID) -> Bool {
        cluster.results[operation] == nil
    }
    private func answers(_ result: OperationResult?) -> [Result<Packet, ClientError>] {
        if case .answers(let answers)? = result { answers } else { [] }
    }
    private func error(_ result: OperationResult?) -> ClientError.Code? {
        if case .failed(let error)? = result { error.code } else { nil }
    }

    /// A cluster with a transaction that has begun.
    private func begun() throws -> (ScriptedCluster, TransactionID) {
        var cluster = ScriptedCluster()
        let id = TransactionID(1)
        _ = cluster.begin(id)
        cluster.connectAll()
        let (sent, _) = try cluster.require { if case .askBeginTransaction = $0 { true } else { nil } }
        cluster.answer(sent, AnswerBeginTransaction(ttid: TID(105)))
        return (cluster, id)
    }

    private func store(
        _ cluster: inout ScriptedCluster,
        _ id: TransactionID,
        _ oid: UInt64,
        base: UInt64 = 0,
        dataTID: UInt64? = nil,
        isRestored: Bool = false
    ) -> OperationID {
        let data = data
        return cluster.call { core, operation, context in
            core.store(
                operation,
                id,
                OID(oid),
                base: TID(base),
                record: data,
                stored: ClientCore.prepare(data, .off),
                dataTID: dataTID.map { TID($0) },
                isRestored: isRestored,
                &context
            )
        }
    }

    @Test("Questions asked together are answered in their order, each by any replica")
    func batch() throws {
        var cluster = ScriptedCluster()
        let operation = cluster.call { core, operation, context in
            let requests = (0..<3).map { ReadRequest.history(AskObjectHistory(oid: OID($0), first: 0, last: 1)) }
            core.read(operation, requests, &context)
        }
        cluster.connectAll()
        let asked = cluster.takeAll(askHistory)
        #expect(asked.count == 3, "all are on their way at once")
        for (sent, request) in asked.reversed() {
            #expect(isUnfinished(cluster, operation))
            if request.oid == OID(1) {
                cluster.answer(sent, ErrorPacket(code: .oidDoesNotExist, message: "1"))
            } else {
                let history = [HistoryRecord(tid: TID(request.oid.rawValue), size: 1)]
                cluster.answer(sent, AnswerObjectHistory(oid: request.oid, history: history))
            }
        }
        let results = answers(cluster.results[operation])
        #expect(results.count == 3)
        for (index, result) in results.enumerated() {
            switch result {
            case .success(.answerObjectHistory(let answer)): #expect(answer.oid == OID(UInt64(index)))
            case .failure(let error): #expect(index == 1 && error.code == .objectNotFound)
            default: Issue.record("unexpected \(result)")
            }
        }
    }

    @Test("No question, no packet")
    func emptyBatch() {
        var cluster = ScriptedCluster()
        let operation = cluster.call { core, operation, context in core.read(operation, [], &context) }
        #expect(answers(cluster.results[operation]).isEmpty)
        #expect(!isUnfinished(cluster, operation))
        #expect(cluster.addresses.isEmpty)
    }

    @Test("An undo is not asked to a node that failed in the transaction: it may have missed what was written")
    func undoAfterFailure() throws {
        var (cluster, id) = try begun()
        _ = store(&cluster, id, 1)
        cluster.connectAll()
        // 1. Both storages get the store; one is lost before it answers, and comes back.
        let stores = cluster.takeAll(askStore)
        #expect(stores.count == 2)
        let lost = cluster.storageConnection(1)
        cluster.lose(lost)
        // 2. What is current for the transaction is asked to the other one, however often.
        for _ in 0..<20 {
            let undo = AskObjectUndoSerial(ttid: TID(105), limit: TID(101), undone: TID(90), oids: [OID(1)])
            _ = cluster.call { core, operation, context in
                core.read(operation, [.undoSerials(undo)], seeing: id, &context)
            }
            cluster.connectAll()
            let (barrier, _) = try cluster.require(askTIDsFrom)
            cluster.answer(barrier, AnswerTIDsFrom(tids: []))
            let (sent, _) = try cluster.require(askUndo)
            #expect(sent.connection == cluster.storageConnection(0))
        }
        // 3. If it fails too, the undo ends instead of waiting.
        let undo = AskObjectUndoSerial(ttid: TID(105), limit: TID(101), undone: TID(90), oids: [OID(1)])
        cluster.lose(cluster.storageConnection(0))
        let operation = cluster.call { core, operation, context in
            core.read(operation, [.undoSerials(undo)], seeing: id, &context)
        }
        guard case .failure(let error)? = answers(cluster.results[operation]).first else {
            Issue.record("expected an error")
            return
        }
        #expect(error.code == .unavailable)
    }

    @Test("What is asked before a storage published what it locked is asked behind a question that it delays")
    func barrier() throws {
        var cluster = ScriptedCluster()
        // 1. A list of transactions: always, as a list says nothing of what it lacks.
        _ = cluster.call { core, operation, context in
            core.read(operation, [.tids(AskTIDs(first: 0, last: 9, partition: 0))], &context)
        }
        cluster.connectAll()
        let isList: (Packet) -> Bool? = { if case .askTIDs = $0 { true } else { nil } }
        let (barrier, asked) = try cluster.require(askTIDsFrom)
        #expect(asked.max == TID(100) && asked.partition == 0)
        #expect(cluster.takeAll(isList).isEmpty)
        cluster.answer(barrier, AnswerTIDsFrom(tids: []))
        let (list, _) = try cluster.require(isList)
        #expect(list.connection == barrier.connection)
        // 2. A transaction: only if it is unknown, and not newer than what the client knows.
        let known = cluster.call { core, operation, context in
            core.read(operation, [.transaction(AskTransactionInformation(tid: TID(100)))], &context)
        }
        cluster.connectAll()
        let (first, _) = try cluster.require(askInformation)
        cluster.answer(first, ErrorPacket(code: .tidNotFound, message: ""))
        cluster.connectAll()
        #expect(isUnfinished(cluster, known))
        let (again, bound) = try cluster.require(askTIDsFrom)
        #expect(bound.max == TID(100))
        cluster.answer(again, AnswerTIDsFrom(tids: [TID(100)]))
        let (second, _) = try cluster.require(askInformation)
        #expect(second.connection == again.connection)
        cluster.answer(second, ErrorPacket(code: .tidNotFound, message: ""))
        guard case .failure(let error)? = answers(cluster.results[known]).first else {
            Issue.record("expected an error")
            return
        }
        #expect(error.code == .transactionNotFound)
        let unknown = cluster.call { core, operation, context in
            core.read(operation, [.transaction(AskTransactionInformation(tid: TID(101)))], &context)
        }
        cluster.connectAll()
        let (third, _) = try cluster.require(askInformation)
        cluster.answer(third, ErrorPacket(code: .tidNotFound, message: ""))
        #expect(!isUnfinished(cluster, unknown))
    }

    @Test("A transaction is drained once all stores are answered, and goes on")
    func drain() throws {
        var (cluster, id) = try begun()
        _ = store(&cluster, id, 1)
        cluster.connectAll()
        let drain = cluster.call { core, operation, context in core.drain(operation, id, &context) }
        #expect(isUnfinished(cluster, drain))
        for (sent, _) in cluster.takeAll(askStore) { cluster.answer(sent, AnswerStoreObject(conflict: nil)) }
        guard case .stored(let conflicts)? = cluster.results[drain] else {
            Issue.record("not drained")
            return
        }
        #expect(conflicts.isEmpty)
        let again = store(&cluster, id, 2)
        #expect(error(cluster.results[again]) == nil)
        #expect(cluster.takeAll(askStore).count == 2)
    }

    @Test("The base of a store over an undo is the revision that was taken back")
    func storeOverUndo() throws {
        var (cluster, id) = try begun()
        _ = store(&cluster, id, 1, base: 95, dataTID: 80)
        cluster.connectAll()
        for (sent, request) in cluster.takeAll(askStore) {
            #expect(request.serial == TID(95) && request.dataTID == TID(80))
            cluster.answer(sent, AnswerStoreObject(conflict: nil))
        }
        _ = store(&cluster, id, 1, base: 105)
        let stores = cluster.takeAll(askStore)
        #expect(stores.count == 2)
        #expect(stores.allSatisfy { $0.value.serial == TID(80) })
    }

    @Test("What is restored replaces whatever is current")
    func restore() throws {
        var (cluster, id) = try begun()
        _ = store(&cluster, id, 1, isRestored: true)
        cluster.connectAll()
        let first = cluster.takeAll(askStore)
        #expect(first.map(\.value.serial) == [.zero, .zero])
        // 1. One storage tells what is current: both get the store again on top of it.
        cluster.answer(first[0].sent, AnswerStoreObject(conflict: TID(90)))
        let second = cluster.takeAll(askStore)
        #expect(second.map(\.value.serial) == [TID(90), TID(90)])
        // 2. The other one says the same about the first attempt: nothing new.
        cluster.answer(first[1].sent, AnswerStoreObject(conflict: TID(90)))
        #expect(cluster.takeAll(askStore).isEmpty)
        for (sent, _) in second { cluster.answer(sent, AnswerStoreObject(conflict: nil)) }
        let vote = cluster.call { core, operation, context in core.vote(operation, id, &context) }
        #expect(isUnfinished(cluster, vote))
        let votes = cluster.takeAll { packet -> [OID]? in
            if case .askStoreTransaction(let request) = packet { request.oids } else { nil }
        }
        #expect(votes.map(\.value) == [[OID(1)], [OID(1)]])
    }

    @Test("A transaction lists its objects in the order in which they were stored, whoever answers first")
    func orderOfObjects() throws {
        var (cluster, id) = try begun()
        for oid: UInt64 in [5, 3, 4] { _ = store(&cluster, id, oid) }
        cluster.connectAll()
        for (sent, _) in cluster.takeAll(askStore).reversed() { cluster.answer(sent, AnswerStoreObject(conflict: nil)) }
        // A second store does not change the order.
        _ = store(&cluster, id, 5)
        for (sent, _) in cluster.takeAll(askStore) { cluster.answer(sent, AnswerStoreObject(conflict: nil)) }
        _ = cluster.call { core, operation, context in core.vote(operation, id, &context) }
        let (_, oids) = try cluster.require { packet -> [OID]? in
            if case .askStoreTransaction(let request) = packet { request.oids } else { nil }
        }
        #expect(oids == [OID(5), OID(3), OID(4)])
    }

    @Test("What is not kept has few bytes in flight, and nothing merges it")
    func unkept() throws {
        var (cluster, id) = try begun()
        let part = ByteBuffer(repeating: 1, count: 1 << 20)
        func store(_ oid: UInt64) -> OperationID {
            cluster.call { core, operation, context in
                let stored = ClientCore.prepare(part, .off)
                core.store(
                    operation,
                    id,
                    OID(oid),
                    base: TID(80),
                    record: part,
                    stored: stored,
                    isKept: false,
                    &context
                )
            }
        }
        // 1. 4 MiB are sent without an answer; what follows waits, although the cache has more room than that.
        for oid: UInt64 in 1...4 {
            let operation = store(oid)
            #expect(!isUnfinished(cluster, operation))
        }
        let fifth = store(5)
        cluster.connectAll()
        let sent = cluster.takeAll(askStore)
        #expect(sent.count == 8)
        #expect(isUnfinished(cluster, fifth))
        // 2. The answers of both storages to one of them make room.
        for (sent, request) in sent where request.oid == OID(1) {
            cluster.answer(sent, AnswerStoreObject(conflict: nil))
        }
        #expect(!isUnfinished(cluster, fifth))
        #expect(cluster.takeAll(askStore).map(\.value.oid) == [OID(5), OID(5)])
        // 3. A conflict ends the transaction.
        for (sent, request) in sent where request.oid == OID(2) {
            cluster.answer(sent, AnswerStoreObject(conflict: TID(90)))
        }
        let vote = cluster.call { core, operation, context in core.vote(operation, id, &context) }
        #expect(error(cluster.results[vote]) == .conflict)
    }

    @Test("A window grows from few questions to what fits")
    func window() {
        let list = Array(0..<1000)[...]
        var window = ReadWindow(maximumBytes: 1000)
        #expect(window.next(of: list) == 0..<8)
        for _ in 0..<8 { window.received(10) }
        #expect(window.next(of: list) == 8..<24)
        window.received(400)
        #expect(window.next(of: list) == 24..<25, "one of the largest size is what surely fits")
        window.received(600)
        #expect(window.next(of: list) == nil)
        var least = ReadWindow(maximumBytes: 0)
        #expect(least.next(of: [1][...]) == 0..<1)
        least.received(1)
        #expect(least.next(of: [1][...]) == nil)
    }
}
