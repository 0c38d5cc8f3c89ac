import NEOClient
import NEODatabase
import NEOEngine
import NEOMaster
import NEOProtocol
import NEOStorage

/// A whole cluster of real cores in a simulated world.
public final class SimulatedCluster {
    public let world: Simulation
    public let master: CoreNode<MasterCore>
    public private(set) var storages: [CoreNode<StorageCore>] = []
    public private(set) var clients: [SimulatedClient] = []
    public private(set) var disks: [MemoryDisk] = []

    static let name = "simulated"
    static let masterAddress = NodeAddress(host: "10.0.0.1", port: 10_000)

    public init(
        world: Simulation,
        storages storageCount: Int,
        clients clientCount: Int,
        partitions: Int,
        replicas: Int = 0
    ) {
        self.world = world
        let configuration = MasterConfiguration(
            cluster: Self.name,
            bind: Self.masterAddress,
            masters: [Self.masterAddress],
            partitions: partitions,
            replicas: replicas,
            autostart: storageCount
        )
        master = CoreNode(
            name: "M",
            makeCore: { MasterCore(configuration) },
            perform: { _ in [] },
            crashDisk: {}
        )
        world.add(master)
        for number in 1...storageCount { addStorage(number) }
        for number in 1...clientCount {
            let client = SimulatedClient(
                name: "C\(number)",
                configuration: ClientConfiguration(masters: [Self.masterAddress], cluster: Self.name)
            )
            world.add(client.node)
            clients.append(client)
        }
    }

    private func addStorage(_ number: Int) {
        let disk = MemoryDisk()
        let options = OpenOptions(clusterName: Self.name)
        let configuration = StorageConfiguration(
            cluster: Self.name,
            masters: [Self.masterAddress],
            bind: NodeAddress(host: "10.0.1.\(number)", port: 10_000)
        )
        var writer: (any DatabaseWriter)?
        let world = world
        let node = CoreNode<StorageCore>(
            name: "S\(number)",
            makeCore: {
                do {
                    let database = try MemoryDatabase.open(disk, options)
                    writer = database.writer
                    return StorageCore(configuration, reader: try database.makeReader())
                } catch {
                    preconditionFailure("a simulated disk does not open: \(error)")
                }
            },
            perform: { jobs in try writer?.perform(jobs) ?? [] },
            crashDisk: {
                // The machine, or the process alone: decided by the seed.
                if world.draw(0...1) == 0 {
                    disk.interrupt(.processKilled)
                } else {
                    let surviving = Int(world.draw(0...UInt64(disk.unsyncedBatches)))
                    disk.interrupt(.machineCrashed(surviving: surviving))
                }
            }
        )
        disks.append(disk)
        storages.append(node)
        world.add(node)
    }

    /// Starts everything.
    public func start() {
        master.start()
        for storage in storages { storage.start() }
        for client in clients { client.start() }
    }

    /// Whether the cluster serves, as its master sees it.
    public var isRunning: Bool { master.core?.clusterState == .running }
}
