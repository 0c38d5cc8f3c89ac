import NEOClient
import NEODatabase
import NEOEngine
import NEOMaster
import NEOProtocol

/// One history of a cluster, from a seed: programs work under faults, then all heals and everything is checked.
///
/// ```
///   creation ─▶ set-up ─▶ safety phase: work under faults ─▶ liveness phase: the cluster heals ─▶ examination
/// ```
public final class SimulatedHistory {
    /// What a history is made of; all the rest is drawn from the seed.
    public struct Settings: Sendable {
        public var seed: UInt64
        public var layout: ClusterLayout
        public var faults: FaultPlan
        public var orders = OrderPlan() {
            // Only an operator creates a cluster that has spare storages, and adds them.
            didSet { if orders.isEmpty { layout.spares = 0 } }
        }
        /// What cores do to themselves during the safety phase.
        public var mischief: Mischief = []
        /// The writers of storages commit one job after the other.
        public var commitsOneJob = false
        /// Virtual time under faults, in nanoseconds.
        public var duration: UInt64 = 10_000_000_000
        /// Time between two steps of a program, in nanoseconds.
        public var thinkingTime: ClosedRange<UInt64> = 0...2_000_000
        /// Faults happen already while the cluster is created.
        public var isCreatedUnderFaults = false
        public var keepsText = false
        /// What programs do, one after the other.
        public var workloads: [WorkloadKind]
        /// What is done on demand only; there is an operator then.
        public var trials: Set<Trial> = [] {
            didSet {
                guard !trials.isEmpty else { return }
                if orders.isEmpty { orders.kinds = [.look] }
                orders.kinds.removeAll { $0 == .start }
                if trials.contains(.partialStart) { orders.kinds += [.start, .start, .start] }
            }
        }
        /// A mistake made on purpose.
        public var defect: Defect? {
            didSet { if let defect { layout.suit(defect) } }
        }

        /// Everything is drawn from the seed.
        public init(seed: UInt64) {
            self.seed = seed
            // Another sequence than that of the world.
            var random = SplitMix64(seed: ~seed)
            layout = ClusterLayout(&random)
            faults = FaultPlan(&random)
            thinkingTime = 0...([2_000_000, 20_000_000, 200_000_000].randomElement(using: &random) ?? 2_000_000)
            isCreatedUnderFaults = Int.random(in: 0..<4, using: &random) == 0
            // Lists come to an end: something else has to go on.
            let kinds: [WorkloadKind] = [.bank, .ring, .lists, .undoRedo]
            workloads = [.counterPairs] + kinds.filter { _ in Bool.random(using: &random) }
            // Fewer: what is packed is not checked any more.
            if Int.random(in: 0..<4, using: &random) == 0 { workloads.append(.packs) }
            orders = OrderPlan(&random)
            let isMischievous = Bool.random(using: &random)
            mischief = Mischief(rawValue: isMischievous ? .random(in: 0...Mischief.all.rawValue, using: &random) : 0)
            commitsOneJob = Int.random(in: 0..<6, using: &random) == 0
            if !orders.isEmpty { layout.spares = Int.random(in: 0..<layout.storages, using: &random) }
            // An operator who creates a cluster while others may do it again would give up data.
            if layout.spares > 0 { isCreatedUnderFaults = false }
        }
    }

    let settings: Settings
    let world: Simulation
    let cluster: SimulatedCluster
    let workloads: [any Workload]
    var ledger = Ledger()
    private(set) var isStopping = false
    /// The cluster was in service once: nobody starts it any more without some of its storages.
    private var isCreated = false
    private var programs: [SimulatedProgram] = []
    private var injector: FaultInjector?
    private var administration: Administration?
    private var diskLoss: DiskLoss?
    /// Clients are stopped, for a truncation.
    private var isTruncating = false
    /// An operator started the cluster without storages that had the only copies of something: nothing is expected any more.
    private var isGivenUp = false
    private var leadership = LeadershipWatch()
    private var promotions = PromotionWatch()
    private var violations: [String] = []

    var thinkingTime: ClosedRange<UInt64> { settings.thinkingTime }

