import NEODatabase
import NEOEngine
import NEOProtocol
import NIOCore
import Testing

@testable import NEOStorage

/// A disk that becomes full, and is not any more (`spec/database.md §16`, scenario 8).
@Suite struct SpaceTests {
    private static let reserve: UInt64 = 100 << 20
    private let disk = MemoryDisk()

    private func scenario() throws -> StorageScenario {
        let database = try MemoryDatabase.open(disk, OpenOptions(clusterName: "differential"))
        return try StorageScenario(database, .immediate, reservedBytes: Self.reserve)
    }

    @Test("Near the end of the disk, data is refused; reads, votes, deletions and ends of transactions go on")
    func shortage() throws {
        disk.availableBytes = Self.reserve
        var scenario = try scenario()
        try scenario.commit(0, 0x1000, at: 0x1008, by: scenario.a)
        try scenario.store(1, 0x1010, by: scenario.a)
        #expect(brief(scenario.host.packets(scenario.a)) == ["stored nil"])

        disk.availableBytes = Self.reserve - 1
        scenario.host.advance(milliseconds: SpaceWatch.milliseconds)
        try scenario.store(0, on: 0x1008, 0x1020, by: scenario.b)
        let refusals = scenario.host.packets(scenario.b)
        #expect(brief(refusals) == ["Error READ_ONLY_ACCESS"])
        guard case .error(let error)? = refusals.first else { return }
        #expect(error.message == "the disk of S1 is nearly full: expected 100 MiB free, got 99 MiB")
        #expect(scenario.host.logs.contains { $0.hasPrefix("writes are refused: the disk of S1 is nearly full") })

        try scenario.load(0, by: scenario.b)
        #expect(brief(scenario.host.packets(scenario.b)) == ["object 1008 next nil"])
        try scenario.vote(0x1010, [1], by: scenario.a)
        try scenario.lock(0x1010, at: 0x1018)
        try scenario.unlock(0x1010)
        try scenario.load(1, by: scenario.b)
        #expect(brief(scenario.host.packets(scenario.b)) == ["object 1018 next nil"])
        try scenario.store(0, on: 0x1008, 0x1030, text: "", by: scenario.b)
        #expect(brief(scenario.host.packets(scenario.b)) == ["stored nil"])
    }

    @Test("Once there is more than the reserve again, data is accepted")
    func recovery() throws {
        disk.availableBytes = 0
        var scenario = try scenario()
        func answers() throws -> [String] {
            scenario.host.advance(milliseconds: SpaceWatch.milliseconds)
            try scenario.store(0, 0x1010, by: scenario.a)
            return brief(scenario.host.packets(scenario.a))
        }
        #expect(try answers() == ["Error READ_ONLY_ACCESS"])
        disk.availableBytes = Self.reserve
        #expect(try answers() == ["Error READ_ONLY_ACCESS"], "it would be refused again in a moment")
        disk.availableBytes = Self.reserve / 4 * 5
        #expect(try answers() == ["stored nil"])
        #expect(scenario.host.logs.last == "there is space on the disk again: writes are accepted")
    }

    @Test("The disk is looked at once a second, or each 8 MiB")
    func looks() {
        var watch = SpaceWatch(reserve: 10)
        func isDue(_ bytes: Int, at milliseconds: UInt64) -> Bool {
            watch.isDue(adding: bytes, now: Instant(nanoseconds: milliseconds * 1_000_000))
        }
        func look(_ available: UInt64?) -> SpaceWatch.Change {
            watch.look(available, now: Instant(nanoseconds: 0))
        }
        #expect(isDue(1, at: 0))
        #expect(look(10) == .none)
        #expect(!isDue(SpaceWatch.bytes - 1, at: 999))
        #expect(isDue(0, at: 1000))
        #expect(isDue(1, at: 999))
        #expect(look(9) == .ended)
        #expect(look(11) == .none)
        #expect(look(nil) == .isBack)
        watch = SpaceWatch(reserve: 0)
        #expect(!isDue(.max, at: 0))
    }
}
