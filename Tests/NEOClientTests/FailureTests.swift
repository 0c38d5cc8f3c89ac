import NEOEngine
import NEOProtocol
import NIOCore
import Testing

@testable import NEOClient

/// What errors say: which node, and what happened.
@Suite struct FailureTests {
    private func failure(_ result: OperationResult?) -> ClientError? {
        if case .failed(let error)? = result { error } else { nil }
    }

    /// Refuses all the connections that the core opens, but that to the master.
    private func refuseStorages(_ cluster: inout ScriptedCluster) {
        var refused: Set<ConnectionID> = []
        for _ in 0..<100 {
            let pending = cluster.addresses.keys.sorted().first {
                ScriptedCluster.storages.contains(cluster.addresses[$0] ?? ScriptedCluster.master)
                    && !refused.contains($0)
            }
            if let id = pending {
                refused.insert(id)
                cluster.handle(.connectFailed(id, reason: "connection refused"))
            } else if let (sent, _) = cluster.take({ if case .ping = $0 { true } else { nil } }) {
                cluster.answer(sent, Pong())
            } else {
                return
            }
        }
    }

    @Test("A read that no storage answers names them")
    func read() throws {
        var cluster = ScriptedCluster()
        _ = cluster.call { core, operation, context in core.lastTransaction(operation, &context) }
        cluster.connectAll()
        let load = cluster.call { core, operation, context in core.load(operation, OID(1), .current, &context) }
        refuseStorages(&cluster)
        let error = try #require(failure(cluster.results[load]))
        #expect(error.code == .unavailable && error.isTransient)
        for text in ["partition 0", "S1 at 127.0.0.1:11", "S2 at 127.0.0.1:12", "connection refused"] {
            #expect(error.message.contains(text), Comment(rawValue: error.message))
        }
    }

    @Test("A transaction that lost its master says which one, and why")
    func master() throws {
        var cluster = ScriptedCluster()
        let id = TransactionID(1)
        let begin = cluster.begin(id)
        cluster.connectAll()
        _ = try cluster.require { if case .askBeginTransaction = $0 { true } else { nil } }
        cluster.lose(cluster.masterConnection)
        let error = try #require(failure(cluster.results[begin]))
        #expect(error.code == .unavailable)
        #expect(error.message.hasPrefix("connection to primary master node closed: "))
        #expect(error.message.contains("127.0.0.1:1: "), Comment(rawValue: error.message))
    }

    /// Seed 4062038 of the simulation: all the nodes were filled, or gave up their cells, while stores were on their way; none
    /// looked for conflicts, and a change of another transaction was overwritten.
    @Test(arguments: [[true, true], [true, false], [false, true], [false, false]])
    func someNodeLooksForConflicts(isLockless: [Bool]) throws {
        let data = ByteBuffer(string: "data")
        var (cluster, id, stores) = ScriptedCluster.withStore(OID(1), data)
        for (store, isLockless) in zip(stores, isLockless) {
            cluster.answer(store, AnswerStoreObject(conflict: isLockless ? .zero : nil))
        }
        let voting = cluster.call { $0.vote($1, id, &$2) }
        for (sent, _) in cluster.takeAll(vote) { cluster.answer(sent, AnswerStoreTransaction()) }
        if isLockless == [true, true] {
            #expect(error(cluster.results[voting]) == .unavailable)
        } else if case .voted? = cluster.results[voting] {
            let finish = cluster.call { $0.finish($1, id, &$2) }
            #expect(cluster.results[finish] == nil)
        } else {
            Issue.record("not voted: \(String(describing: cluster.results[voting]))")
        }
    }
}