    public init(_ settings: Settings) {
        self.settings = settings
        world = Simulation(seed: settings.seed, keepsText: settings.keepsText)
        cluster = SimulatedCluster(
            settings.layout,
            settings.defect,
            hasOperator: !settings.orders.isEmpty,
            in: world
        )
        workloads = settings.workloads.enumerated().map { index, kind in kind.make(base: UInt64(index) * 1000 + 1) }
        programs = cluster.clients.map { SimulatedProgram($0, self) }
        for (index, master) in cluster.masters.enumerated() {
            master.observe = { [unowned self] core, context in
                watch(index, core, context.effects)
            }
        }
        world.mischief = settings.mischief
        for storage in cluster.storages { storage.commitsOneJob = settings.commitsOneJob }
        guard let desk = cluster.desk else { return }
        administration = Administration(desk, settings.orders, replicas: settings.layout.replicas, cluster)
        for storage in cluster.storages {
            storage.observe = { [unowned self] _, context in watchChecks(context.effects) }
        }
    }

    /// What must never be.
    func report(_ violation: String) {
        guard !isGivenUp else { return }
        world.log.write("\(world.now) VIOLATION \(violation)")
        guard violations.count < 100 else { return }
        violations.append("at \(Double(world.now) / 1e9) s: \(violation)")
    }

    /// Whether one master believes that it leads, and it is the last one that committed something.
    var hasOneLeader: Bool {
        guard let leader = cluster.leader else { return false }
        return leadership.isLast(leader, cluster.masters[leader])
    }

    func workload() -> (any Workload)? { world.pick(workloads) }

    // MARK: Watches

    private func watch(_ index: Int, _ core: MasterCore, _ effects: [Effect<Never>]) {
        let term = LeadershipWatch.Term(index, cluster.masters[index], core)
        if settings.trials.contains(.partialStart), isCreated { watchStarts(index, core, effects) }
        let isRecovering = core.clusterState == .recovering
        for violation in leadership.watch(term, isRecovering: isRecovering, effects) { report(violation) }
        guard core.isPrimary, core.clusterState == .running else { return }
        for violation in promotions.watch(term, core.table, cluster, ledger) { report(violation) }
    }

    /// An operator may give up data by a start, unknowingly.
    private func watchStarts(_ index: Int, _ core: MasterCore, _ effects: [Effect<Never>]) {
        let isOrdered = effects.contains { effect in
            guard case .send(_, let frame) = effect, case .error(let message) = frame.packet else { return false }
            return message.code == .ack && message.message == "Cluster state changed"
        }
        guard isOrdered, !cluster.isStartedWithAll(index, core) else { return }
        world.log.write(
            "\(world.now) data may be given up: \(cluster.masters[index].name) starts without some storages"
        )
        isGivenUp = true
    }

    /// No check accuses anybody; but while a pack goes on, replicas may differ.
    private func watchChecks(_ effects: [Effect<DatabaseJob>]) {
        for effect in effects {
            guard case .send(_, let frame) = effect, case .notifyPartitionCorrupted(let found) = frame.packet,
                ledger.packed == .zero
            else { continue }
            report("a check finds partition \(found.partition) corrupted at \(found.nids)")
        }
    }

    // MARK: Phases

    public func run() -> Report {
        let injector = FaultInjector(cluster, settings.faults) { [unowned self] in restart($0) }
        self.injector = injector
        cluster.start()
        if settings.layout.spares > 0 {
            administration?.create { [unowned self] in isCreated }
        }
        if settings.isCreatedUnderFaults {
            injector.start()
            world.run(for: settings.duration / 4)
            injector.stop()
        }
        if !isViolated("the cluster is not created", within: 240, until: { cluster.primary?.clusterState == .running })
        {
            isCreated = true
            cluster.startSpares()
            setUp()
            injector.start()
            administration?.start()
            for program in programs { program.work() }
            if settings.trials.contains(.lostDisk) {
                let loss = DiskLoss(cluster) { [unowned self] isSuspended in
                    injector.isSuspended = isSuspended
                    administration?.isSuspended = isSuspended
                }
                diskLoss = loss
                loss.start()
            }
            world.run(for: settings.duration) { isGivenUp }
            diskLoss?.stop()
            for nid in cluster.duplicates { report("several databases have the id \(nid)") }
            if !isGivenUp { heal(injector) }
        }
        cluster.end()
        return Report(self, injector.counts)
    }

