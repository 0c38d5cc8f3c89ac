import NEOClient
import NEOEngine
import NEOProtocol
import NIOCore
import Testing

/// Which replica is asked, and what happens when it is not the right one.
@Suite struct ReplicaTests {
    private let data = ByteBuffer(string: "data")

    private func connected() -> ScriptedCluster {
        var cluster = ScriptedCluster()
        for number in 1...40 {
            let load = cluster.call { $0.load($1, OID(UInt64(number)), .current, &$2) }
            cluster.connectAll()
            for asked in cluster.takeAll(askObject) {
                cluster.answer(asked.sent, object(asked.value.oid, data, at: 90))
            }
            #expect(record(cluster.results[load]) != nil)
        }
        return cluster
    }

    /// B16: a cell has moved, and the word of the master is still on its way: the storage refuses, the client waits for
    /// what the master has to say, and asks the right one.
    @Test func aCellMovesBeforeTheClientLearnsOfIt() throws {
        var cluster = connected()
        let oid = OID(100)
        let load = cluster.call { $0.load($1, oid, .current, &$2) }
        let first = try cluster.require(askObject)
        let (old, new) = first.sent.connection == cluster.storageConnection(0) ? (1, 2) : (2, 1)
        cluster.answer(first.sent, ErrorPacket(code: .nonReadableCell, message: ""))
        // The other cell of the row is not readable any more either.
        let second = try cluster.require(askObject)
        #expect(second.sent.connection == cluster.storageConnection(new - 1))
        cluster.answer(second.sent, ErrorPacket(code: .nonReadableCell, message: ""))
        let ping = try cluster.require { if case .ping = $0 { true } else { nil } }
        #expect(cluster.takeAll(askObject).isEmpty)
        let moved = [
            CellChange(partition: 0, nid: NID(.storage, Int32(old)), state: .discarded),
            CellChange(partition: 0, nid: NID(.storage, Int32(new)), state: .upToDate),
        ]
        cluster.notify(cluster.masterConnection, NotifyPartitionChanges(ptid: 2, replicas: 0, cells: moved))
        cluster.answer(ping.sent, Pong())
        let third = try cluster.require(askObject)
        #expect(third.sent.connection == cluster.storageConnection(new - 1))
        cluster.answer(third.sent, object(oid, data, at: 90))
        #expect(record(cluster.results[load])?.data == data)
        // Nothing more is asked to the one that has nothing to do with it any more.
        for number in 101...140 {
            _ = cluster.call { $0.load($1, OID(UInt64(number)), .current, &$2) }
            let (sent, request) = try cluster.require(askObject)
            #expect(sent.connection == cluster.storageConnection(new - 1))
            cluster.answer(sent, object(request.oid, data, at: 90))
        }
    }

    /// Both are asked while they have nothing to do; the one that has more to do is not.
    @Test func theLessBusyReplicaIsAsked() throws {
        var cluster = connected()
        var asked: [ScriptedCluster.Sent] = []
        for number in 100..<140 {
            _ = cluster.call { $0.load($1, OID(UInt64(number)), .current, &$2) }
            asked.append(try cluster.require(askObject).sent)
            let counts = (0...1).map { index in
                asked.filter { $0.connection == cluster.storageConnection(index) }.count
            }
            #expect(abs(counts[0] - counts[1]) <= 1)
        }
    }

    /// B18: whoever waits for a record is not forgotten: the other replica is asked.
    @Test func aReadThatWaitsIsAskedAgain() throws {
        var cluster = connected()
        let oid = OID(100)
        let load = cluster.call { $0.load($1, oid, .current, &$2) }
        let first = try cluster.require(askObject)
        cluster.now += 900_000_000
        cluster.handle(.timerFired(TimerID(4)))
        #expect(cluster.takeAll(askObject).isEmpty)
        cluster.now += 200_000_000
        cluster.handle(.timerFired(TimerID(4)))
        let second = try cluster.require(askObject)
        #expect(second.sent.connection != first.sent.connection)
        cluster.now += 2_000_000_000
        cluster.handle(.timerFired(TimerID(4)))
        #expect(cluster.takeAll(askObject).isEmpty, "there is no third replica")
        cluster.answer(second.sent, object(oid, data, at: 90))
        #expect(record(cluster.results[load])?.data == data)
        // The other answer is nothing new.
        cluster.answer(first.sent, object(oid, ByteBuffer(string: "late"), at: 90))
        let again = cluster.call { $0.load($1, oid, .current, &$2) }
        #expect(record(cluster.results[again])?.data == data)
    }

    /// B18: a storage does not answer any more: after a moment, only the other one is asked, until it says something.
    @Test func aFrozenReplicaIsLeftAlone() throws {
        var cluster = connected()
        let frozen = cluster.storageConnection(0)
        var kept: [(sent: ScriptedCluster.Sent, value: AskObject)] = []
        var next: UInt64 = 100
        func loadOne(_ cluster: inout ScriptedCluster) throws {
            next += 1
            let oid = OID(next)
            _ = cluster.call { $0.load($1, oid, .current, &$2) }
            let asked = try cluster.require(askObject)
            if asked.sent.connection == frozen {
                kept.append(asked)
            } else {
                cluster.answer(asked.sent, object(oid, data, at: 90))
            }
        }
        // It has more to do than the other one as soon as it has not answered once.
        for _ in 0..<40 { try loadOne(&cluster) }
        #expect(kept.count == 1)
        cluster.now += 2_000_000_000
        // The other one is busy: it is asked all the same.
        var busy: [ScriptedCluster.Sent] = []
        for _ in 0..<10 {
            next += 1
            let oid = OID(next)
            _ = cluster.call { $0.load($1, oid, .current, &$2) }
            busy.append(try cluster.require(askObject).sent)
        }
        #expect(!busy.contains { $0.connection == frozen })
        // It is there again.
        cluster.answer(kept[0].sent, object(kept[0].value.oid, data, at: 90))
        for _ in 0..<4 { try loadOne(&cluster) }
        #expect(kept.count > 1)
    }
}
