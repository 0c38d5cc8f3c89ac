import NEODatabase
import NEOEngine
import NEOProtocol
import NEOTopology
import NIOCore
import Testing

@testable import NEOStorage

/// Pack orders on a storage (`spec/storage.md §23`, scenarios 46 to 53; `spec/replication.md §11`, P).
@Suite struct PackTests {
    @Test(
        "An approved order is asked, executed on the cells that are up to date, recorded; the master is told at the end"
    )
    func order() throws {
        var scenario = try PackScenario()
        try scenario.becomeUpToDate()
        try scenario.commitHistory()
        try scenario.sign(0x2000)
        #expect(brief(scenario.packets()) == ["NotifyPackCompleted", "AskPackOrders"])
        try scenario.answer([PackScenario.order(0x2000, through: 0x1014)])
        let told = scenario.packets()
        #expect(told == [NotifyPackCompleted(tid: TID(0x2000)).packet])
        #expect(try scenario.revisions(4) == [0x1014, 0x1024])
        #expect(try scenario.packed() == [0: 0x2000, 1: 0x2000, 2: 0x2000])
    }

    @Test("A node that joins a cluster in operation says that it completed nothing once it knows of an order (P1)")
    func joins() throws {
        var scenario = try PackScenario()
        try scenario.becomeUpToDate()
        #expect(scenario.packets() == [])
        try scenario.sign(0x2000)
        #expect(
            scenario.packets() == [NotifyPackCompleted(tid: .zero).packet, AskPackOrders(min: TID(1)).packet]
        )
        try scenario.sign(0x2000)
        #expect(scenario.packets() == [])
    }

    @Test("A cell that is out of date is not packed, and holds back what is told; once readable it is packed")
    func outOfDate() throws {
        var scenario = try PackScenario()
        try scenario.commitHistory()
        try scenario.sign(0x2000)
        try scenario.answer([PackScenario.order(0x2000, through: 0x1014)])
        #expect(try scenario.packed() == [0: 0x2000, 1: 0x2000, 2: 0])
        #expect(brief(scenario.packets()) == ["NotifyPackCompleted", "AskPackOrders"])
        try scenario.becomeUpToDate()
        #expect(brief(scenario.packets()) == ["AskPackOrders"])
        try scenario.answer([PackScenario.order(0x2000, through: 0x1014)])
        #expect(scenario.packets() == [NotifyPackCompleted(tid: TID(0x2000)).packet])
        #expect(try scenario.packed() == [0: 0x2000, 1: 0x2000, 2: 0x2000])
    }

    @Test("A feeding cell is neither packed nor waited for (10.22)")
    func feeding() throws {
        var scenario = try PackScenario()
        try scenario.becomeUpToDate()
        try scenario.change(0, to: .feeding)
        try scenario.sign(0x2000)
        try scenario.answer([PackScenario.order(0x2000, through: 0x1014)])
        #expect(try scenario.packed() == [0: 0, 1: 0x2000, 2: 0x2000])
        #expect(scenario.packets().contains(NotifyPackCompleted(tid: TID(0x2000)).packet))
    }

    @Test("A node whose cells are all feeding does nothing, and lets the others go on (22.9)")
    func allFeeding() throws {
        var scenario = try PackScenario()
        for partition in 0...2 { try scenario.change(partition, to: .feeding) }
        try scenario.sign(0x2000)
        #expect(scenario.packets() == [NotifyPackCompleted(tid: TID(0x2000)).packet])
        #expect(scenario.base.host.exitStatus == nil)
    }

    @Test("Orders are executed one after the other, each asked from the smallest one completed")
    func several() throws {
        var scenario = try PackScenario()
        try scenario.becomeUpToDate()
        try scenario.commitHistory()
        try scenario.sign(0x2000, 0x2004)
        #expect(scenario.packets().last == AskPackOrders(min: TID(1)).packet)
        try scenario.answer([PackScenario.order(0x2000, through: 0x1004)])
        #expect(
            scenario.packets()
                == [NotifyPackCompleted(tid: TID(0x2000)).packet, AskPackOrders(min: TID(0x2001)).packet]
        )
        try scenario.answer([PackScenario.order(0x2004, through: 0x1024)])
        #expect(scenario.packets() == [NotifyPackCompleted(tid: TID(0x2004)).packet])
        #expect(try scenario.revisions(4) == [0x1024])
    }

    @Test(
        "A partial order leaves the other objects alone; its list may be one string of the reference (15.6)",
        arguments: [false, true]
    )
    func partial(isOneString: Bool) throws {
        var scenario = try PackScenario()
        try scenario.becomeUpToDate()
        try scenario.commitHistory()
        try scenario.sign(0x2000)
        let order = PackScenario.order(0x2000, through: 0x1024, oids: [4])
        try scenario.answer(isOneString ? try PackScenario.asReferencesGiveThem([order]) : [order])
        #expect(try scenario.revisions(4) == [0x1024])
        #expect(try scenario.revisions(8) == [0x1004, 0x1014, 0x1024])
        #expect(try scenario.packed() == [0: 0x2000, 1: 0x2000, 2: 0x2000])
    }

    @Test("With the pack disabled, orders are not signed nor executed, and the others do not wait")
    func disabled() throws {
        var scenario = try PackScenario(disablesPack: true)
        try scenario.becomeUpToDate()
        try scenario.commitHistory()
        try scenario.sign(0x2000)
        #expect(scenario.packets() == [NotifyPackCompleted(tid: TID(0x2000)).packet])
        #expect(try scenario.packed() == [0: 0, 1: 0, 2: 0])
    }

    @Test("A cell discarded in the middle of its pack is not recorded, and its slice harms nobody")
    func discarded() throws {
        var scenario = try PackScenario(writer: .manual)
        try scenario.becomeUpToDate()
        try scenario.commitHistory()
        try scenario.sign(0x2000)
        try scenario.answer([PackScenario.order(0x2000, through: 0x1024)], completing: false)
        #expect(scenario.base.host.jobs.contains { if case .pack(0, _, _) = $0.operation { true } else { false } })
        try scenario.change(0, to: .discarded)
        try scenario.base.host.completeJobs()
        #expect(try scenario.packed() == [1: 0x2000, 2: 0x2000])
        #expect(scenario.packets().last == NotifyPackCompleted(tid: TID(0x2000)).packet)
    }

    @Test("The end of operation interrupts a pack; the next period does it again")
    func interrupted() throws {
        var scenario = try PackScenario(writer: .manual)
        try scenario.becomeUpToDate()
        try scenario.commitHistory()
        try scenario.sign(0x2000)
        try scenario.answer([PackScenario.order(0x2000, through: 0x1024)], completing: false)
        try scenario.base.tell(.stopOperation(StopOperation()))
        try scenario.base.host.completeJobs()
        #expect(try scenario.packed() == [0: 0, 1: 0, 2: 0])
        try scenario.base.tell(.startOperation(StartOperation(backup: false)))
        try scenario.base.host.completeJobs()
        _ = scenario.packets()
        // The answer to the question of the period before comes now: it is not for this one.
        try scenario.sign(0x2000)
        #expect(brief(scenario.packets()) == ["NotifyPackCompleted", "AskPackOrders"])
        try scenario.answer([PackScenario.order(0x2000, through: 0x1024)])
        #expect(try scenario.packed() == [0: 0x2000, 1: 0x2000, 2: 0x2000])
        #expect(try scenario.revisions(4) == [0x1024])
    }

    @Test("While clients are served, slices are kept apart by a timer; otherwise they follow each other")
    func pace() throws {
        var scenario = try PackScenario(writer: .manual)
        try scenario.becomeUpToDate()
        try scenario.commitHistory()
        try scenario.sign(0x2000)
        try scenario.answer([PackScenario.order(0x2000, through: 0x1024)], completing: false)
        try scenario.base.load(4, by: scenario.base.a)
        try scenario.base.host.completeJobs()
        #expect(scenario.base.host.timers[StorageCore.Timer.background] == 8)
        #expect(try scenario.packed()[1] == 0)
        try scenario.base.host.fire(StorageCore.Timer.background)
        try scenario.base.host.completeJobs()
        #expect(scenario.base.host.timers[StorageCore.Timer.background] == nil)
        #expect(try scenario.packed() == [0: 0x2000, 1: 0x2000, 2: 0x2000])
    }

    @Test(
        "Voted and aborted, dropped as unfinished, or only voted: an order without transaction is told to nobody (10.9)"
    )
    func abortedOrders() throws {
        var scenario = try PackScenario(writer: .immediate)
        let pack = PackRequest(oids: nil, tid: TID(0x1004))
        try scenario.base.vote(0x3000, [], pack: pack, by: scenario.base.a)
        try scenario.base.tell(.abortTransaction(AbortTransaction(ttid: TID(0x3000), nids: [])))
        try scenario.base.vote(0x3004, [], pack: pack, by: scenario.base.b)
        _ = scenario.packets()
        try scenario.base.tell(.askPackOrders(AskPackOrders(min: .zero)))
        #expect(scenario.packets() == [AnswerPackOrders(orders: []).packet])
        try scenario.base.tell(.stopOperation(StopOperation()))
        try scenario.base.tell(.startOperation(StartOperation(backup: false)))
        try scenario.base.commit(4, 0x3008, at: 0x300c, by: scenario.connectAgain())
        let orders = try scenario.base.host.database.makeReader().packOrders(from: .zero, in: [0, 1, 2, 3], of: 4)
        #expect(orders.isEmpty)
    }
}
