import NEODatabase
import NEOEngine
import NEOProtocol
import Testing

@testable import NEOStorage

/// Works behind the service of clients.
@Suite struct BackgroundTests {
    @Test("Tasks have their turns one after the other")
    func turns() {
        var lane = BackgroundLane()
        #expect(lane.turns == [.drop, .pack, .repair])
        let now = Instant(nanoseconds: 0)
        lane.begin(.drop, clientRequests: 0, now: now)
        #expect(lane.completed(clientRequests: 0, now: now, BackgroundPace()) == .proceed)
        #expect(lane.turns == [.pack, .repair, .drop])
        lane.begin(.repair, clientRequests: 0, now: now)
        #expect(lane.completed(clientRequests: 0, now: now, BackgroundPace()) == .proceed)
        #expect(lane.turns == [.drop, .pack, .repair])
    }

    @Test("Clients that were served meanwhile are left some time, unless the pace says otherwise")
    func rest() {
        var lane = BackgroundLane()
        func ends(after milliseconds: UInt64, _ pace: BackgroundPace = BackgroundPace()) -> BackgroundLane.Action {
            lane.begin(.pack, clientRequests: 7, now: Instant(nanoseconds: 5))
            return lane.completed(clientRequests: 8, now: Instant(nanoseconds: 5 + milliseconds * 1_000_000), pace)
        }
        #expect(ends(after: 0) == .rest(milliseconds: 8))
        #expect(lane.state == .resting)
        lane.rested()
        #expect(lane.state == .idle)
        // The longer it took, for whatever reason, the longer clients are left alone.
        #expect(ends(after: 3) == .rest(milliseconds: 72))
        lane.rested()
        #expect(ends(after: 100) == .rest(milliseconds: 500))
        lane.rested()
        var pace = BackgroundPace()
        pace.restMilliseconds = 0
        #expect(ends(after: 3, pace) == .proceed)
    }

    @Test("Slices are longer while nobody is there")
    func budget() {
        var lane = BackgroundLane()
        let (now, pace) = (Instant(nanoseconds: 0), BackgroundPace())
        #expect(pace.budget(isQuiet: lane.isQuiet).milliseconds == 1)
        lane.begin(.pack, clientRequests: 7, now: now)
        #expect(lane.completed(clientRequests: 7, now: now, pace) == .proceed)
        #expect(pace.budget(isQuiet: lane.isQuiet).milliseconds == 5)
        lane.begin(.pack, clientRequests: 7, now: now)
        _ = lane.completed(clientRequests: 8, now: now, pace)
        #expect(pace.budget(isQuiet: lane.isQuiet).milliseconds == 1)
    }

    @Test("Partitions are dropped one at a time, the smallest first")
    func drops() {
        var queue = DropQueue()
        queue.replace([5, 2])
        #expect(queue.next() == 2)
        #expect(queue.next() == nil)
        #expect(queue.completed(2, isFinished: false) == false)
        #expect(queue.next() == 2)
        #expect(queue.completed(2, isFinished: true) == true)
        #expect(queue.next() == 5)
    }

    @Test(
        "A partition assigned and discarded again while a slice runs is looked at again, whatever the slice says (44)"
    )
    func droppedAgain() {
        var queue = DropQueue()
        queue.insert(3)
        #expect(queue.next() == 3)
        queue.remove(3)
        queue.insert(3)
        #expect(queue.completed(3, isFinished: true) == false)
        #expect(queue.next() == 3)
    }

    @Test("A repair that is asked while another one goes on is refused in the log; the count is told at the end (16.4)")
    func repair() throws {
        var scenario = try PackScenario(writer: .manual)
        try scenario.base.tell(.notifyRepair(NotifyRepair(dryRun: true)))
        try scenario.base.tell(.notifyRepair(NotifyRepair(dryRun: true)))
        try scenario.base.host.completeJobs()
        #expect(scenario.base.host.logs.contains("a repair is already in progress"))
        #expect(scenario.base.host.logs.contains("repair: 0 data rows without reference"))
        try scenario.base.tell(.notifyRepair(NotifyRepair(dryRun: false)))
        try scenario.base.host.completeJobs()
        #expect(scenario.base.host.logs.contains("repair: 0 data rows without reference were deleted"))
    }

    @Test(
        "Discarded cells are dropped while the node serves, and kept with --disable-drop-partitions (45)",
        arguments: [false, true]
    )
    func discarded(disablesDrop: Bool) throws {
        var scenario = try PackScenario(disablesDropPartitions: disablesDrop)
        try scenario.commitHistory()
        let reader = try scenario.base.host.database.makeReader()
        try scenario.change(0, to: .discarded)
        #expect((try reader.lastIDs(in: 0) == LastIDs()) == !disablesDrop)
        let kept = "the data of partitions 0, not assigned to this node, are kept: dropping is disabled"
        #expect(scenario.base.host.logs.contains(kept) == disablesDrop)
        #expect(scenario.base.host.logs.contains("the data of partition 0 are dropped") == !disablesDrop)
    }
}
