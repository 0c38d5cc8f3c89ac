import Foundation
import NEODatabase
import NEOEngine
import NEOProtocol
import NIOCore
import Testing

@testable import NEOStorage

/// What clients write while a cell is replicated, and the end of the replication (`spec/storage.md §10`,
/// `spec/replication.md §4.13`; scenarios R12 to R14 and 36 to 38 of `spec/storage.md §23`).
@Suite struct LocklessTests {
    /// S2 is replicated from S1; clients A and B write to it. Nothing was asked from the source yet.
    ///
    ///     object 1: revisions 10 and 20 at the source
    struct Scenario {
        var cluster: StorageCluster
        let full: any StorageDatabase
        let database: any StorageDatabase
        let a: ConnectionID
        let b: ConnectionID

        init(_ database: (any StorageDatabase)? = nil) throws {
            self.database = try database ?? ReplicationTests.database()
            full = try history(1, [(0x10, [1, 2]), (0x20, [1])])
            cluster = try StorageCluster([full, self.database], ["UO"])
            cluster.lastTID = TID(0x20)
            cluster.isMasterQuick = false
            try cluster.start()
            a = try cluster.client(1, at: 2)
            b = try cluster.client(2, at: 2)
        }

        mutating func replicate() throws {
            try cluster.answerUnfinished()
            try cluster.run()
        }

        mutating func store(_ oid: UInt64, on serial: UInt64, _ ttid: UInt64, _ client: ConnectionID) throws -> [String]
        {
            try cluster.store(oid, on: serial, ttid, at: 2, client)
        }

        mutating func isDone() -> Bool { cluster.takeTrace().contains("S2 NotifyReplicationDone 0 20") }
    }

    @Test("A write without lock gets its lock at the end of the replication")
    func lock() throws {
        var scenario = try Scenario()
        #expect(try scenario.store(1, on: 0x20, 0x28, scenario.a) == ["stored 0"])
        try scenario.replicate()
        let isDone = scenario.isDone()
        #expect(isDone)
        // A younger transaction waits for the lock, although the master has not declared the cell readable.
        #expect(try scenario.store(1, on: 0x20, 0x38, scenario.b).isEmpty)
        try scenario.cluster.lock(0x28, at: 0x30, [1], at: 2, scenario.a)
        try scenario.cluster.unlock(0x28, at: 2)
        #expect(scenario.cluster.answers(at: 2, scenario.b) == ["stored 30"])
    }

    @Test("R14: a write that conflicts is dropped without a trace")
    func conflict() throws {
        var scenario = try Scenario()
        #expect(try scenario.store(1, on: 0x10, 0x28, scenario.a) == ["stored 0"])
        try scenario.replicate()
        let isDone = scenario.isDone()
        #expect(isDone)
        #expect(scenario.cluster.hosts[1].core.transactions[TID(0x28)]?.writes.isEmpty == true)
        // Nobody has the lock.
        #expect(try scenario.store(1, on: 0x20, 0x38, scenario.b) == ["stored nil"])
        // The client resolved the conflict that the other cell told: it has to wait like others.
        #expect(try scenario.store(1, on: 0x20, 0x28, scenario.a).isEmpty)
        try scenario.cluster.abort(0x38, at: 2)
        #expect(scenario.cluster.answers(at: 2, scenario.a) == ["stored nil"])
    }

