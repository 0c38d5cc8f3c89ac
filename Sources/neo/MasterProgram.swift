import NEOConfiguration
import NEOMaster
import NEOTransport

/// `neomaster` (`spec/tools.md §4.2`).
enum MasterProgram {
    static let defaultPort: UInt16 = 10000

    static func run(_ settings: Settings) throws(ConfigurationError) -> Int32 {
        let replicas = settings.integer("replicas") ?? 0
        guard replicas >= 0 else { throw .invalid("replicas must be a positive integer") }
        let partitions = settings.integer("partitions") ?? 100
        guard partitions > 0 else { throw .invalid("partitions must be more than zero") }
        guard partitions <= 65_535 else { throw .invalid("partitions must be at most 65535") }
        let node = try NodeSettings(settings, port: defaultPort, needsMasters: false)
        try node.requirePort()
        if NodeSettings.isOnlyChecked(settings) { return 0 }
        let logger = try NodeProgram.logger("master", node)
        let configuration = MasterConfiguration(
            cluster: node.cluster,
            bind: node.bind,
            masters: node.masters,
            nid: node.nid,
            partitions: partitions,
            replicas: replicas,
            autostart: max(0, settings.integer("autostart") ?? 0)
        )
        return NodeHost(core: MasterCore(configuration), logger: logger, options: node.hostOptions(logger)).run()
    }
}
