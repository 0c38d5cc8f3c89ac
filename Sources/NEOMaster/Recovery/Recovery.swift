import NEOProtocol
import OrderedCollections

/// What is collected from storages during RECOVERING (`spec/master.md §5.2`): the newest partition table, from one of
/// those that have it.
struct Recovery: Hashable, Sendable {
    struct Report: Hashable, Sendable {
        var ptid: Int?
        var backupTID: TID?
        var truncateTID: TID?
    }

    /// Where the table comes from.
    enum Source: Hashable, Sendable {
        /// Those that have the greatest PTID seen; the first one was asked for its table.
        case askers([NID])
        case loaded
    }

    enum Action: Hashable, Sendable {
        case none
        case askPartitionTable(of: NID)
        /// Nobody else has the table.
        case waiting(for: NID)
    }

    /// With which nodes the cluster may start (`spec/master.md §5.4`).
    enum StartPermission: Hashable, Sendable {
        /// All those that have readable cells.
        case complete
        /// Those that can do without the absent ones: the service ended under this master.
        case partial
        /// An operator takes what is there.
        case ordered
    }

    private(set) var targetPTID = 0
    private(set) var source = Source.askers([])
    private(set) var reports: [NID: Report] = [:]
    /// Storages that were asked something and did not answer.
    private(set) var awaited: Set<NID> = []
    /// The truncation that the loaded table comes with.
    var truncateTID: TID?
    var backupTID: TID?
    var permission = StartPermission.complete
    /// The greatest PTID that this master saw or gave, as long as it leads. The storages of an older table may lack
    /// transactions (`§18.4`), and no other table may get it.
    private(set) var highestPTID = 0
    /// What the operator was last told about the wait.
    var lastMessage = ""

    var isLoaded: Bool { source == .loaded }

    func ptid(of nid: NID) -> Int? { reports[nid]?.ptid }

    /// A table has this PTID.
    mutating func saw(ptid: Int) { highestPTID = max(highestPTID, ptid) }

    /// This master begins to lead.
    mutating func beginTerm() {
        permission = .complete
        highestPTID = 0
    }

    /// Forgets the answers of an earlier recovery.
    mutating func begin() {
        targetPTID = 0
        source = .askers([])
        reports = [:]
        awaited = []
        truncateTID = nil
        backupTID = nil
        lastMessage = ""
    }

    mutating func asked(_ nid: NID) { awaited.insert(nid) }

    mutating func answered(_ report: Report, by nid: NID) -> Action {
        awaited.remove(nid)
        reports[nid] = report
        saw(ptid: report.ptid ?? 0)
        guard let ptid = report.ptid, targetPTID <= ptid else { return .none }
        if ptid == targetPTID {
            switch source {
            case .loaded: return .none
            case .askers(let askers) where !askers.isEmpty:
                if !askers.contains(nid) { source = .askers(askers + [nid]) }
                return .none
            case .askers: break
            }
        }
        targetPTID = ptid
        source = .askers([nid])
        return .askPartitionTable(of: nid)
    }

    /// - Returns: whether the table is the one to load.
    mutating func tableAnswered(ptid: Int?, by nid: NID) -> Bool {
        awaited.remove(nid)
        guard ptid == targetPTID, case .askers = source else { return false }
        source = .loaded
        truncateTID = reports[nid]?.truncateTID
        backupTID = reports[nid]?.backupTID
        return true
    }

    mutating func lost(_ nid: NID) -> Action {
        awaited.remove(nid)
        reports[nid] = nil
        guard case .askers(var askers) = source, let index = askers.firstIndex(of: nid) else { return .none }
        askers.remove(at: index)
        source = .askers(askers)
        guard index == 0 else { return .none }
        return askers.first.map { .askPartitionTable(of: $0) } ?? .waiting(for: nid)
    }

    /// A storage was told a change of the loaded table.
    mutating func advance(_ nid: NID, to ptid: Int) { reports[nid]?.ptid = ptid }

    mutating func advanceTarget(to ptid: Int) { targetPTID = max(targetPTID, ptid) }
}
