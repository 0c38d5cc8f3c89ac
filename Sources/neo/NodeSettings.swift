import Logging
import NEOConfiguration
import NEOProtocol
import NEOTransport

/// What all nodes are told (`spec/tools.md §4.1`).
struct NodeSettings {
    let cluster: String
    /// Known masters: those of the options and those of the dynamic list.
    let masters: [NodeAddress]
    let bind: NodeAddress
    let nid: NID?
    let dynamicMasterList: DynamicMasterList?
    let logFile: String?

    /// - Parameters:
    ///   - port: the port to listen at if none is given; 0: any.
    ///   - needsMasters: whether an empty list of masters is an error.
    init(_ settings: Settings, port: UInt16, needsMasters: Bool) throws(ConfigurationError) {
        try Self.refuseTLS(settings)
        cluster = settings.text("cluster") ?? ""
        logFile = settings.text("logfile")
        bind = try HostResolver.resolve(AddressText(settings.text("bind") ?? ""), defaultPort: port)
        if let number = settings.integer("nid") {
            guard let number = Int32(exactly: number), number != 0 else {
                throw .invalid("--nid: expected 32 bits other than 0, got \(number)")
            }
            nid = NID(number)
        } else {
            nid = nil
        }
        var masters = try HostResolver.resolve(list: settings.text("masters") ?? "")
        if let path = settings.text("dynamic-master-list") {
            let list = DynamicMasterList(path: path)
            masters += try Self.remembered(list).filter { !masters.contains($0) }
            dynamicMasterList = list
        } else {
            dynamicMasterList = nil
        }
        guard !needsMasters || !masters.isEmpty else { throw .invalid("At least one master must be defined") }
        self.masters = masters
    }

    /// What the file has; an empty one is created if there is none.
    private static func remembered(_ list: DynamicMasterList) throws(ConfigurationError) -> [NodeAddress] {
        do throws(DynamicMasterList.Failure) {
            if let addresses = try list.read() { return addresses }
            try list.write([])
            return []
        } catch {
            throw .invalid(error.description)
        }
    }

    /// Whether the process only had to read its options (`--check-config`), which it did.
    static func isOnlyChecked(_ settings: Settings) -> Bool {
        guard settings.flag("check-config") else { return false }
        Console.print("the options are right")
        return true
    }

    /// How to run a node with these settings.
    func hostOptions(_ logger: Logger) -> HostOptions {
        var options = HostOptions()
        if let list = dynamicMasterList {
            options.mastersChanged = { masters in
                do throws(DynamicMasterList.Failure) {
                    try list.write(masters)
                } catch {
                    // The node works without its file.
                    logger.error("\(error)")
                }
            }
        }
        return options
    }

    /// Masters and admins tell their address before they know which port the system would choose.
    func requirePort() throws(ConfigurationError) {
        guard bind.port != 0 else { throw .invalid("--bind \(bind): a port must be given") }
    }

    /// Encryption was asked for and there is none: going on without it would be worse than not starting.
    static func refuseTLS(_ settings: Settings) throws(ConfigurationError) {
        for name in ["ca", "cert", "key"] where settings.isGiven(name) {
            throw .invalid("--\(name): this version does not encrypt connections")
        }
    }
}
