import NEOAdmin
import NEOConfiguration
import NEOTransport

/// `neoadmin` (`spec/tools.md §4.4`).
enum AdminProgram {
    static func run(_ settings: Settings) throws(ConfigurationError) -> Int32 {
        let node = try NodeSettings(settings, port: ControlProgram.defaultPort, needsMasters: true)
        try node.requirePort()
        if NodeSettings.isOnlyChecked(settings) { return 0 }
        let logger = try NodeProgram.logger("admin", node)
        let configuration = AdminConfiguration(
            cluster: node.cluster,
            masters: node.masters,
            bind: node.bind,
            nid: node.nid
        )
        return NodeHost(core: AdminCore(configuration), logger: logger, options: node.hostOptions(logger)).run()
    }
}
