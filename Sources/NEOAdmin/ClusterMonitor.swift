import NEOProtocol
import NEOTopology

/// What is reported about the health of the cluster (`spec/tools.md §11`).
struct ClusterMonitor: Sendable {
    enum Severity: Int, Sendable {
        case fine = 0
        case warning = 1
        case problem = 2
    }

    /// Nil: not known.
    var clusterState: ClusterState?
    private(set) var cellCounts: [CellState: Int] = [:]
    /// Storages that have cells and are not running.
    private(set) var downCount = 0
    var lastTID: TID?
    var backupTID: TID?

    var isOperational: Bool { clusterState == .running || clusterState == .backingUp }

    mutating func update(_ table: PartitionTable?, _ nodes: NodeTable) {
        guard let table else { return }
        cellCounts = table.cellCounts
        downCount = table.nids.count { !nodes.isRunning($0) }
    }

    var severity: Severity {
        if downCount != 0 || !isOperational { return .problem }
        return Set(cellCounts.keys) == [.upToDate] ? .fine : .warning
    }

    /// One line (`§11.5`).
    var line: String {
        var parts = [clusterState?.name ?? "None"]
        if !cellCounts.isEmpty {
            parts.append(
                CellState.allCases.compactMap { state in cellCounts[state].map { "\(state.name)=\($0)" } }
                    .joined(separator: ", ")
            )
        }
        if downCount != 0 { parts.append("DOWN=\(downCount)") }
        if isOperational, let tid = clusterState == .backingUp ? backupTID : lastTID {
            parts.append("ltid=\(tid) (\(UTCDate(tid)))")
        }
        return parts.joined(separator: "; ")
    }

    /// The answer to an operator.
    var summary: AnswerMonitorInformation {
        AnswerMonitorInformation(
            warning: severity == .warning ? [nil] : [],
            problem: severity == .problem ? [nil] : [],
            summary: line
        )
    }

    /// The answer when there is no primary master.
    static let disconnected = AnswerMonitorInformation(
        warning: [],
        problem: [nil],
        summary: AdminCore.notConnected
    )
}
