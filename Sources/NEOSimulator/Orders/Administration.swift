import NEOEngine
import NEOProtocol
import OrderedCollections

/// What an operator does during a history: orders at random, then, once all heals, what makes use of all the storages.
final class Administration {
    private let desk: SimulatedOperator
    private let plan: OrderPlan
    /// Copies besides the first one, at the end.
    private let replicas: Int
    private var world: Simulation { desk.world }
    private var isAtRandom = false
    /// Only looks, for some time.
    var isSuspended = false
    private unowned let cluster: SimulatedCluster
    /// Orders that the cluster carried out, by kind.
    private(set) var counts: [Order: Int] = [:]
    /// All storages have their share, as far as the operator can see.
    private(set) var isSettled = false

    /// What an operator sees before an order.
    private struct Picture {
        var state: ClusterState?
        var storages: [NodeRecord] = []
        var masters: [NodeRecord] = []
        var rows: [[CellRecord]] = []
        var replicas = 0

        func nids(_ states: NodeState...) -> [NID] {
            storages.filter { states.contains($0.state) }.compactMap(\.nid).sorted()
        }

        func cellCount(_ nid: NID) -> Int { rows.reduce(0) { $0 + $1.count { $0.nid == nid } } }
    }

    init(_ desk: SimulatedOperator, _ plan: OrderPlan, replicas: Int, _ cluster: SimulatedCluster) {
        self.cluster = cluster
        self.desk = desk
        self.plan = plan
        self.replicas = replicas
    }

    // MARK: At the beginning

    /// Starts the cluster with the storages that are there, as soon as there are some. A candidate that is told to may
    /// still meet an older one.
    func create(until isCreated: @escaping () -> Bool) {
        guard !isCreated() else { return }
        desk.ask(SetClusterState(state: .verifying)) { [self] _ in
            world.schedule(after: 500_000_000) { [self] in create(until: isCreated) }
        }
    }

    // MARK: At random

    /// Gives orders at random until ``stop()``.
    func start() {
        isAtRandom = true
        scheduleNext()
    }

    func stop() { isAtRandom = false }

    private func scheduleNext() {
        world.schedule(after: world.draw(plan.interval)) { [self] in
            guard isAtRandom else { return }
            // Started again by the faults.
            guard desk.isUp, !isSuspended, let order = world.pick(plan.kinds) else { return scheduleNext() }
            let life = desk.life
            look { [self] picture in
                guard let picture, !isSuspended else { return scheduleNext() }
                give(order, picture) { [self] in scheduleNext() }
            }
            watch(life)
        }
    }

    /// What an operator was at when the machine died is not gone on with.
    private func watch(_ life: Int) {
        world.schedule(after: 1_000_000_000) { [self] in
            guard isAtRandom else { return }
            if desk.life != life { scheduleNext() } else if desk.isWaiting { watch(life) }
        }
    }

    private func look(_ handler: @escaping (Picture?) -> Void) {
        var picture = Picture()
        desk.ask(AskClusterState()) { [desk] outcome in
            guard case .answer(.answerClusterState(let answer)) = outcome else { return handler(nil) }
            picture.state = answer.state
            desk.ask(AskNodeList(type: nil)) { outcome in
                guard case .answer(.answerNodeList(let answer)) = outcome else { return handler(nil) }
                picture.storages = answer.nodes.filter { $0.type == .storage }
                picture.masters = answer.nodes.filter { $0.type == .master }
                desk.ask(AskPartitionList(min: 0, max: 0, nid: nil)) { outcome in
                    if case .answer(.answerPartitionList(let answer)) = outcome {
                        picture.rows = answer.rows
                        picture.replicas = answer.replicas
                    }
                    handler(picture)
                }
            }
        }
    }

    private func give(_ order: Order, _ picture: Picture, _ completion: @escaping () -> Void) {
        let done = { [self] (outcome: SimulatedOperator.Outcome) in
            switch outcome {
            case .message(let message) where message.code == .ack: counts[order, default: 0] += 1
            case .answer: counts[order, default: 0] += 1
            case .message, .none: break
            }
            completion()
        }
        let running = picture.nids(.running)
        switch order {
        case .grow:
            let pending = picture.nids(.pending)
            guard !pending.isEmpty else { return completion() }
            let added = pending.filter { _ in world.happens(onceIn: 2) }
            desk.ask(AddPendingNodes(nids: added.isEmpty ? pending : added)) { [self] _ in
                desk.ask(TweakPartitionTable(dryRun: false, excluded: absent(picture)), then: done)
            }
        case .shrink:
            let excluded = running.filter { _ in world.happens(onceIn: 2) }
            desk.ask(TweakPartitionTable(dryRun: false, excluded: absent(picture) + excluded), then: done)
        case .tweak, .dryRun:
            // Now and then absent nodes are forgotten to be named.
            let excluded = world.happens(onceIn: 8) ? [] : absent(picture)
            desk.ask(TweakPartitionTable(dryRun: order == .dryRun, excluded: excluded), then: done)
        case .setReplicas:
            desk.ask(SetNumReplicas(replicas: Int(world.draw(0...2))), then: done)
        case .check:
            var partitions: OrderedDictionary<PartitionID, NID?> = [:]
            for (partition, row) in picture.rows.enumerated() where world.happens(onceIn: 2) {
                let reference = world.happens(onceIn: 2) ? world.pick(row)?.nid : nil
                partitions.updateValue(reference, forKey: partition)
            }
            guard !partitions.isEmpty else { return completion() }
            desk.ask(CheckReplicas(partitions: partitions, min: .zero, max: nil), then: done)
        case .kill:
            let masters = picture.masters.filter { $0.state == .running }.compactMap(\.nid)
            guard let nid = world.pick(world.happens(onceIn: 4) ? masters : running) else { return completion() }
            desk.ask(SetNodeState(nid: nid, state: .down), then: done)
        case .drop:
            // While the service is down, an operator who forgets a node may give up what only that one has.
            let candidates = world.happens(onceIn: 8) ? running : picture.nids(.down, .pending)
            guard picture.state == .running, let nid = world.pick(candidates) else { return completion() }
            drop(nid, then: done)
        case .look:
            desk.ask(AskMonitorInformation(), then: done)
        case .start:
            // Nobody thinks of it before the storages that are there are seen.
            guard picture.state == .recovering, !picture.rows.isEmpty, !picture.nids(.pending).isEmpty,
                !picture.nids(.down).isEmpty
            else { return completion() }
            desk.ask(SetClusterState(state: .verifying), then: done)
        case .truncate: completion()
        }
    }

