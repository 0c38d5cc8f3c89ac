import NEOAdmin
import NEOClient
import NEODatabase
import NEOEngine
import NEOMaster
import NEOProtocol
import NEOStorage

/// A whole cluster of real cores in a simulated world.
public final class SimulatedCluster {
    public let world: Simulation
    public let layout: ClusterLayout
    public private(set) var masters: [CoreNode<MasterCore>] = []
    public private(set) var storages: [CoreNode<StorageCore>] = []
    public private(set) var clients: [SimulatedClient] = []
    /// Of the storages.
    public private(set) var disks: [MemoryDisk] = []
    /// The administration node and who gives orders through it, if anybody does.
    private(set) var administrator: CoreNode<AdminCore>?
    private(set) var desk: SimulatedOperator?

    static let name = "simulated"

    private let defect: Defect?

    public init(_ layout: ClusterLayout, _ defect: Defect? = nil, hasOperator: Bool = false, in world: Simulation) {
        self.world = world
        self.layout = layout
        self.defect = defect
        for number in 1...layout.masters { addMaster(number) }
        for number in 1...layout.storages { addStorage(number) }
        for number in 1...layout.clients { addClient(number) }
        if hasOperator { addOperator() }
        if let defect { install(defect) }
    }

    private var masterAddresses: [NodeAddress] {
        (1...layout.masters).map { NodeAddress(host: "10.0.0.\($0)", port: 10_000) }
    }

    private func addMaster(_ number: Int) {
        let configuration = MasterConfiguration(
            cluster: Self.name,
            bind: masterAddresses[number - 1],
            masters: defect == .twoPrimaries ? [] : masterAddresses,
            partitions: layout.partitions,
            replicas: layout.replicas,
            // A master that counts storages would make another cluster of those that are spare.
            autostart: layout.spares > 0 ? 0 : layout.storages
        )
        let node = CoreNode(
            name: "M\(number)",
            makeCore: { MasterCore(configuration) },
            perform: { _ in [] },
            interruptDisk: { _ in }
        )
        masters.append(node)
        world.add(node)
    }

    private func addStorage(_ number: Int) {
        let disk = MemoryDisk()
        let options = OpenOptions(clusterName: Self.name)
        var configuration = StorageConfiguration(
            cluster: Self.name,
            masters: masterAddresses,
            bind: NodeAddress(host: "10.0.1.\(number)", port: 10_000),
            replication: layout.replication
        )
        configuration.backgroundPace = layout.backgroundPace
        var writer: (any DatabaseWriter)?
        let world = world
        let node = CoreNode<StorageCore>(
            name: "S\(number)",
            makeCore: { [configuration] in
                do {
                    let database = try MemoryDatabase.open(disk, options)
                    writer = database.writer
                    return StorageCore(configuration, reader: try database.makeReader())
                } catch {
                    preconditionFailure("a simulated disk does not open: \(error)")
                }
            },
            perform: { jobs in try writer?.perform(jobs) ?? [] },
            interruptDisk: { [unowned world] ofMachine in
                guard ofMachine else { return disk.interrupt(.processKilled) }
                let surviving = Int(world.draw(0...UInt64(disk.unsyncedBatches)))
                disk.interrupt(.machineCrashed(surviving: surviving))
            }
        )
        disks.append(disk)
        storages.append(node)
        world.add(node)
    }

    private func addClient(_ number: Int) {
        let client = SimulatedClient(
            name: "C\(number)",
            configuration: ClientConfiguration(
                masters: masterAddresses,
                cluster: Self.name,
                cacheBytes: layout.cacheBytes
            )
        )
        world.add(client.node)
        clients.append(client)
    }

    private func addOperator() {
        let address = NodeAddress(host: "10.0.2.1", port: 10_000)
        let configuration = AdminConfiguration(cluster: Self.name, masters: masterAddresses, bind: address)
        let node = CoreNode<AdminCore>(
            name: "A1",
            makeCore: { AdminCore(configuration) },
            perform: { _ in [] },
            interruptDisk: { _ in }
        )
        let desk = SimulatedOperator(name: "O1", administrator: address)
        world.add(node)
        world.add(desk)
        administrator = node
        self.desk = desk
    }

    /// Starts everything but the spare storages.
    public func start() {
        for master in masters { master.start() }
        for storage in storages.dropLast(layout.spares) { storage.start() }
        for client in clients { client.start() }
        administrator?.start()
        desk?.start()
    }

    func startSpares() {
        for storage in storages { storage.start() }
    }

    /// Nothing happens any more: who waits for something is let go.
    func end() {
        for client in clients { client.end() }
        desk?.end()
        world.end()
    }

    // MARK: State

    /// The master that leads the cluster, if there is exactly one that believes so.
    var leader: Int? {
        var leader: Int?
        for (index, node) in masters.enumerated() where node.core?.isPrimary ?? false {
            guard leader == nil else { return nil }
            leader = index
        }
        return leader
    }

    /// The core of that master.
    public var primary: MasterCore? { leader.flatMap { masters[$0].core } }

    /// All processes are up, one master leads the others, all cells are up to date and those that have them serve.
    public var isHealthy: Bool {
        guard let primary, primary.clusterState == .running else { return false }
        return masters.allSatisfy { node in
            node.core.map { $0.isPrimary || $0.followed == primary.address } ?? false
        }
            && storages.indices.allSatisfy { storages[$0].isUp && (isServing($0) || !hasCells($0)) }
            && clients.allSatisfy(\.node.isUp)
            && isUpToDate
    }

    func isServing(_ index: Int) -> Bool { storages[index].core?.isServing ?? false }

    /// A storage that got no cell when the cluster was created has to be added by an operator once it comes back.
    private func hasCells(_ index: Int) -> Bool {
        guard let nid = nid(ofDisk: index) else { return false }
        return cells.contains { row in row.contains { $0.nid == nid } }
    }

    /// What each node is, for reports.
    public var stateDescription: String {
        var parts = masters.map { node -> String in
            guard let core = node.core else { return "\(node.name) down" }
            let role =
                core.isPrimary ? core.clusterState.name : core.followed.map { "follows \($0)" } ?? "looks for a primary"
            return "\(node.name) \(role)"
        }
        parts += storages.map { node in
            guard let core = node.core else { return "\(node.name) down" }
            return "\(node.name) \(core.isServing ? "serves" : "does not serve")"
        }
        parts += clients.filter { !$0.node.isUp }.map { "\($0.node.name) down" }
        return parts.joined(separator: ", ") + "; \(cellNotation)"
    }
}
