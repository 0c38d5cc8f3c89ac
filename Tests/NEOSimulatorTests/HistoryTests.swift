import Foundation
import NEOClient
import NEOProtocol
import Testing

@testable import NEOSimulator

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

    /// Campaigns have thousands of histories: nothing is left of one that is over.
    @Test(arguments: [[], [.partialStart]] as [Set<Trial>])
    func nothingIsLeft(trials: Set<Trial>) {
        for seed in 5_000_001...5_000_003 as ClosedRange<UInt64> {
            var settings = SimulatedHistory.Settings(seed: seed)
            settings.trials = trials
            settings.duration = 500_000_000
            let remains = Remains {
                let history = SimulatedHistory(settings)
                _ = history.run()
                return history.cluster
            }
            #expect(remains.names == [], "seed \(seed)")
        }
    }

    /// Also if it ends while somebody waits for an answer, or something is planned.
    @Test func nothingThatWaitsIsLeft() {
        let remains = Remains {
            let cluster = SimulatedCluster(ClusterLayout(), hasOperator: true, in: Simulation(seed: 1))
            cluster.start()
            cluster.world.run(for: 1_000_000_000)
            let notCalled = { _ = Issue.record("called after the end: \(cluster.stateDescription)") }
            cluster.clients[0].call {
                $0.sync($1, &$2)
            } then: { _ in
                notCalled()
            }
            cluster.desk?.ask(AskClusterState()) { _ in notCalled() }
            cluster.world.schedule(after: 1, notCalled)
            cluster.end()
            return cluster
        }
        #expect(remains.names == [])
    }

    /// What is left of a simulated cluster.
    private struct Remains {
        private struct Remain {
            let name: String
            weak var object: AnyObject?
        }

        private let remains: [Remain]

        var names: [String] { remains.filter { $0.object != nil }.map(\.name) }

        init(of simulate: () -> SimulatedCluster) {
            let cluster = simulate()
            remains =
                [Remain(name: "cluster", object: cluster), Remain(name: "world", object: cluster.world)]
                + cluster.world.nodes.map { Remain(name: $0.name, object: $0) }
                + cluster.clients.map { Remain(name: "client \($0.node.name)", object: $0) }
                + cluster.disks.map { Remain(name: "disk", object: $0) }
        }
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
            // With an operator: a transaction that was aborted, on one of two storages.
            3_001_667,
            // Readers saw cells that are readable and empty.
            3_002_634,
            // The operator was told that a storage is removed, which no storage had recorded.
            3_000_101, 3_000_669, 3_001_205, 3_002_230, 3_002_928,
            // A storage without a table took the cells of another one, whose id two candidates had given.
            3_000_716,
            // The only owner of a table that was just made again was lost before it recorded it.
            4_003_035,
            // The owner of a cell was lost before it recorded the first table, and came back before that was noticed.
            4_020_178,
            // A storage joined a master that did not notice that another one led, and dropped a lock.
            4_011_482,
            // A removal was undone, and its storage erased; admins took a storage for another one at its address.
            4_031_186, 4_031_849,
            // While there were two primaries, a storage recorded an older table than it had.
            4_003_772,
            // A storage had a newer table than the one that leads, and was refused; two masters led.
            4_055_557, 4_051_512,
            // No storage checked for conflicts.
            4_062_038,
            // The owner of a first table that was moved on before it recorded it was taken for somebody else.
            4_075_380,
            // A master that slept told the end of a transaction that the next one had found and committed.
            4_075_503,
            // The last cell that had not executed a pack was given up: who waited for it was not told.
            31_398_941,
            // An interrupted commit was validated at one of two storages; an admin kept storages that were removed.
            4_075_835, 4_076_383,
            // The only storage with the lock of a commit was stopped during the verification.
            4_085_603,
            // A newer table was given to one storage while another master served with the other one.
            9322,
            // Ids that masters gave who did not know their owners; in the last one, an empty storage was read.
            1795, 5838, 2674,
        ] as [UInt64]
    )
    func kept(seed: UInt64) { check(seed) }

    @Test(arguments: Trial.allCases)
    func trial(trial: Trial) {
        // Clients committed again before the simulator knew that TIDs may begin anew.
        let kept: [UInt64] = trial == .truncation ? [1027] : []
        for seed in kept + (5_000_001...5_000_010) {
            var settings = SimulatedHistory.Settings(seed: seed)
            settings.trials = [trial]
            let report = SimulatedHistory(settings).run()
            #expect(
                report.violations.isEmpty,
                "\(report)\nreplay: neo sim --seed \(seed) --trial \(trial.rawValue) --trace"
            )
        }
    }

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

    /// Other ones for each commit, half of them with an operator. A seed that fails is printed: `neo sim --seed N` replays it.
    @Test(arguments: freshSeeds)
    func fresh(seed: UInt64) { check(seed) }

    /// From `NEO_SIMULATION_SEED`, which `scripts/test` makes of the commit, or from the time.
    private static let freshSeeds: [UInt64] = {
        let first = ProcessInfo.processInfo.environment["NEO_SIMULATION_SEED"].flatMap { UInt64($0) }
        let base = first ?? UInt64(Date().timeIntervalSince1970) % 1_000_000_000
        return (0..<200).map { base + $0 }
    }()

    private func check(_ seed: UInt64) {
        let report = SimulatedHistory(.init(seed: seed)).run()
        #expect(
            report.violations.isEmpty,
            "\(report)\n\(report.violations.joined(separator: "\n"))\nreplay: neo sim --seed \(seed) --trace"
        )
    }
}
