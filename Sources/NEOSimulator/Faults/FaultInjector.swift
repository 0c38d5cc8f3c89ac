/// Breaks links, nodes, disks and clocks of a cluster, as planned; whatever dies is started again.
public final class FaultInjector {
    private let cluster: SimulatedCluster
    private let plan: FaultPlan
    /// Starts a node again.
    private let restart: (SimulatedNode) -> Void
    private var world: Simulation { cluster.world }
    /// Numbers the times during which there are faults.
    private var session = 0
    private var isActive = false
    /// Nothing new goes wrong for some time; what is wrong heals.
    public var isSuspended = false {
        didSet { if isSuspended { heal() } }
    }
    /// Faults so far.
    public private(set) var counts: [Fault: Int] = [:]

    public init(_ cluster: SimulatedCluster, _ plan: FaultPlan, restart: @escaping (SimulatedNode) -> Void) {
        self.cluster = cluster
        self.plan = plan
        self.restart = restart
        for node in cluster.world.nodes {
            node.onDeath = { [unowned self, unowned node] in scheduleRestart(of: node) }
        }
    }

    public func start() {
        session += 1
        isActive = true
        scheduleNext()
    }

    /// Heals all: the cluster must recover from here by itself.
    public func stop() {
        isActive = false
        heal()
    }

    private func heal() {
        world.heal(world.cuts)
        world.releaseStalledLinks()
        for storage in cluster.storages {
            storage.diskSlowness = 1
            storage.failsNextJobs = false
        }
    }

    private func scheduleNext() {
        guard let kind = world.pick(plan.kinds) else { return }
        let session = session
        world.schedule(after: world.draw(plan.interval)) { [self] in
            guard isActive, self.session == session else { return }
            if !isSuspended {
                counts[kind, default: 0] += 1
                inject(kind)
            }
            scheduleNext()
        }
    }

    private func scheduleRestart(of node: SimulatedNode) {
        let life = node.life
        world.schedule(after: world.draw(plan.duration)) { [self] in
            if node.life == life { restart(node) }
        }
    }

    /// Undoes a fault that lasts, unless all faults are over already.
    private func later(_ action: @escaping () -> Void) {
        let session = session
        world.schedule(after: world.draw(plan.duration)) { [self] in
            if isActive, self.session == session { action() }
        }
    }

    // MARK: Kinds

    private var nodesUp: [SimulatedNode] { world.nodes.filter(\.isUp) }
    private var servers: [SimulatedNode] { cluster.masters + cluster.storages }

    private func inject(_ kind: Fault) {
        switch kind {
        case .reset:
            guard let link = world.pick(world.openLinks) else { return }
            world.log.write("\(world.now) fault: reset of \(link.near.node.name) - \(link.far.node.name)")
            world.reset(link)
        case .stall:
            guard let link = world.pick(world.openLinks), let end = world.pick(link.ends) else { return }
            world.log.write(
                "\(world.now) fault: stall of \(link.opposite(of: end).node.name) → \(end.node.name)"
            )
            world.stall(end, of: link, for: world.draw(plan.duration))
        case .partition: partition()
        case .kill: world.pick(nodesUp)?.crash()
        case .powerFailure: world.pick(nodesUp)?.crash(ofMachine: true)
        case .blackout:
            for node in nodesUp where world.happens(onceIn: 2) { node.crash(ofMachine: true) }
        case .pause:
            guard let node = world.pick(servers.filter(\.isUp)) else { return }
            world.log.write("\(world.now) fault: \(node.name) pauses")
            node.pause(for: world.draw(plan.duration))
        case .slowDisk:
            guard let storage = world.pick(cluster.storages) else { return }
            world.log.write("\(world.now) fault: the disk of \(storage.name) is slow")
            storage.diskSlowness = world.draw(2...300)
            later { storage.diskSlowness = 1 }
        case .failedJob:
            guard let storage = world.pick(cluster.storages), storage.isUp else { return }
            world.log.write("\(world.now) fault: the next commit of \(storage.name) fails")
            storage.failsNextJobs = true
        case .clockJump:
            guard let node = world.pick(servers) else { return }
            let range = world.happens(onceIn: 4) ? -3600.0...3600.0 : -2.0...2.0
            node.clockSkew += Double.random(in: range, using: &world.random)
            world.log.write("\(world.now) fault: the clock of \(node.name) is \(node.clockSkew) s from true time")
        }
    }

    /// Two groups of nodes, at random, or one node and all the others.
    private func partition() {
        let isolated = world.happens(onceIn: 2) ? world.pick(world.nodes).map { [$0] } : nil
        let group = isolated ?? world.nodes.filter { _ in world.happens(onceIn: 2) }
        var cuts: Set<Cut> = []
        for node in group {
            for other in world.nodes where !group.contains(where: { $0 === other }) { cuts.insert(Cut(node, other)) }
        }
        world.log.write("\(world.now) fault: \(group.map(\.name).joined(separator: " ")) cannot reach the others")
        world.cut(cuts)
        later { [self] in
            world.log.write("\(world.now) \(group.map(\.name).joined(separator: " ")) can reach the others again")
            world.heal(cuts)
        }
    }
}
