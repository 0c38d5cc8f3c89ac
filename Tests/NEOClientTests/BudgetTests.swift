import NEOClient
import NEOEngine
import NEOProtocol
import NIOCore
import Testing

/// What transactions may have in memory, all together (`spec/client.md §20.41`).
@Suite struct BudgetTests {
    private static let recordBytes = 100 << 10

    /// Transactions of one client that store many records, which nobody answers: each gets as far as it may.
    @Test func transactionsShareWhatIsOnItsWay() throws {
        var cluster = ScriptedCluster(cacheBytes: 1 << 20)
        let data = ByteBuffer(repeating: 1, count: Self.recordBytes)
        var counts: [Int] = []
        var oid: UInt64 = 0
        for number in 1...4 {
            let id = TransactionID(UInt64(number))
            cluster.begin(id)
            cluster.connectAll()
            let (sent, _) = try cluster.require { if case .askBeginTransaction = $0 { true } else { nil } }
            cluster.answer(sent, AnswerBeginTransaction(ttid: TID(104 + UInt64(number))))
            var count = 0
            while count < 100 {
                oid += 1
                let oid = OID(oid)
                let store = cluster.call { core, operation, context in
                    let stored = ClientCore.prepare(data, .off)
                    core.store(operation, id, oid, base: TID(90), record: data, stored: stored, &context)
                }
                cluster.connectAll()
                guard cluster.results[store] != nil else { break }
                count += 1
            }
            counts.append(count)
        }
        // The first one takes all there is, the others the least that lets them go on.
        #expect(counts == [11, 1, 1, 1])
        // Each goes on once it was answered.
        let before = cluster.results.count
        for store in cluster.takeAll(askStore) { cluster.answer(store.sent, AnswerStoreObject(conflict: nil)) }
        #expect(cluster.results.count == before + 4)
    }
}
