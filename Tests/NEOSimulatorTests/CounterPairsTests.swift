import NEOSimulator
import Testing

/// 1 master, 2 storages with the Memory backend, 2 clients: the real cores, in one thread, under virtual time.
@Suite struct CounterPairsTests {
    @Test(arguments: [1, 7, 42] as [UInt64])
    func sameSeedSameHistory(seed: UInt64) {
        let first = CounterPairsRun(seed: seed).run()
        let second = CounterPairsRun(seed: seed).run()
        #expect(first.hash == second.hash)
        #expect(first.events == second.events)
        #expect(first.commits == second.commits)
    }

    @Test func otherSeedOtherHistory() {
        #expect(CounterPairsRun(seed: 1).run().hash != CounterPairsRun(seed: 2).run().hash)
    }

    /// Delays, connection resets and restarts of one node at a time.
    @Test(arguments: 1...100 as ClosedRange<UInt64>)
    func keepsPairsEqual(seed: UInt64) {
        let report = CounterPairsRun(seed: seed).run()
        #expect(report.violations.isEmpty, "\(report)\n\(report.violations.joined(separator: "\n"))")
        #expect(report.commits > 10, "\(report)")
    }

    /// The same with 3 storages and a copy of each partition: at the end all the cells are up to date, and copies are equal.
    @Test(arguments: 1...15 as ClosedRange<UInt64>)
    func keepsReplicasEqual(seed: UInt64) {
        var run = CounterPairsRun(seed: seed)
        run.storages = 3
        run.replicas = 1
        let report = run.run()
        #expect(report.violations.isEmpty, "\(report)\n\(report.violations.joined(separator: "\n"))")
    }
}
