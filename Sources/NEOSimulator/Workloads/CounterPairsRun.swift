/// One history of a cluster under faults, from a seed: a safety phase, then all heals and everything is checked.
public struct CounterPairsRun: Sendable {
    public var seed: UInt64
    public var storages = 2
    public var clients = 2
    public var replicas = 0
    public var partitions = 4
    public var pairs = 4
    /// Virtual time under faults, in nanoseconds.
    public var duration: UInt64 = 10_000_000_000
    public var keepsText = false

    public init(seed: UInt64) {
        self.seed = seed
    }

    public struct Report: Sendable, CustomStringConvertible {
        public var seed: UInt64
        /// Hash of the event log.
        public var hash: UInt64
        public var events: Int
        public var commits: Int
        public var conflicts: Int
        public var failures: Int
        public var resets: Int
        public var restarts: Int
        /// What must never be, with the time at which it was found.
        public var violations: [String]
        public var lines: [String]

        public var description: String {
            """
            seed \(seed): hash \(String(hash, radix: 16)), \(events) events, \(commits) commits, \(conflicts) conflicts, \
            \(failures) failures, \(resets) resets, \(restarts) restarts, \(violations.count) violations
            """
        }
    }

    public func run() -> Report {
        let world = Simulation(seed: seed, keepsText: keepsText)
        let cluster = SimulatedCluster(
            world: world,
            storages: storages,
            clients: clients,
            partitions: partitions,
            replicas: replicas
        )
        let workload = CounterPairs(cluster, pairs: pairs)
        let faults = FaultInjector(cluster) { workload.restart($0) }
        var violations: [String] = []

        cluster.start()
        if !world.run(for: 30_000_000_000, until: { cluster.isRunning }) {
            violations.append("the cluster is not running 30 s after its start")
        }
        workload.start()
        faults.start()
        world.run(for: duration)

        faults.isStopping = true
        let healed = world.run(for: 120_000_000_000) {
            cluster.isRunning && cluster.storages.allSatisfy(\.isUp) && cluster.clients.allSatisfy(\.node.isUp)
        }
        if !healed { violations.append("the cluster is not running 120 s after the last fault") }
        let commitsBefore = workload.commits
        if !world.run(for: 120_000_000_000, until: { workload.commits > commitsBefore + 10 }) {
            violations.append("clients do not commit any more after the last fault")
        }
        workload.isStopping = true
        world.run(for: 10_000_000_000)
        var isVerified = false
        workload.verify(with: cluster.clients[0]) { isVerified = true }
        if !world.run(for: 120_000_000_000, until: { isVerified }) {
            violations.append("objects cannot be read after the last fault")
        }
        if replicas > 0 {
            if !world.run(for: 120_000_000_000, until: { cluster.isUpToDate }) {
                violations.append("cells are out of date at the end: \(cluster.cellNotation)")
            }
            // What was unlocked last is written.
            world.run(for: 5_000_000_000)
            violations += cluster.differences
        }
        for node in world.nodes {
            if let status = node.exitStatus { violations.append("\(node.name) exited with status \(status)") }
        }
        return Report(
            seed: seed,
            hash: world.log.hash,
            events: world.log.count,
            commits: workload.commits,
            conflicts: workload.conflicts,
            failures: workload.failures,
            resets: faults.resets,
            restarts: faults.restarts,
            violations: violations + workload.violations,
            lines: world.log.lines
        )
    }
}