    /// Orders to truncate until that is accepted.
    /// - Parameter completion: told whether it is certain that nothing else than one truncation was ordered.
    func truncate(after tid: TID, _ completion: @escaping (Bool) -> Void) {
        truncate(after: tid, isCertain: true, completion)
    }

    private func truncate(after tid: TID, isCertain: Bool, _ completion: @escaping (Bool) -> Void) {
        let again = { [self] (isCertain: Bool) in
            world.schedule(after: 500_000_000) { [self] in
                truncate(after: tid, isCertain: isCertain, completion)
            }
        }
        guard desk.isUp, !desk.isWaiting else { return again(isCertain) }
        var isOver = false
        // The operator's machine may die, and nobody hears of the order again.
        world.schedule(after: 25_000_000_000) {
            guard !isOver else { return }
            isOver = true
            again(false)
        }
        desk.ask(Truncate(tid: tid)) { [self] outcome in
            guard !isOver else { return }
            isOver = true
            switch outcome {
            case .message(let message) where message.code == .ack:
                counts[.truncate, default: 0] += 1
                completion(isCertain)
            // Denied: the cluster is not ready for it, or has done it already.
            case .message(let message) where message.message.hasPrefix("Truncating after last"): completion(false)
            case .message: again(isCertain)
            case .answer, .none: again(false)
            }
        }
    }

    /// Drops a node. Who is told that it is gone for good may erase its database, or use it again as it is.
    private func drop(_ nid: NID, then handler: @escaping (SimulatedOperator.Outcome) -> Void) {
        desk.ask(SetNodeState(nid: nid, state: .unknown)) { [self] outcome in
            // Nobody recorded what is merely acknowledged, out of service for example.
            let isForGood =
                if case .message(let message) = outcome { message.message == "node permanently removed" } else { false }
            if isForGood, world.happens(onceIn: 2) {
                cluster.reset(nid)
            }
            handler(outcome)
        }
    }

    private func absent(_ picture: Picture) -> [NID] { picture.nids(.down, .unknown) }

    // MARK: At the end

    /// Sets the number of copies, adds what is not used yet and spreads the partitions over all, as soon as that is
    /// possible, and again until there is nothing to do.
    func settle() {
        isAtRandom = false
        let again = { [self] in
            world.schedule(after: 1_000_000_000) { [self] in if !isSettled { settle() } }
        }
        guard desk.isUp, !desk.isWaiting, !isSuspended else { return again() }
        look { [self] picture in
            // What is left of storages that were erased, or lost their id before they had data: nobody will come back with it,
            // and a cluster that recovers waits for it.
            let isGone = { [cluster] (nid: NID) in
                picture.map { $0.cellCount(nid) == 0 && $0.state == .running } ?? false || !cluster.hasDatabase(nid)
            }
            let gone = picture?.nids(.down, .unknown).first(where: isGone)
            guard let picture, picture.state == .running || picture.state == .recovering && gone != nil else {
                return again()
            }
            if picture.state == .recovering, let gone {
                return desk.ask(SetNodeState(nid: gone, state: .unknown)) { _ in again() }
            }
            if cluster.resetDuplicate() { return again() }
            if picture.replicas != replicas {
                return desk.ask(SetNumReplicas(replicas: replicas)) { _ in again() }
            }
            let pending = picture.nids(.pending)
            if !pending.isEmpty { return desk.ask(AddPendingNodes(nids: pending)) { _ in again() } }
            if let gone {
                return desk.ask(SetNodeState(nid: gone, state: .unknown)) { _ in again() }
            }
            desk.ask(TweakPartitionTable(dryRun: false, excluded: [])) { [self] outcome in
                // What is lost for good may not be noticed yet.
                let isUpToDate = picture.rows.allSatisfy { row in
                    row.allSatisfy { [cluster] in $0.state == .upToDate && cluster.hasDatabase($0.nid) }
                }
                if case .answer(.answerTweakPartitionTable(let answer)) = outcome, !answer.changed, isUpToDate {
                    isSettled = true
                } else {
                    again()
                }
            }
        }
    }

    /// Compares all replicas.
    func check(_ completion: @escaping () -> Void) {
        look { [self] picture in
            guard let picture, picture.state == .running, !picture.rows.isEmpty else {
                return world.schedule(after: 1_000_000_000) { [self] in check(completion) }
            }
            let partitions = picture.rows.indices.map { ($0, NID?.none) }
            let order = CheckReplicas(
                partitions: OrderedDictionary(uniqueKeysWithValues: partitions),
                min: .zero,
                max: nil
            )
            desk.ask(order) { [self] outcome in
                if case .message(let message) = outcome, message.code == .ack { return completion() }
                world.schedule(after: 1_000_000_000) { [self] in check(completion) }
            }
        }
    }
}
