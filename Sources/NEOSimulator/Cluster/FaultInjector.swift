/// Breaks links and restarts nodes of a cluster, one at a time.
public final class FaultInjector {
    private let cluster: SimulatedCluster
    private let restartClient: (SimulatedClient) -> Void
    private var world: Simulation { cluster.world }
    /// No new fault begins once it is set; what is down comes back.
    public var isStopping = false
    public private(set) var resets = 0
    public private(set) var restarts = 0

    /// Time between two faults, in nanoseconds.
    public var interval: ClosedRange<UInt64> = 5_000_000...400_000_000
    /// How long a node is down.
    public var downtime: ClosedRange<UInt64> = 1_000_000...3_000_000_000

    public init(_ cluster: SimulatedCluster, restartClient: @escaping (SimulatedClient) -> Void) {
        self.cluster = cluster
        self.restartClient = restartClient
    }

    public func start() { scheduleNext() }

    private func scheduleNext() {
        world.schedule(after: world.draw(interval)) { [self] in
            guard !isStopping else { return }
            if world.draw(0...2) > 0 {
                resets += 1
                world.resetAnyLink()
                scheduleNext()
            } else {
                restarts += 1
                restartAnyNode()
            }
        }
    }

    /// The next fault comes only once the node is up again.
    private func restartAnyNode() {
        let index = Int(world.draw(0...UInt64(cluster.storages.count + cluster.clients.count)))
        let comeBack: () -> Void
        if index == 0 {
            cluster.master.crash()
            comeBack = { [cluster] in cluster.master.start() }
        } else if index <= cluster.storages.count {
            let storage = cluster.storages[index - 1]
            storage.crash()
            comeBack = { storage.start() }
        } else {
            let client = cluster.clients[index - 1 - cluster.storages.count]
            client.crash()
            comeBack = { [restartClient] in restartClient(client) }
        }
        world.schedule(after: world.draw(downtime)) { [self] in
            comeBack()
            scheduleNext()
        }
    }
}
