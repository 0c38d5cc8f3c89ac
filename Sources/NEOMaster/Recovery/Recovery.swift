import NEOProtocol
import OrderedCollections

/// What is collected from storages during RECOVERING (`spec/master.md §5.2`): the newest partition table, from one of
/// those that have it.
///
/// Storages without a cell in the table that they have are bystanders: whatever they have recorded, those with cells tell
/// what has to be known of the commits with a table. If nobody else has recorded one, its PTID may have been given again by
/// a master that did not see them, so their tables count only as long as there are no others.
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
        /// The table that came is the one to use.
        case load
        case askPartitionTable(of: NID)
        /// Nobody else has the table.
        case waiting(for: NID)
    }

    /// With which nodes the cluster may start (`spec/master.md §5.4`).
    enum StartPermission: Hashable, Sendable {
        /// All those that have readable cells.
        case complete
        /// Those that can do without the absent ones: the service ended under this master, and no other one is known, that could
        /// have served since with those that are absent.
        case partial
        /// An operator takes what is there.
        case ordered
    }

    private(set) var targetPTID = 0
    private(set) var source = Source.askers([])
    private(set) var reports: [NID: Report] = [:]
    /// Storages without a cell in the table that they have.
    private(set) var bystanders: Set<NID> = []
    /// The loaded table is that of a bystander.
    private var isProvisional = false
    /// Storages that were asked something and did not answer.
    private(set) var awaited: Set<NID> = []
    /// Those that were asked whether they are still here, once all else was known.
    private var confirmed: Set<NID>?
    /// Those of them that did not answer.
    private(set) var unconfirmed: Set<NID> = []
    /// Those that have an older table than the loaded one, and cells in it.
    private var owners: Set<NID> = []
    /// How many times they were asked.
    private(set) var round = 0
    /// Where storages are that must not have the id with which they come.
    private var impostors: Set<NodeAddress> = []
    /// The truncation that the loaded table comes with.
    var truncateTID: TID?
    var backupTID: TID?
    var permission = StartPermission.complete
    /// The greatest PTID that this master saw or gave, as long as it leads. The storages of an older table may lack
    /// transactions (`§18.4`), and no other table may get it.
    private(set) var highestPTID = 0
    /// Whether the service began under this master: since then it has seen all the PTIDs that were given.
    var hasServed = false
    /// The last table that this master made, as long as it leads.
    var createdPTID: Int?
    /// What the operator was last told about the wait.
    var lastMessage = ""

    var isLoaded: Bool { source == .loaded }

    func ptid(of nid: NID) -> Int? { reports[nid]?.ptid }

    /// The storage said that it has no partition table.
    func isWithoutTable(_ nid: NID) -> Bool { reports[nid].map { $0.ptid == nil } ?? false }

    /// Whether the storage has a newer table than the loaded one, in which it has no cell: what the loaded table says that it
    /// has, it may have deleted since.
    func gaveUpItsCells(_ nid: NID) -> Bool {
        guard isLoaded, bystanders.contains(nid), let ptid = ptid(of: nid) else { return false }
        return ptid >= targetPTID
    }

    mutating func addImpostor(_ address: NodeAddress) { impostors.insert(address) }

    /// - Returns: whether it is one; the next time it is not, unless it is found to be one again.
    mutating func takeImpostor(_ address: NodeAddress) -> Bool { impostors.remove(address) != nil }

    /// A table has this PTID.
    mutating func saw(ptid: Int) { highestPTID = max(highestPTID, ptid) }

    /// This master begins to lead.
    mutating func beginTerm() {
        permission = .complete
        highestPTID = 0
        hasServed = false
        createdPTID = nil
    }

    /// Forgets the answers of an earlier recovery.
    mutating func begin() {
        targetPTID = 0
        source = .askers([])
        reports = [:]
        bystanders = []
        isProvisional = false
        awaited = []
        confirmed = nil
        unconfirmed = []
        owners = []
        impostors = []
        truncateTID = nil
        backupTID = nil
        lastMessage = ""
    }

    /// - Returns: whether these are to be asked whether they are here: it was not asked since any storage came or went.
    mutating func confirms(_ nids: [NID]) -> Bool {
        let all = Set(nids)
        guard confirmed != all else { return false }
        confirmed = all
        unconfirmed = all
        round += 1
        return true
    }

    /// A storage is still here.
    mutating func isPresent(_ nid: NID) { unconfirmed.remove(nid) }

    /// Whether a storage has to show by its own table that it has cells.
    func isDoubtful(_ nid: NID) -> Bool {
        guard isLoaded, let ptid = ptid(of: nid) else { return false }
        return ptid < targetPTID && !owners.contains(nid)
    }

    /// A storage has cells in its own, older table; it is still here.
    mutating func isOwner(_ nid: NID) {
        owners.insert(nid)
        isPresent(nid)
    }

    mutating func asked(_ nid: NID) { awaited.insert(nid) }

    mutating func answered(_ report: Report, by nid: NID) -> Action {
        awaited.remove(nid)
        confirmed = nil
        owners.remove(nid)
        reports[nid] = report
        if permission == .partial, report.ptid ?? 0 > highestPTID {
            // Another master gave this table since the service ended under this one. It may lead still, with what is not here.
            permission = .complete
        }
        saw(ptid: report.ptid ?? 0)
        guard let ptid = report.ptid, targetPTID <= ptid || isProvisional else { return .none }
        if ptid == targetPTID, !isProvisional {
            switch source {
            case .loaded: return .none
            case .askers(let askers) where !askers.isEmpty:
                if !askers.contains(nid) { source = .askers(askers + [nid]) }
                return .none
            case .askers: break
            }
        }
        return ask([nid], for: ptid)
    }

    private mutating func ask(_ nids: [NID], for ptid: Int) -> Action {
        targetPTID = ptid
        source = .askers(nids)
        isProvisional = false
        return nids.first.map { .askPartitionTable(of: $0) } ?? .none
    }

    /// - Parameter isMember: whether the storage has a cell in it.
    mutating func tableAnswered(ptid: Int?, by nid: NID, isMember: Bool) -> Action {
        awaited.remove(nid)
        guard ptid == targetPTID, case .askers = source else { return .none }
        if !isMember {
            bystanders.insert(nid)
            // Those that were not asked, or whose table was left for this one.
            let others = reports.keys.filter { !bystanders.contains($0) && reports[$0]?.ptid != nil }.sorted()
            if let newest = others.compactMap({ reports[$0]?.ptid }).max() {
                return ask(others.filter { reports[$0]?.ptid == newest }, for: newest)
            }
            let best = bystanders.filter { (reports[$0]?.ptid ?? 0) > targetPTID }.sorted()
            if let newest = best.compactMap({ reports[$0]?.ptid }).max() {
                return ask(best.filter { reports[$0]?.ptid == newest }, for: newest)
            }
        }
        source = .loaded
        isProvisional = !isMember
        truncateTID = reports[nid]?.truncateTID
        backupTID = reports[nid]?.backupTID
        return .load
    }

    /// The master that ordered a truncation was lost before all storages recorded it, the one that gave the table included: who
    /// did would truncate alone. The order was acknowledged, and holds for all.
    /// - Parameter owners: those with readable cells. Others may have the order of a truncation that is over.
    /// - Returns: whether there is such an order.
    mutating func adoptsTruncation(of owners: Set<NID>) -> Bool {
        guard truncateTID == nil else { return false }
        truncateTID = owners.compactMap { reports[$0]?.truncateTID }.max()
        return truncateTID != nil
    }

    mutating func lost(_ nid: NID) -> Action {
        awaited.remove(nid)
        confirmed = nil
        owners.remove(nid)
        reports[nid] = nil
        bystanders.remove(nid)
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
