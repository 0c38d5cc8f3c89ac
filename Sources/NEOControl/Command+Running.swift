import NEOProtocol
import OrderedCollections

extension Command {
    /// Carries out the command through an administration node (`spec/tools.md §9.4`).
    /// - Returns: what to print on the standard output, followed by a newline; nil to print nothing.
    /// - Throws: ``ControlFailure``: what to print on the standard error; the exit status is 1.
    public func run(over connection: some AdministrationConnection) throws(ControlFailure) -> String? {
        var session = AdministrationSession(connection)
        switch self {
        case .help: return Self.helpText
        case .printIDs: return try Self.printIDs(&session)
        case .printPartitionTable(let min, let max, let nid):
            return try Self.printPartitionTable(min: min, max: max, nid: nid, &session)
        case .printNodes(let type):
            return NodeListing(try session.ask(AskNodeList(type: type)).nodes).text
        case .printCluster: return try session.ask(AskClusterState()).state?.name ?? "None"
        case .printPrimary: return try session.ask(AskPrimary()).nid.description
        case .printSummary: return MonitorSummary(try session.ask(AskMonitorInformation())).text
        case .setCluster(let state): return try session.ask(SetClusterState(state: state)).message
        case .setReplicas(let replicas): return try session.ask(SetNumReplicas(replicas: replicas)).message
        case .check(let check, let min, let max):
            let partitions = try Self.partitions(of: check, &session)
            _ = try session.ask(CheckReplicas(partitions: partitions, min: min, max: max))
            return nil
        case .add(let storages):
            return try session.ask(AddPendingNodes(nids: try Self.nids(of: storages, &session))).message
        case .tweak(let dryRun, let excluded):
            let answer = try session.ask(TweakPartitionTable(dryRun: dryRun, excluded: excluded))
            guard answer.changed else { return "No change done." }
            let nodes = try session.ask(AskNodeList(type: .storage)).nodes
            return PartitionTableDrawing(rows: answer.rows, nodes: nodes).lines.joined(separator: "\n")
        case .drop(let nid): return try session.ask(SetNodeState(nid: nid, state: .unknown)).message
        case .kill(let nid): return try session.ask(SetNodeState(nid: nid, state: .down)).message
        case .pruneOrphan(let storages, let dryRun):
            return try session.ask(Repair(nids: try Self.nids(of: storages, &session), dryRun: dryRun)).message
        case .truncate(let tid):
            _ = try session.ask(Truncate(tid: tid))
            return nil
        case .flushLog:
            try session.notify(FlushLog())
            return nil
        }
    }

    /// `print summary`, with what it means for a supervisor (`spec/tools.md §21.11`).
    /// - Throws: ``ControlFailure``.
    public static func summary(over connection: some AdministrationConnection) throws(ControlFailure) -> MonitorSummary
    {
        var session = AdministrationSession(connection)
        return MonitorSummary(try session.ask(AskMonitorInformation()))
    }

    private static func printIDs(
        _ session: inout AdministrationSession<some AdministrationConnection>
    ) throws(ControlFailure) -> String {
        let recovery = try session.ask(AskRecovery())
        let first: String
        let lastTID: TID?
        if let backupTID = recovery.backupTID {
            first = "backup_tid = \(dated(backupTID))"
            lastTID = try session.ask(AskLastTransaction()).tid
        } else {
            let ids = try session.ask(AskLastIDs())
            first = "last_oid = \(ids.lastOID.map { "0x" + String($0.rawValue, radix: 16) } ?? "None")"
            lastTID = ids.lastTID
        }
        return """
            \(first)
            last_tid = \(lastTID.map(dated) ?? "None")
            last_ptid = \(recovery.ptid.map(String.init) ?? "None")
            """
    }

    private static func dated(_ tid: TID) -> String { "0x\(String(tid.rawValue, radix: 16)) (\(UTCDate(tid)))" }

    private static func printPartitionTable(
        min: Int,
        max: Int,
        nid: NID?,
        _ session: inout AdministrationSession<some AdministrationConnection>
    ) throws(ControlFailure) -> String {
        let table = try session.ask(AskPartitionList(min: min, max: max, nid: nid))
        let lines: [String]
        if min == 0, max == 0 {
            let nodes = try session.ask(AskNodeList(type: .storage)).nodes
            lines = PartitionTableDrawing(rows: table.rows, nodes: nodes, only: nid).lines
        } else {
            lines = PartitionRows(first: min, rows: table.rows, only: nid).lines
        }
        let header = "# ptid: \(table.ptid.map(String.init) ?? "None"), replicas: \(table.replicas)"
        return "\(header)\n\(lines.joined(separator: "\n"))"
    }

    private static func nids(
        of storages: Storages,
        _ session: inout AdministrationSession<some AdministrationConnection>
    ) throws(ControlFailure) -> [NID] {
        switch storages {
        case .listed(let nids): nids
        case .all: try session.ask(AskNodeList(type: .storage)).nodes.compactMap(\.nid).sorted()
        }
    }

    /// The argument of `CheckReplicas`, compared with the partition table first: a master of the reference does not
    /// survive an unknown partition or node (`spec/tools.md §9.5`).
    private static func partitions(
        of check: Check,
        _ session: inout AdministrationSession<some AdministrationConnection>
    ) throws(ControlFailure) -> OrderedDictionary<PartitionID, NID?> {
        if case .partitions([:]) = check { return [:] }
        let rows = try session.ask(AskPartitionList(min: 0, max: 0, nid: nil)).rows
        let references: [PartitionID: NID?]
        switch check {
        case .all(let reference):
            references = Dictionary(uniqueKeysWithValues: rows.indices.map { ($0, reference) })
        case .partitions(let partitions): references = partitions
        }
        var result: OrderedDictionary<PartitionID, NID?> = [:]
        for (partition, reference) in references.sorted(by: { $0.key < $1.key }) {
            guard rows.indices.contains(partition) else {
                throw ControlFailure("check: no partition \(partition): the cluster has \(rows.count)")
            }
            if let reference, !rows[partition].contains(where: { $0.nid == reference }) {
                throw ControlFailure("check: node \(reference) has no cell of partition \(partition)")
            }
            result[partition] = .some(reference)
        }
        return result
    }
}