    private func setUp() {
        for workload in workloads {
            guard let step = workload.setUp else { continue }
            var isDone = false
            setUp(step, of: workload) { isDone = true }
            _ = isViolated("the set-up of \(workload.name) does not end", within: 300) { isDone }
        }
    }

    private func setUp(_ step: Step, of workload: any Workload, completion: @escaping () -> Void) {
        guard let program = programs.first(where: \.client.node.isUp) else {
            return world.schedule(after: 100_000_000) { [self] in setUp(step, of: workload, completion: completion) }
        }
        program.run(step, of: workload) { [self] isDone in
            if isDone { completion() } else { setUp(step, of: workload, completion: completion) }
        }
    }

    /// The liveness phase.
    private func heal(_ injector: FaultInjector) {
        injector.stop()
        world.mischief = []
        administration?.settle()
        let isHealed = { [self] in cluster.isHealthy && administration?.isSettled ?? true }
        if isViolated("the cluster does not heal", within: 240, until: isHealed) { return }
        let commits = ledger.commits
        if isViolated("clients do not commit any more", within: 120, until: { ledger.commits > commits + 10 }) {
            return
        }
        if settings.trials.contains(.truncation), !truncate(injector) { return }
        isStopping = true
        world.run(for: 10_000_000_000)
        for workload in workloads {
            var isRead = false
            read(workload) { isRead = true }
            if isViolated("objects of \(workload.name) cannot be read", within: 120, until: { isRead }) { return }
        }
        if let order = ledger.lastPackOrder {
            var isPacked = false
            waitForPack(order) { isPacked = true }
            if isViolated("pack \(order) does not end", within: 120, until: { isPacked }) { return }
        }
        if let administration {
            var isChecked = false
            administration.check { isChecked = true }
            if isViolated("replicas are not compared", within: 120, until: { isChecked }) { return }
        }
        // What was unlocked last is written.
        world.run(for: 5_000_000_000)
        guard let view = ClusterView(cluster, ledger) else { return report("the disks cannot be read") }
        for checker in Examination.checkers {
            for violation in checker.violations(in: view).prefix(10) { report(violation) }
        }
    }

    /// An operator stops the clients, as the documentation says, and truncates; then they go on.
    /// - Returns: whether the cluster serves again.
    private func truncate(_ injector: FaultInjector) -> Bool {
        guard let administration, ledger.packed == .zero else { return true }
        let tids = ledger.attempts.compactMap { attempt -> TID? in
            if case .committed(let tid) = attempt.outcome { tid } else { nil }
        }.sorted()
        guard tids.count > 10 else { return true }
        let tid = tids[Int(world.draw(UInt64(tids.count / 3)...UInt64(tids.count - 2)))]
        isTruncating = true
        for client in cluster.clients { client.crash() }
        ledger.truncation = Ledger.Truncation(tid: tid, attempts: ledger.attempts.count)
        ledger.observations.removeAll { $0.tid > tid }
        let hasFaults = world.happens(onceIn: 2)
        // Before that, the masters are about to notice that the clients are gone.
        world.schedule(after: world.draw(0...1_000_000_000)) {
            administration.truncate(after: tid) { [self] isCertain in
                if isCertain, !hasFaults { ledger.truncation?.isDone = true }
                world.schedule(after: world.draw(0...3_000_000_000)) { [self] in
                    isTruncating = false
                    leadership.truncated()
                }
            }
        }
        if hasFaults { injector.start() }
        world.run(for: settings.duration) { [self] in !isTruncating }
        injector.stop()
        if isViolated("no truncation is accepted", within: 240, until: { !isTruncating }) { return false }
        let isServing = { [self] in cluster.isHealthy }
        if isViolated("the cluster does not serve after a truncation", within: 240, until: isServing) { return false }
        leadership.truncated()
        let commits = ledger.commits
        let isCommitting = { [self] in ledger.commits > commits + 10 }
        return !isViolated("clients do not commit after a truncation", within: 120, until: isCommitting)
    }

