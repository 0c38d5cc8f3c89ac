import NEODatabase
import NEOEngine
import NEOProtocol
import NIOCore
import Testing

@testable import NEOStorage

/// Scenarios of `spec/storage.md §23` that no other suite is about.
@Suite struct ScenarioTests {
    @Test("12: a client that waits for its announcement is refused once the master has told of its successor")
    func successorOfAClientThatWaits() throws {
        var scenario = try StorageScenario(.immediate)
        let nid = NID(.client, 3)
        let late = try scenario.connect(nid, 105)
        // The master tells of somebody else: this one may still come.
        try scenario.announce([(StorageScenario.clientA, .running, 1)])
        #expect(scenario.host.take(late).isEmpty)
        // Its id was given again.
        scenario.timestamp = 105
        try scenario.announce([(nid, .running, 106)])
        let answers = scenario.host.take(late)
        #expect(answers.last == .closed && answers.count == 2)
        guard case .frame(let frame)? = answers.first else { return }
        #expect(brief([frame.packet]) == ["Error NOT_READY"])
        let successor = try scenario.connect(nid, 106)
        #expect(brief(scenario.host.packets(successor)) == ["AcceptIdentification"])
    }

    @Test("16, 42: what is stored for a cell that is not here is accepted without lock, and committed nowhere")
    func storeForACellThatIsElsewhere() throws {
        var scenario = try StorageScenario(.immediate)
        for oid in [1, 3] as [UInt64] { try scenario.store(oid, 0x1000, by: scenario.a) }
        try scenario.vote(0x1000, [1, 3], by: scenario.a)
        #expect(brief(scenario.host.packets(scenario.a)) == ["stored nil", "stored 0", "AnswerStoreTransaction"])
        try scenario.lock(0x1000, at: 0x1004)
        try scenario.unlock(0x1000)
        let reader = try scenario.host.database.makeReader()
        #expect(try reader.lastTID(of: OID(1), in: 1) == TID(0x1004))
        #expect(try reader.lastTID(of: OID(3), in: 3) == nil)
        #expect(scenario.host.core.transactions.writeLocks.isEmpty)
    }

