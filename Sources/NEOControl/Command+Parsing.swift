import NEOProtocol

extension Command {
    /// Reads the words of a command line (`spec/tools.md §9.1, §9.2`).
    /// - Throws: ``ControlFailure`` for an unknown command or wrong arguments.
    public init(words: [String]) throws(ControlFailure) {
        guard let name = words.first else {
            self = .help
            return
        }
        var arguments = Arguments(command: [name], words: words.dropFirst())
        switch name {
        case "print", "set":
            guard let topic = words.dropFirst().first else {
                throw ControlFailure("\(name): what? See the list of commands, given by neoctl without argument")
            }
            arguments = Arguments(command: [name, topic], words: words.dropFirst(2))
            self = try .init(name: "\(name) \(topic)", &arguments)
        default:
            self = try .init(name: name, &arguments)
        }
        try arguments.end()
    }

    private init(name: String, _ arguments: inout Arguments) throws(ControlFailure) {
        switch name {
        case "print ids": self = .printIDs
        case "print pt":
            let min = try arguments.nextIfAny()?.count("min") ?? 0
            let max = try arguments.nextIfAny()?.count("max") ?? 0
            self = .printPartitionTable(min: min, max: max, nid: try arguments.nextIfAny()?.nid())
        case "print node": self = .printNodes(try arguments.nextIfAny()?.member("type", of: \NodeType.name))
        case "print cluster": self = .printCluster
        case "print primary":
            arguments.skipRest()
            self = .printPrimary
        case "print summary": self = .printSummary
        case "set cluster": self = .setCluster(try arguments.next("state").member("state", of: \ClusterState.name))
        case "set replicas":
            let replicas = try arguments.next("nr").integer("nr")
            guard replicas >= 0 else { throw ControlFailure("invalid number of replicas") }
            self = .setReplicas(replicas)
        case "check": self = try Self.check(&arguments)
        case "start": self = .setCluster(.verifying)
        case "add": self = .add(try Self.storages(&arguments))
        case "tweak":
            let dryRun = arguments.skip("-n")
            self = .tweak(dryRun: dryRun, excluded: try arguments.nids())
        case "drop": self = .drop(try arguments.next("node").nid())
        case "kill": self = .kill(try arguments.next("node").nid())
        case "prune_orphan":
            let dryRun = try arguments.next("dry_run").flag("dry_run")
            self = .pruneOrphan(try Self.storages(&arguments), dryRun: dryRun)
        case "truncate": self = .truncate(try arguments.next("tid").tid())
        case "flush_log": self = .flushLog
        default: throw arguments.invalidCommand
        }
    }

    private static func storages(_ arguments: inout Arguments) throws(ControlFailure) -> Storages {
        if arguments.skip("all") { return .all }
        let nids = try arguments.nids()
        guard !nids.isEmpty else { throw arguments.failure("expected `all` or nodes") }
        return .listed(nids)
    }

    /// `[partition]:[node] ... [min_tid [max_tid]]`, where what follows the bounds is ignored.
    private static func check(_ arguments: inout Arguments) throws(ControlFailure) -> Command {
        var partitions: [PartitionID: NID?] = [:]
        var all: Check?
        var bounds: [TID] = []
        var isFirst = true
        while bounds.count < 2, let word = arguments.nextIfAny() {
            defer { isFirst = false }
            let parts = word.text.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count == 2, !word.isTIDLiteral else {
                bounds.append(try word.tid())
                continue
            }
            let reference: NID? = parts[1].isEmpty ? nil : try word.part(parts[1]).nid()
            if parts[0].isEmpty {
                guard isFirst else { throw word.failure("all partitions can only be meant by the first word") }
                all = .all(reference: reference)
            } else {
                let partition = try word.part(parts[0]).count("partition")
                guard all == nil else { throw word.failure("all the partitions are checked already") }
                partitions[partition] = .some(reference)
            }
        }
        arguments.skipRest()
        return .check(
            all ?? .partitions(partitions),
            min: bounds.first ?? .zero,
            max: bounds.count > 1 ? bounds[1] : nil
        )
    }
}