    private func read(_ workload: any Workload, completion: @escaping () -> Void) {
        programs[0].run(Step(reads: workload.objects), of: workload) { [self] isDone in
            guard !isDone else { return completion() }
            world.schedule(after: 1_000_000_000) { [self] in read(workload, completion: completion) }
        }
    }

    private func waitForPack(_ order: TID, completion: @escaping () -> Void) {
        programs[0].client.call {
            $0.waitForPack($1, order, &$2)
        } then: { [self] result in
            if case .done = result { return completion() }
            world.schedule(after: 1_000_000_000) { [self] in waitForPack(order, completion: completion) }
        }
    }

    private func restart(_ node: SimulatedNode) {
        // An operator may tell nodes to stop.
        if let status = node.exitStatus, status != 0 || administration == nil {
            report("\(node.name) exited with status \(status)")
        }
        if let index = cluster.clients.firstIndex(where: { $0.node === node }) {
            guard !isTruncating else {
                return world.schedule(after: 500_000_000) { [self] in if !node.isUp { restart(node) } }
            }
            cluster.clients[index].start()
            programs[index].work()
        } else {
            node.start()
        }
    }

    private func isViolated(_ what: String, within seconds: UInt64, until condition: () -> Bool) -> Bool {
        if world.run(for: seconds * 1_000_000_000, until: condition) { return false }
        report("\(what) within \(seconds) s: \(cluster.stateDescription)")
        return true
    }

    // MARK: Report

    public struct Report: Sendable, CustomStringConvertible {
        public var seed: UInt64
        public var layout: ClusterLayout
        public var plan: FaultPlan
        public var orderPlan: OrderPlan
        public var mischief: Mischief
        /// Hash of the event log.
        public var hash: UInt64
        public var events: Int
        public var commits: Int
        public var conflicts: Int
        public var failures: Int
        public var faults: [Fault: Int]
        /// Orders of an operator that were carried out.
        public var orders: [Order: Int]
        /// How many times another master was the one that commits.
        public var takeOvers: Int
        /// Cells that became up to date.
        public var promotions: Int
        /// Disks that were lost for good.
        public var lostDisks: Int
        /// An operator gave up data: not examined.
        public var isGivenUp: Bool
        /// Virtual time in all, in nanoseconds.
        public var duration: UInt64
        /// What must never be, with the time at which it was found.
        public var violations: [String]
        public var lines: [String]

        init(_ history: SimulatedHistory, _ faults: [Fault: Int]) {
            seed = history.settings.seed
            layout = history.settings.layout
            plan = history.settings.faults
            orderPlan = history.settings.orders
            mischief = history.settings.mischief
            hash = history.world.log.hash
            events = history.world.log.count
            commits = history.ledger.commits
            conflicts = history.ledger.conflicts
            failures = history.ledger.failures
            self.faults = faults
            orders = history.administration?.counts ?? [:]
            takeOvers = history.leadership.takeOvers
            promotions = history.promotions.count
            lostDisks = history.diskLoss?.count ?? 0
            isGivenUp = history.isGivenUp
            duration = history.world.now
            violations = history.violations
            lines = history.world.log.lines
        }

        private var trials: String {
            (lostDisks > 0 ? "; \(lostDisks) disks lost" : "") + (isGivenUp ? "; data were given up" : "")
        }

        public var description: String {
            """
            seed \(seed): hash \(String(hash, radix: 16)), \(events) events, \(commits) commits, \(conflicts) conflicts, \
            \(failures) failures, \(faults.values.reduce(0, +)) faults, \(orders.values.reduce(0, +)) orders, \
            \(takeOvers) take-overs, \
            \(promotions) cells replicated; \(layout); \(plan); \(orderPlan)\(mischief.isEmpty ? "" : "; \(mischief)")\(trials): \
            \(violations.count) violations
            """
        }
    }
}
