import NEODatabase
import NEOEngine
import NEOProtocol
import NIOCore
import OrderedCollections
import Testing

@testable import NEOStorage

/// The races that the atomicity rules name, with a writer that is late.
@Suite struct RaceTests {
    @Test("Rule 6: the lock is kept until the unlock is applied, and the next store sees the new revision")
    func storeBehindUnlock() throws {
        var scenario = try StorageScenario()
        try scenario.store(1, 0x1000, by: scenario.a)
        try scenario.vote(0x1000, [1], by: scenario.a)
        try scenario.host.completeJobs()
        try scenario.lock(0x1000, at: 0x1004)
        try scenario.host.completeJobs()
        _ = scenario.host.take(scenario.a)
        try scenario.unlock(0x1000)
        // 1. The master has unlocked, the database has not: the client begins again.
        try scenario.store(1, on: 0x1004, 0x1008, by: scenario.a)
        #expect(scenario.host.packets(scenario.a).isEmpty)
        // 2. The database has.
        try scenario.host.completeJobs(1)
        #expect(brief(scenario.host.packets(scenario.a)) == ["stored nil"])
    }

    @Test("Rule 14: a read waits until the unlock is visible, and is served before writes")
    func readBehindUnlock() throws {
        var scenario = try StorageScenario()
        try scenario.store(1, 0x1000, by: scenario.a)
        try scenario.vote(0x1000, [1], by: scenario.a)
        try scenario.lock(0x1000, at: 0x1004)
        try scenario.host.completeJobs()
        _ = scenario.host.take(scenario.a)
        try scenario.store(1, 0x1008, by: scenario.b)
        try scenario.load(1, by: scenario.b)
        try scenario.unlock(0x1000)
        #expect(scenario.host.packets(scenario.b).isEmpty)
        try scenario.host.completeJobs()
        #expect(brief(scenario.host.packets(scenario.b)) == ["object 1004 next nil", "stored 1004"])
    }

    /// A store goes with the vote, an unlock with what comes next, unless somebody waits for it.
    @Test func keepsWhatNobodyWaitsFor() throws {
        var scenario = try StorageScenario()
        try scenario.store(1, 0x1000, by: scenario.a)
        #expect(scenario.host.keptJobs == 1)
        try scenario.vote(0x1000, [1], by: scenario.a)
        #expect(scenario.host.keptJobs == 0)
        try scenario.lock(0x1000, at: 0x1004)
        try scenario.host.completeJobs()
        try scenario.unlock(0x1000)
        #expect(scenario.host.keptJobs == 1)
        // A reader that comes after the unlock, then one that came before.
        try scenario.load(1, by: scenario.b)
        #expect(scenario.host.keptJobs == 0)
        try scenario.host.completeJobs()
        try scenario.store(1, on: 0x1004, 0x1008, by: scenario.a)
        try scenario.vote(0x1008, [1], by: scenario.a)
        try scenario.lock(0x1008, at: 0x100c)
        try scenario.host.completeJobs()
        try scenario.load(1, by: scenario.b)
        try scenario.unlock(0x1008)
        #expect(scenario.host.keptJobs == 0)
    }

    @Test("Rule 9: a vote in progress survives the loss of its client")
    func clientLostDuringVote() throws {
        var scenario = try StorageScenario()
        try scenario.store(1, 0x1008, by: scenario.a)
        try scenario.vote(0x1008, [1], by: scenario.a)
        try scenario.host.close(scenario.a)
        // Older, but the holder has voted: it waits without a word to the holder.
        try scenario.store(1, 0x1000, by: scenario.b)
        try scenario.host.completeJobs()
        #expect(scenario.host.packets(scenario.b).isEmpty)
        try scenario.lock(0x1008, at: 0x100c)
        try scenario.host.completeJobs()
        try scenario.unlock(0x1008)
        try scenario.host.completeJobs()
        #expect(brief(scenario.host.packets(scenario.b)) == ["stored 100c"])
    }

