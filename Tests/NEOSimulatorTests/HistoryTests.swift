import Foundation
import NEOSimulator
import Testing

/// Complete clusters of real cores, in one thread, under virtual time and faults.
@Suite struct HistoryTests {
    @Test(arguments: [1, 7, 42] as [UInt64])
    func sameSeedSameHistory(seed: UInt64) {
        let first = SimulatedHistory(.init(seed: seed)).run()
        let second = SimulatedHistory(.init(seed: seed)).run()
        #expect(first.hash == second.hash)
        #expect(first.events == second.events)
        #expect(first.commits == second.commits)
    }

    @Test func otherSeedOtherHistory() {
        #expect(SimulatedHistory(.init(seed: 1)).run().hash != SimulatedHistory(.init(seed: 2)).run().hash)
    }

    /// Histories that once went wrong, and why; what follows a seed has changed since.
    @Test(
        arguments: [
            // A new master started with an old table after it lost the storage that had the newest one.
            71, 536, 1035, 1061,
            // Two storages had a table of their own in which only they were readable.
            650,
            // A storage closed a connection that it did not have any more, for ever.
            1253,
        ] as [UInt64]
    )
    func kept(seed: UInt64) { check(seed) }

    /// `spec/master.md §19.2.6`: one of twenty masters leads the others, whoever dies.
    @Test func twentyMasters() {
        var settings = SimulatedHistory.Settings(seed: 20)
        settings.layout.masters = 20
        settings.faults.kinds = [.kill, .partition]
        settings.duration = 3_000_000_000
        let report = SimulatedHistory(settings).run()
        #expect(report.violations.isEmpty, "\(report.violations.joined(separator: "\n"))")
    }

    /// The simulator is worth what it catches.
    @Test(arguments: Defect.allCases)
    func defectIsCaught(defect: Defect) {
        let seed = (1...200 as ClosedRange<UInt64>).first { seed in
            var settings = SimulatedHistory.Settings(seed: seed)
            settings.defect = defect
            return !SimulatedHistory(settings).run().violations.isEmpty
        }
        #expect(seed != nil, "no history of 200 shows \(defect.rawValue)")
    }

    /// Other ones in each run. A seed that fails is printed: `neo sim --seed N --no-orders` replays it.
    ///
    /// Without an operator: with one, some histories in a thousand are known to fail (docs/maintainers/simulation.md), which
    /// would be the fault of no change.
    @Test(arguments: freshSeeds)
    func fresh(seed: UInt64) { check(seed, orders: OrderPlan()) }

    /// From `NEO_SIMULATION_SEED`, or from the time.
    private static let freshSeeds: [UInt64] = {
        let first = ProcessInfo.processInfo.environment["NEO_SIMULATION_SEED"].flatMap { UInt64($0) }
        let base = first ?? UInt64(Date().timeIntervalSince1970) % 1_000_000_000
        return (0..<25).map { base + $0 }
    }()

    private func check(_ seed: UInt64, orders: OrderPlan? = nil) {
        var settings = SimulatedHistory.Settings(seed: seed)
        if let orders { settings.orders = orders }
        let report = SimulatedHistory(settings).run()
        #expect(
            report.violations.isEmpty,
            "\(report)\n\(report.violations.joined(separator: "\n"))\nreplay: neo sim --seed \(seed)\(orders == nil ? "" : " --no-orders") --trace"
        )
    }
}