    @Test("27: a check that became stale is given back without data, and the transaction goes on without it")
    func relockOfACheck() throws {
        var scenario = try StorageScenario(.immediate)
        try scenario.commit(1, 0x800, at: 0x804, by: scenario.a)
        let check = AskCheckCurrentSerial(ttid: TID(0x1008), oid: OID(1), serial: TID(0x804))
        try scenario.host.send(check.packet, on: scenario.b)
        try scenario.store(1, on: 0x804, 0x1000, by: scenario.a)
        #expect(
            scenario.host.packets(scenario.b)
                == [
                    AnswerCheckCurrentSerial(conflict: nil).packet,
                    NotifyDeadlock(ttid: TID(0x1008), oid: OID(1)).packet,
                ]
        )
        try scenario.host.send(.askRelockObject(AskRelockObject(ttid: TID(0x1008), oid: OID(1))), on: scenario.b)
        #expect(scenario.host.packets(scenario.b).isEmpty)
        #expect(brief(scenario.host.packets(scenario.a)) == ["stored nil"])
        try scenario.vote(0x1000, [1], by: scenario.a)
        try scenario.lock(0x1000, at: 0x1004)
        try scenario.unlock(0x1000)
        let conflict = RelockConflict(serial: TID(0x804), current: TID(0x1004), data: nil)
        #expect(scenario.host.packets(scenario.b) == [AnswerRelockObject(conflict: conflict).packet])
        // Nothing is left of it: another one may write, and this one vote.
        try scenario.store(1, on: 0x1004, 0x1010, by: scenario.a)
        try scenario.vote(0x1008, [], by: scenario.b)
        #expect(brief(scenario.host.packets(scenario.a)) == ["AnswerStoreTransaction", "stored nil"])
        #expect(brief(scenario.host.packets(scenario.b)) == ["AnswerStoreTransaction"])
    }

    @Test("29: who votes before it reads that an older transaction wants its lock keeps it; the older one conflicts")
    func voteBehindTheNotification() throws {
        var scenario = try StorageScenario(.immediate)
        try scenario.store(1, 0x1008, by: scenario.b)
        try scenario.store(1, 0x1000, by: scenario.a)
        try scenario.vote(0x1008, [1], by: scenario.b)
        #expect(
            brief(scenario.host.packets(scenario.b)) == ["stored nil", "NotifyDeadlock", "AnswerStoreTransaction"]
        )
        try scenario.lock(0x1008, at: 0x100c)
        #expect(scenario.host.packets(scenario.a).isEmpty)
        try scenario.unlock(0x1008)
        #expect(brief(scenario.host.packets(scenario.a)) == ["stored 100c"])
        // The conflict took no lock.
        try scenario.store(1, on: 0x100c, 0x1010, by: scenario.b)
        #expect(brief(scenario.host.packets(scenario.b)) == ["stored nil"])
    }

    @Test("31: what waits for a transaction that its client aborts is answered, and leaves no lock")
    func abortOfAStoreThatWaits() throws {
        var scenario = try StorageScenario(.immediate)
        try scenario.store(1, 0x1000, by: scenario.a)
        try scenario.store(1, 0x1008, by: scenario.b)
        try scenario.host.send(.abortTransaction(AbortTransaction(ttid: TID(0x1008), nids: [])), on: scenario.b)
        #expect(brief(scenario.host.packets(scenario.b)) == ["stored 0"])
        #expect(scenario.host.core.delayedWrites.count == 0)
        try scenario.host.send(.abortTransaction(AbortTransaction(ttid: TID(0x1000), nids: [])), on: scenario.a)
        #expect(scenario.host.core.transactions.writeLocks.isEmpty)
        try scenario.store(1, 0x1010, by: scenario.b)
        #expect(brief(scenario.host.packets(scenario.b)) == ["stored nil"])
    }

    @Test("43: what is in cells that are not readable here counts for nothing in the last ids")
    func lastIDsOfReadableCells() throws {
        let database = try history(4, [(0x10, [4]), (0x15, [9]), (0x9002, [0x9002]), (0x8003, [0x8003])])
        // First TIDs count as well.
        try fill(database, 4, [(0x7, [7]), (0x6, [6])])
        var scenario = try StorageScenario(database) { $0.disablesDropPartitions = true }
        try scenario.tell(.stopOperation(StopOperation()))
        try scenario.tell(.askLastIDs(AskLastIDs()))
        try scenario.host.completeJobs()
        let answer = AnswerLastIDs(lastTID: TID(0x15), lastOID: OID(9), firstTID: TID(0x10))
        #expect(scenario.host.packets(scenario.master).last == answer.packet)
    }

    @Test("22.5: unlocks that follow each other do not put off the commit of the first one")
    func steadyUnlocks() throws {
        var scenario = try StorageScenario(.immediate)
        // All are durable up to their locks.
        for number in 0..<3 as Range<UInt64> {
            let ttid = 0x1000 + 8 * number
            try scenario.store(4 * number, ttid, by: scenario.a)
            try scenario.vote(ttid, [4 * number], by: scenario.a)
            try scenario.lock(ttid, at: ttid + 4)
        }
        try scenario.unlock(0x1000)
        #expect(scenario.host.timers[StorageCore.Timer.flush] == 1000)
        scenario.host.advance(milliseconds: 600)
        try scenario.unlock(0x1008)
        scenario.host.advance(milliseconds: 400)
        scenario.host.writer = .manual
        try scenario.host.fire(StorageCore.Timer.flush)
        #expect(scenario.host.jobs.map(\.operation) == [.flush])
        try scenario.host.completeJobs()
        // That of the next one has its own deadline.
        try scenario.unlock(0x1010)
        #expect(scenario.host.timers[StorageCore.Timer.flush] == 1000)
    }
}