    @Test("Rule 10: a client that the master gave up is aborted behind its vote")
    func clientGoneDuringVote() throws {
        var scenario = try StorageScenario()
        try scenario.store(1, 0x1000, by: scenario.a)
        try scenario.vote(0x1000, [1], by: scenario.a)
        try scenario.store(1, 0x1008, by: scenario.b)
        try scenario.announce([(StorageScenario.clientA, .unknown, 0)])
        #expect(brief(scenario.host.packets(scenario.b)) == ["stored nil"])
        #expect(scenario.host.take(scenario.a).last == .closed)
        try scenario.host.completeJobs()
        #expect(try scenario.host.database.makeReader().unfinishedTransactions().isEmpty)
    }

    @Test("Rule 4: what was queued before StopOperation is applied, its answers are dropped")
    func stopDuringLock() throws {
        var scenario = try StorageScenario()
        try scenario.store(1, 0x1000, by: scenario.a)
        try scenario.vote(0x1000, [1], by: scenario.a)
        try scenario.lock(0x1000, at: 0x1004)
        try scenario.tell(.stopOperation(StopOperation()))
        try scenario.tell(.askLockedTransactions(AskLockedTransactions()))
        #expect(scenario.host.packets(scenario.master).isEmpty)
        try scenario.host.completeJobs()
        let answer = AnswerLockedTransactions(transactions: [TID(0x1000): TID(0x1004)])
        #expect(scenario.host.packets(scenario.master) == [answer.packet])
        #expect(scenario.host.open == [scenario.master])
    }

