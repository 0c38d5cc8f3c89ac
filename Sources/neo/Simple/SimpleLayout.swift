import Glibc
import NEOConfiguration
import NEOProtocol
import NEOTransport

/// What the cluster of `neosimple` is made of: a directory and its `neo.conf`, which the nodes read too.
struct SimpleLayout {
    /// A node: the program that it runs and its section of the configuration.
    struct Node: Hashable {
        let program: Invocation.Name
        let section: String
    }

    static let fileName = "neo.conf"

    /// Absolute.
    let directory: String
    let cluster: String
    let masters: [NodeAddress]
    let admin: NodeAddress
    /// The path of the database of each storage, by its section.
    let databases: [(section: String, path: String)]
    let nodes: [Node]

    /// Reads the configuration of a directory.
    init(directory: String) throws(ConfigurationError) {
        self.directory = directory
        let path = "\(directory)/\(Self.fileName)"
        let file = try ConfigurationFile(reading: path)
        var nodes: [Node] = []
        var databases: [(section: String, path: String)] = []
        // Masters first: it is also the order in which the nodes are stopped.
        for section in file.sectionNames.sorted(by: Self.precedes) {
            if section.hasPrefix("master") {
                nodes.append(Node(program: .master, section: section))
            } else if section.hasPrefix("storage") {
                nodes.append(Node(program: .storage, section: section))
                databases.append((section, try file.text("database", section: section) ?? ""))
            } else if section == "admin" {
                nodes.append(Node(program: .admin, section: section))
            }
        }
        guard let admin = try file.text("bind", section: "admin") else {
            throw .invalid("\(path): [admin] bind is missing")
        }
        self.nodes = nodes
        self.databases = databases
        self.admin = try HostResolver.resolve(AddressText(admin), defaultPort: ControlProgram.defaultPort)
        cluster = try file.text("cluster", section: "admin") ?? ""
        masters = try HostResolver.resolve(list: file.text("masters", section: "admin") ?? "")
    }

    /// Masters, then storages, then the admin; `storage2` before `storage10`.
    private static func precedes(_ left: String, _ right: String) -> Bool {
        let rank = { (section: String) in section.hasPrefix("master") ? 0 : section.hasPrefix("storage") ? 1 : 2 }
        return (rank(left), left.count, left) < (rank(right), right.count, right)
    }

    /// Writes the configuration of a new cluster.
    static func create(in directory: String, _ settings: Settings) throws(ConfigurationError) {
        let masterCount = settings.integer("master_count") ?? 1
        let storageCount = settings.integer("storages") ?? 1
        guard masterCount > 0, storageCount > 0 else { throw .invalid("a cluster needs a master and a storage") }
        let addresses = try FreePorts.find(masterCount + 1, at: settings.text("bind_ip") ?? "127.0.0.1")
        var lines = [
            "# Written by neosimple when the cluster was created. It reads this file at each start.",
            "",
            "[DEFAULT]",
            "cluster = \(escape(settings.text("name") ?? ""))",
            "masters = \(addresses.dropFirst().map(\.description).joined(separator: " "))",
            "partitions = \(settings.integer("partitions") ?? 12)",
            "replicas = \(settings.integer("replicas") ?? 0)",
        ]
        if !settings.flag("manual_start") { lines.append("autostart = \(storageCount)") }
        lines += ["", "[admin]", "bind = \(addresses[0])", "logfile = admin.log"]
        for (index, address) in addresses.dropFirst().enumerated() {
            let section = "master\(index + 1)"
            lines += ["", "[\(section)]", "bind = \(address)", "logfile = \(section).log"]
        }
        for index in 0..<storageCount {
            let section = "storage\(index + 1)"
            lines += ["", "[\(section)]", "adapter = SQLite", "database = \(section).sqlite"]
            lines += ["bind = \(AddressText.bracketed(addresses[0].host))", "logfile = \(section).log"]
        }
        do {
            try TextFile.replace("\(directory)/\(fileName)", with: lines.joined(separator: "\n") + "\n")
        } catch {
            throw .invalid("\(directory)/\(fileName): \(error)")
        }
    }

    /// `%` has a meaning in the file.
    private static func escape(_ text: String) -> String {
        String(text.flatMap { $0 == "%" ? ["%", "%"] : [$0] })
    }

    /// How to use the cluster, for the operator.
    func description(command: String) -> String {
        let masters = masters.map(\.description)
        let storages = databases.map { "\($0.section) (\($0.path))" }.joined(separator: ", ")
        return """
            Cluster `\(cluster)` in \(directory)
              masters   \(masters.joined(separator: " "))
              storages  \(storages)
              admin     \(admin)

            Administration:
              \(command) -a \(admin) print cluster

            Python:
              from neo.client.Storage import Storage
              from ZODB import DB
              db = DB(Storage(master_nodes="\(masters.joined(separator: " "))", name="\(cluster)"))

            URI: neo://\(cluster)@\(masters.joined(separator: ","))

            Zope:
              %import neo.client
              <NEOStorage>
                master_nodes \(masters.joined(separator: " "))
                name \(cluster)
              </NEOStorage>

            """
    }
}
