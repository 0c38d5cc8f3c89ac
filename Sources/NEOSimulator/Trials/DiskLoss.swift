import NEODatabase
import NEOEngine
import NEOMaster
import NEOProtocol
import NEOTopology

/// Loses disks for good, as many as a cluster with replicas promises to survive: one at a time, while all that it has is
/// elsewhere, and nothing else goes wrong until the others know that they are alone.
///
/// ```
///   ─ some time ─▶ faults and orders are suspended ─▶ calm, all up to date ─▶ one disk less ─▶ noticed ─▶ they go on
///                                                   └────── not soon ─────────────────────────────────────▲
/// ```
final class DiskLoss {
    private let cluster: SimulatedCluster
    private let interval: ClosedRange<UInt64>
    /// Faults and orders stop, or go on.
    private let suspend: (Bool) -> Void
    private var world: Simulation { cluster.world }
    private var isActive = false
    private(set) var count = 0

    private static let pause: UInt64 = 20_000_000
    private static let patience: UInt64 = 4_000_000_000

    init(_ cluster: SimulatedCluster, suspend: @escaping (Bool) -> Void) {
        self.cluster = cluster
        self.suspend = suspend
        interval = 500_000_000...4_000_000_000
    }

    func start() {
        isActive = true
        scheduleNext()
    }

    func stop() { isActive = false }

    private func scheduleNext() {
        world.schedule(after: world.draw(interval)) { [self] in
            guard isActive else { return }
            suspend(true)
            tryToLose(until: world.now + Self.patience)
        }
    }

    private func goOn() {
        suspend(false)
        if isActive { scheduleNext() }
    }

    private func tryToLose(until deadline: UInt64) {
        guard isActive, world.now < deadline else { return goOn() }
        guard let index = world.pick(cluster.disks.indices.filter(cluster.isDispensable)),
            let nid = cluster.nid(ofDisk: index)
        else {
            return world.schedule(after: Self.pause) { [self] in tryToLose(until: deadline) }
        }
        count += 1
        world.log.write("\(world.now) fault: the disk of \(cluster.storages[index].name) is lost, and with it \(nid)")
        cluster.lose(index)
        waitUntilNoticed(nid, until: world.now + 10 * Self.patience)
    }

    private func waitUntilNoticed(_ nid: NID, until deadline: UInt64) {
        if cluster.isKnownToBeLost(nid) || world.now >= deadline { return goOn() }
        world.schedule(after: Self.pause) { [self] in waitUntilNoticed(nid, until: deadline) }
    }
}

extension SimulatedCluster {
    /// Whether nothing would be lost with a disk: the cluster serves, all others recorded the present table and serve, they
    /// have a readable cell wherever this storage has one, and nothing is about to change that.
    func isDispensable(_ index: Int) -> Bool {
        guard let primary, primary.clusterState == .running, world.isCalm, let own = nid(ofDisk: index) else {
            return false
        }
        let rows = primary.table.rows
        guard rows.contains(where: { $0.contains { $0.nid == own } }), isRecorded(primary.table.ptid) else {
            return false
        }
        return rows.allSatisfy { row in
            row.allSatisfy { $0.state == .upToDate } && row.contains { $0.nid != own }
        }
    }

    /// Whether all the storages that have cells serve, and recorded this table.
    private func isRecorded(_ ptid: Int?) -> Bool {
        let members = Set(cells.flatMap { $0.map(\.nid) })
        return members.allSatisfy { nid in
            guard let index = disks.indices.first(where: { self.nid(ofDisk: $0) == nid }) else { return false }
            return isServing(index) && !storages[index].failsNextJobs
                && (try? disks[index].makeInspector().configuration().ptid) == ptid
        }
    }

    /// Whether the others recorded that a storage has no readable cell any more.
    func isKnownToBeLost(_ nid: NID) -> Bool {
        guard let primary, primary.clusterState == .running else { return false }
        let isReadable = primary.table.rows.contains { row in row.contains { $0.nid == nid && $0.state.isReadable } }
        guard !isReadable else { return false }
        return disks.indices.allSatisfy { index in
            guard let other = self.nid(ofDisk: index),
                primary.table.rows.contains(where: { $0.contains { $0.nid == other } })
            else { return true }
            return (try? disks[index].makeInspector().configuration().ptid) == primary.table.ptid
        }
    }

    /// The table with the greatest PTID, of those that storages with cells of their own recorded.
    private var newestRecordedTable: [PartitionID: [NID: CellState]] {
        var newest: (ptid: Int, cells: [PartitionID: [NID: CellState]]) = (0, [:])
        for (nid, reader) in inspectors.sorted(by: { $0.key < $1.key }) {
            guard let ptid = try? reader.configuration().ptid, ptid > newest.ptid, let cells = try? reader.cells(),
                cells.contains(where: { $0.nid == nid })
            else { continue }
            var rows: [PartitionID: [NID: CellState]] = [:]
            for cell in cells { rows[cell.partition, default: [:]][cell.nid] = cell.state }
            newest = (ptid, rows)
        }
        return newest.cells
    }

    /// Whether a master that an operator tells to start, and that just did, gives up nothing: no other one leads, and all that
    /// it takes for readable is so in the newest table that anybody recorded.
    func isStartedWithAll(_ index: Int, _ core: MasterCore) -> Bool {
        // The core of this one is in use.
        let isAlone = masters.indices.allSatisfy { $0 == index || !(masters[$0].core?.isPrimary ?? false) }
        guard core.clusterState == .verifying, isAlone else { return false }
        let newest = newestRecordedTable
        // A cluster that is just created has nothing to lose.
        guard !newest.isEmpty else { return true }
        return core.table.rows.enumerated().allSatisfy { partition, row in
            row.allSatisfy { !$0.state.isReadable || newest[partition]?[$0.nid]?.isReadable ?? false }
        }
    }
}

extension Simulation {
    /// Whether nothing is broken, or about to be: no connection has one end only, is stalled or is being closed.
    var isCalm: Bool { cuts.isEmpty && links.allSatisfy { $0.ends.allSatisfy { isCalm($0) } } }

    private func isCalm(_ end: Link.End) -> Bool {
        guard !end.isClosed, end.stalledUntil <= now else { return false }
        return end.deliveries.allSatisfy { if case .bytes = $0.delivery { true } else { false } }
    }
}