    @Test("R14: nothing is left of the data of a write that conflicts")
    func conflictLeavesNoData() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let location = SQLiteLocation(path: folder.appendingPathComponent("lockless.sqlite").path)
        let database = try SQLiteDatabase.open(location, OpenOptions(clusterName: "differential"))
        var scenario = try Scenario(database)
        #expect(try scenario.store(1, on: 0x10, 0x28, scenario.a) == ["stored 0"])
        try scenario.replicate()
        let isDone = scenario.isDone()
        #expect(isDone)
        try scenario.cluster.lock(0x28, at: 0x30, [1], at: 2, scenario.a)
        try scenario.cluster.unlock(0x28, at: 2)
        try scenario.cluster.run()
        #expect(try database.makeReader().lastTID(of: OID(1), in: 0) == TID(0x20))
        let search = DatabaseJob(id: .init(rawValue: 9), operation: .removeOrphans(after: -1, .rows(99), dryRun: true))
        #expect(try database.writer.perform([search]).map(\.outcome) == [.orphans(count: 0, next: nil)])
        try database.writer.close()
    }

    @Test("R13: with several writes of one object, the master is told once one is left", arguments: [true, false])
    func several(olderEndsFirst: Bool) throws {
        var scenario = try Scenario()
        #expect(try scenario.store(1, on: 0x20, 0x28, scenario.a) == ["stored 0"])
        #expect(try scenario.store(1, on: 0x20, 0x38, scenario.b) == ["stored 0"])
        try scenario.replicate()
        let isDone = scenario.isDone()
        #expect(!isDone)
        // The greatest one has the lock: a new transaction waits, an old one goes on without lock.
        #expect(scenario.cluster.hosts[1].core.transactions.writeLocks[OID(1)] == TID(0x38))
        #expect(try scenario.store(1, on: 0x20, 0x48, scenario.a).isEmpty)
        #expect(try scenario.store(1, on: 0x20, 0x28, scenario.a) == ["stored 0"])
        #expect(try scenario.store(1, on: 0x20, 0x18, scenario.b) == ["stored 0"])
        try scenario.cluster.abort(0x18, at: 2)
        if olderEndsFirst {
            try scenario.cluster.lock(0x28, at: 0x40, [1], at: 2, scenario.a)
            try scenario.cluster.unlock(0x28, at: 2)
            try scenario.cluster.run()
            // The other one is found to conflict with it.
            let isDone = scenario.isDone()
            #expect(isDone)
            #expect(scenario.cluster.hosts[1].core.transactions[TID(0x38)]?.writes.isEmpty == true)
            #expect(scenario.cluster.answers(at: 2, scenario.a) == ["stored 40"])
        } else {
            try scenario.cluster.abort(0x38, at: 2)
            try scenario.cluster.run()
            let isDone = scenario.isDone()
            #expect(isDone)
            #expect(scenario.cluster.hosts[1].core.transactions.writeLocks[OID(1)] == TID(0x28))
            #expect(scenario.cluster.answers(at: 2, scenario.a).isEmpty)
            try scenario.cluster.abort(0x28, at: 2)
            #expect(scenario.cluster.answers(at: 2, scenario.a) == ["stored nil"])
        }
    }

    @Test(
        "37: an older transaction wants the object as soon as the younger one, which wrote it without lock, has its lock"
    )
    func deadlockAtTheEnd() throws {
        var scenario = try Scenario()
        #expect(try scenario.store(1, on: 0x20, 0x38, scenario.b) == ["stored 0"])
        // Nobody is asked to give up a lock that there is not yet.
        #expect(try scenario.store(2, on: 0x10, 0x28, scenario.a) == ["stored 0"])
        try scenario.replicate()
        let isDone = scenario.isDone()
        #expect(isDone)
        #expect(try scenario.store(1, on: 0x20, 0x28, scenario.a).isEmpty)
        let notice = NotifyDeadlock(ttid: TID(0x38), oid: OID(1))
        #expect(scenario.cluster.hosts[1].packets(scenario.b) == [notice.packet])
        // The cell becomes readable meanwhile, or not: the lock is the same.
        try scenario.cluster.change([(0, 2, .upToDate)])
        let relock = AskRelockObject(ttid: TID(0x38), oid: OID(1))
        try scenario.cluster.hosts[1].send(relock.packet, on: scenario.b)
        #expect(scenario.cluster.answers(at: 2, scenario.a) == ["stored nil"])
        try scenario.cluster.lock(0x28, at: 0x40, [1, 2], at: 2, scenario.a)
        try scenario.cluster.unlock(0x28, at: 2)
        try scenario.cluster.run()
        guard case .answerRelockObject(let answer)? = scenario.cluster.hosts[1].packets(scenario.b).last else {
            Issue.record("the relock is not answered")
            return
        }
        #expect(answer.conflict?.serial == TID(0x20) && answer.conflict?.current == TID(0x40))
        #expect(answer.conflict?.data?.data == ByteBuffer(string: "1 of 56"))
        #expect(scenario.cluster.hosts[1].core.transactions.writeLocks.isEmpty)
    }

    /// Seed 4051382: the object stayed locked for ever.
    @Test("What ended without this node, before the master listed what had not, leaves no lock")
    func endedBefore() throws {
        var scenario = try Scenario()
        #expect(try scenario.store(1, on: 0x10, 0x18, scenario.a) == ["stored 0"])
        try scenario.cluster.vote(0x18, [1], at: 2, scenario.a)
        // This one began since.
        #expect(try scenario.store(2, on: 0x10, 0x28, scenario.a).last == "stored 0")
        try scenario.replicate()
        #expect(scenario.cluster.hosts[1].core.transactions[TID(0x18)] == nil)
        #expect(scenario.cluster.hosts[1].core.transactions[TID(0x28)] != nil)
        #expect(try scenario.store(1, on: 0x20, 0x38, scenario.b) == ["stored nil"])
        try scenario.cluster.run()
        let unfinished = try scenario.database.makeReader().unfinishedTransactions()
        #expect(!unfinished.contains { $0.ttid == TID(0x18) })
    }

    @Test("What was committed without this node is fetched, and leaves no lock")
    func committedElsewhere() throws {
        var scenario = try Scenario()
        scenario.cluster.unfinished = [TID(0x28)]
        #expect(try scenario.store(1, on: 0x20, 0x28, scenario.a) == ["stored 0"])
        try scenario.replicate()
        #expect(scenario.cluster.hosts[1].core.transactions[TID(0x28)] != nil)
        // Only the first of two objects came here.
        try fill(scenario.full, 1, [(0x30, [1, 2])])
        let finished = NotifyTransactionFinished(ttid: TID(0x28), tid: TID(0x30))
        try scenario.cluster.tell(.notifyTransactionFinished(finished), to: 2)
        try scenario.cluster.run()
        #expect(scenario.cluster.takeTrace().last == "S2 NotifyReplicationDone 0 30")
        #expect(scenario.cluster.hosts[1].core.transactions[TID(0x28)] == nil)
        #expect(scenario.cluster.hosts[1].core.transactions.writeLocks.isEmpty)
        #expect(try content(scenario.full, 0) == content(scenario.database, 0))
        #expect(try scenario.store(1, on: 0x30, 0x38, scenario.b) == ["stored nil"])
    }

    /// It cannot be dropped any more, whatever it is based on: another cell looked for conflicts.
    @Test("What was voted keeps its record", arguments: [0x20, 0x10] as [UInt64])
    func voted(base: UInt64) throws {
        var scenario = try Scenario()
        _ = try scenario.store(1, on: base, 0x28, scenario.a)
        try scenario.cluster.lock(0x28, at: 0x30, [1], at: 2, scenario.a)
        try scenario.replicate()
        let isDone = scenario.isDone()
        #expect(isDone)
        // And its lock.
        #expect(try scenario.store(1, on: 0x20, 0x38, scenario.b).isEmpty)
        try scenario.cluster.unlock(0x28, at: 2)
        try scenario.cluster.run()
        #expect(try scenario.database.makeReader().lastTID(of: OID(1), in: 0) == TID(0x30))
        #expect(scenario.cluster.answers(at: 2, scenario.b) == ["stored 30"])
    }

    @Test("A cell that becomes readable checks like the others; one that is discarded forgets")
    func readable() throws {
        var scenario = try Scenario()
        try scenario.replicate()
        let isDone = scenario.isDone()
        #expect(isDone)
        try scenario.cluster.change([(0, 2, .upToDate)])
        #expect(scenario.cluster.hosts[1].core.transactions.replicated.isEmpty)
        #expect(try scenario.store(1, on: 0x10, 0x28, scenario.a) == ["stored 20"])
        try scenario.cluster.change([(0, 2, .discarded)])
        #expect(try scenario.store(1, on: 0x10, 0x28, scenario.a) == ["stored 0"])
        #expect(scenario.cluster.hosts[1].core.replicator.partitions.isEmpty)
    }

    @Test("A check without lock gets its lock, or is dropped")
    func checks() throws {
        var scenario = try Scenario()
        for (oid, serial) in [(1, 0x10), (2, 0x10)] as [(UInt64, UInt64)] {
            let check = AskCheckCurrentSerial(ttid: TID(0x28), oid: OID(oid), serial: TID(serial))
            try scenario.cluster.hosts[1].send(check.packet, on: scenario.a)
        }
        try scenario.replicate()
        let isDone = scenario.isDone()
        #expect(isDone)
        #expect(scenario.cluster.hosts[1].core.transactions.writeLocks == [OID(2): TID(0x28)])
    }

    @Test("34: an undo whose target is not here yet takes the data that came along; the replicas are identical")
    func undo() throws {
        var scenario = try Scenario()
        let elsewhere = try scenario.cluster.client(3, at: 1)
        let data = ByteBuffer(string: "1@16")
        let store = AskStoreObject(
            oid: OID(1),
            serial: TID(0x20),
            compression: 0,
            checksum: Checksum(of: data),
            data: data,
            dataTID: TID(0x10),
            ttid: TID(0x28)
        )
        for (storage, client, answer) in [(1, elsewhere, "stored nil"), (2, scenario.a, "stored 0")] {
            try scenario.cluster.hosts[storage - 1].send(store.packet, on: client)
            #expect(scenario.cluster.answers(at: storage, client) == [answer])
        }
        try scenario.replicate()
        for (storage, client) in [(1, elsewhere), (2, scenario.a)] {
            try scenario.cluster.lock(0x28, at: 0x30, [1], at: storage, client)
            try scenario.cluster.unlock(0x28, at: storage)
        }
        let source = try content(scenario.full, 0)
        #expect(source.contains { $0.hasSuffix("0000000000000030 1@16 0000000000000010") }, "\(source)")
        #expect(try content(scenario.database, 0) == source)
    }
}