    @Test("Rules 2 and 3: StartOperation waits for the database; nobody is accepted before")
    func startBehindValidation() throws {
        var scenario = try StorageScenario()
        try scenario.store(1, 0x1000, by: scenario.a)
        try scenario.vote(0x1000, [1], by: scenario.a)
        try scenario.host.completeJobs()
        try scenario.tell(.stopOperation(StopOperation()))
        try scenario.tell(.validateTransaction(ValidateTransaction(ttid: TID(0x1000), tid: TID(0x1004))))
        try scenario.tell(.startOperation(StartOperation(backup: false)))
        try scenario.announce([(StorageScenario.clientA, .running, 1)])
        let early = try scenario.connect(StorageScenario.clientA, 1)
        #expect(brief(scenario.host.packets(early)) == ["Error NOT_READY"])
        #expect(scenario.host.packets(scenario.master).isEmpty)
        try scenario.host.completeJobs(1)
        #expect(
            brief(scenario.host.packets(scenario.master)) == ["NotifyReady", "AskUnfinishedTransactions"]
        )
        let client = try scenario.connect(StorageScenario.clientA, 1)
        try scenario.store(1, on: 0x1004, 0x1008, by: client)
        try scenario.load(1, by: client)
        #expect(
            brief(scenario.host.packets(client)) == ["AcceptIdentification", "stored nil", "object 1004 next nil"]
        )
        // The drop of unfinished data is in front of what the new client stores.
        let operations = scenario.host.jobs.map(\.operation)
        let drop = try #require(operations.firstIndex(of: .dropUnfinished))
        let store = try #require(operations.firstIndex { if case .store = $0 { true } else { false } })
        #expect(drop < store)
    }

    /// The transaction has its metadata here, or at another storage; here, it only checks an object.
    @Test(
        "A commit of checks that was locked when the process died is made at the next start (master.md 19.6.1)",
        arguments: [true, false]
    )
    func lockedChecksAfterADeath(hasMetadata: Bool) throws {
        let disk = MemoryDisk()
        let options = OpenOptions(clusterName: "differential")
        var scenario = try StorageScenario(MemoryDatabase.open(disk, options), .immediate)
        try scenario.commit(1, 0x800, at: 0x804, by: scenario.a)
        let check = AskCheckCurrentSerial(ttid: TID(0x1000), oid: OID(1), serial: TID(0x804))
        try scenario.host.send(check.packet, on: scenario.a)
        if hasMetadata {
            try scenario.vote(0x1000, [], by: scenario.a)
        } else {
            try scenario.host.send(.askVoteTransaction(AskVoteTransaction(ttid: TID(0x1000))), on: scenario.a)
        }
        try scenario.lock(0x1000, at: 0x1004)
        #expect(brief(scenario.host.packets(scenario.master)) == ["AnswerInformationLocked"])
        disk.interrupt(.processKilled)
        // A storage with neither data nor metadata has nothing to tell, and nothing is asked of it.
        let decided: [TTID: TID] = hasMetadata ? [TID(0x1000): TID(0x1004)] : [:]
        scenario = try StorageScenario(MemoryDatabase.open(disk, options), .immediate, interrupted: decided)
        let reader = try scenario.host.database.makeReader()
        #expect(
            try reader.tids(in: 0, .zero ... .max, limit: .max)
                == (hasMetadata ? [TID(0x804), TID(0x1004)] : [TID(0x804)])
        )
        #expect(try reader.unfinishedTransactions().isEmpty)
        #expect(scenario.host.core.transactions.writeLocks.isEmpty)
        try scenario.store(1, on: 0x804, 0x1008, by: scenario.b)
        #expect(brief(scenario.host.packets(scenario.b)) == ["stored nil"])
    }

    @Test("Rule 7: a relock gives the lock to the older transaction, not to a third one")
    func relock() throws {
        var scenario = try StorageScenario()
        try scenario.store(1, 0x1008, text: "b", by: scenario.b)
        try scenario.store(1, 0x1010, text: "c", by: scenario.b)
        try scenario.store(1, 0x1000, text: "a", by: scenario.a)
        let notice = NotifyDeadlock(ttid: TID(0x1008), oid: OID(1))
        #expect(scenario.host.packets(scenario.b) == [AnswerStoreObject(conflict: nil).packet, notice.packet])
        try scenario.host.send(
            .askRelockObject(AskRelockObject(ttid: TID(0x1008), oid: OID(1))),
            on: scenario.b
        )
        #expect(brief(scenario.host.packets(scenario.a)) == ["stored nil"])
        try scenario.vote(0x1000, [1], by: scenario.a)
        try scenario.lock(0x1000, at: 0x1004)
        try scenario.unlock(0x1000)
        try scenario.host.completeJobs()
        let packets = scenario.host.packets(scenario.b)
        guard case .answerRelockObject(let answer)? = packets.last else {
            Issue.record("expected a relock, got \(packets)")
            return
        }
        #expect(answer.conflict?.current == TID(0x1004))
        #expect(answer.conflict?.data?.data.readableBytesView.elementsEqual("b".utf8) == true)
        #expect(brief(packets.dropLast()) == ["stored 1004"])
    }

    @Test("A relock crosses a new store of the same object, resolved against what another cell has")
    func relockAfterStoringAgain() throws {
        var scenario = try StorageScenario()
        try scenario.store(1, 0x1008, text: "b", by: scenario.b)
        try scenario.store(1, 0x1000, text: "a", by: scenario.a)
        // The notification is on its way: the store was sent before it arrived.
        try scenario.store(1, 0x1008, text: "resolved", by: scenario.b)
        let notice = NotifyDeadlock(ttid: TID(0x1008), oid: OID(1))
        let stored = AnswerStoreObject(conflict: nil).packet
        #expect(scenario.host.packets(scenario.b) == [stored, notice.packet, stored])
        try scenario.host.send(
            .askRelockObject(AskRelockObject(ttid: TID(0x1008), oid: OID(1))),
            on: scenario.b
        )
        #expect(brief(scenario.host.packets(scenario.a)) == ["stored nil"])
        try scenario.vote(0x1000, [1], by: scenario.a)
        try scenario.lock(0x1000, at: 0x1004)
        try scenario.unlock(0x1000)
        try scenario.host.completeJobs()
        guard case .answerRelockObject(let answer)? = scenario.host.packets(scenario.b).last else {
            Issue.record("the relock is not answered")
            return
        }
        #expect(answer.conflict?.data?.data.readableBytesView.elementsEqual("resolved".utf8) == true)
    }

    @Test("A store that the conflict seen by another cell caused is answered after the relock")
    func storeBehindGivingBack() throws {
        var scenario = try StorageScenario()
        try scenario.store(1, 0x1008, text: "b", by: scenario.b)
        try scenario.store(1, 0x1000, text: "a", by: scenario.a)
        try scenario.host.send(
            .askRelockObject(AskRelockObject(ttid: TID(0x1008), oid: OID(1))),
            on: scenario.b
        )
        try scenario.vote(0x1000, [1], by: scenario.a)
        try scenario.lock(0x1000, at: 0x1004)
        try scenario.host.completeJobs()
        _ = scenario.host.take(scenario.b)
        // 1. The older transaction is committed: the relock is a conflict, and the database gives the value back.
        try scenario.unlock(0x1000)
        try scenario.host.completeJobs(1)
        // 2. The client resolves what another cell told it, and stores again.
        try scenario.store(1, on: 0x1004, 0x1008, text: "resolved", by: scenario.b)
        #expect(scenario.host.packets(scenario.b).isEmpty)
        // 3. The database is done.
        try scenario.host.completeJobs()
        let packets = scenario.host.packets(scenario.b)
        guard case .answerRelockObject(let answer)? = packets.first else {
            Issue.record("expected a relock, got \(packets)")
            return
        }
        #expect(answer.conflict?.data?.data.readableBytesView.elementsEqual("b".utf8) == true)
        #expect(brief(Array(packets.dropFirst())) == ["stored nil"])
    }

    @Test("Rule 13: what is locked is not read from the turn of the lock on, and cannot be aborted")
    func abortBehindLock() throws {
        var scenario = try StorageScenario()
        try scenario.store(1, 0x1000, by: scenario.a)
        try scenario.vote(0x1000, [1], by: scenario.a)
        try scenario.lock(0x1000, at: 0x1004)
        try scenario.load(1, by: scenario.b)
        try scenario.tell(.abortTransaction(AbortTransaction(ttid: TID(0x1000), nids: [])))
        #expect(scenario.host.packets(scenario.b).isEmpty)
        try scenario.unlock(0x1000)
        try scenario.host.completeJobs()
        #expect(brief(scenario.host.packets(scenario.b)) == ["object 1004 next nil"])
    }

    @Test("Rule 17: a cell that goes releases its locks; stores that wait are answered, nothing is committed")
    func discardDuringStore() throws {
        var scenario = try StorageScenario()
        try scenario.store(1, 0x1000, by: scenario.a)
        try scenario.store(1, 0x1008, by: scenario.b)
        let cells = [
            CellChange(partition: 1, nid: StorageScenario.other, state: .upToDate),
            CellChange(partition: 1, nid: StorageScenario.own, state: .discarded),
        ]
        try scenario.tell(.notifyPartitionChanges(NotifyPartitionChanges(ptid: 2, replicas: 0, cells: cells)))
        #expect(brief(scenario.host.packets(scenario.b)) == ["stored 0"])
        try scenario.vote(0x1000, [1], by: scenario.a)
        try scenario.lock(0x1000, at: 0x1004)
        try scenario.unlock(0x1000)
        try scenario.host.completeJobs()
        _ = scenario.host.take(scenario.a)
        try scenario.load(1, by: scenario.a)
        #expect(brief(scenario.host.packets(scenario.a)) == ["Error NON_READABLE_CELL"])
        #expect(try scenario.host.database.makeReader().lastTID(of: OID(1), in: 1) == nil)
    }

    @Test("An old revision is read while a newer one is locked, and does not pass for the last one (22.6)")
    func oldRevision() throws {
        var scenario = try StorageScenario()
        try scenario.commit(1, 0x1000, at: 0x1004, by: scenario.a)
        try scenario.store(1, on: 0x1004, 0x1008, by: scenario.a)
        try scenario.vote(0x1008, [1], by: scenario.a)
        try scenario.lock(0x1008, at: 0x100c)
        try scenario.load(1, before: 0x100c, by: scenario.b)
        #expect(brief(scenario.host.packets(scenario.b)) == ["object 1004 next 100c"])
        try scenario.load(1, before: 0x100d, by: scenario.b)
        #expect(scenario.host.packets(scenario.b).isEmpty)
    }

    @Test("What is unlocked is durable a second after the first unlock (22.5)")
    func flushDeadline() throws {
        var scenario = try StorageScenario()
        try scenario.commit(1, 0x1000, at: 0x1004, by: scenario.a)
        scenario.host.now = Instant(nanoseconds: scenario.host.now.nanoseconds + 1_000_000_000)
        try scenario.host.fire(StorageCore.Timer.flush)
        #expect(scenario.host.jobs.map(\.operation) == [.flush])
    }
}
