import NEOProtocol

/// The changes that a master decides while nodes come and go. Each returns what to tell others; the PTID is incremented
/// by ``advance()`` when there is something to tell.
extension PartitionTable {
    /// The greatest PTID that a node may bring: it leaves more changes than a cluster can live through.
    public static let maximumPTID = 1 << 62

    /// Moves on to the next PTID.
    /// - Parameter highest: a PTID that another table has, as well as those before.
    public mutating func advance(beyond highest: Int = 0) {
        ptid = max(ptid ?? 0, highest) + 1
    }

    public mutating func setReplicas(_ replicas: Int) {
        self.replicas = replicas
    }

    /// Adds cells or changes their states as given; `changes` must be about existing partitions.
    public mutating func apply(_ changes: [CellChange]) {
        for change in changes where rows.indices.contains(change.partition) { set(change) }
    }

    /// Marks what stopped nodes cannot have any more (`spec/master.md §10.5`).
    ///
    /// - Parameter lost: the node that was just lost: if it was the last one to serve a partition, its cell stays
    ///   readable so that the cluster can restart with it.
    /// - Parameter isReplaceable: whether the cell of that node may become unreadable.
    /// - Returns: the changes, already applied.
    public mutating func outdate(
        lost: NID? = nil,
        isRunning: (NID) -> Bool,
        isReplaceable: (PartitionID) -> Bool = { _ in true }
    ) -> [CellChange] {
        var changes: [CellChange] = []
        for (partition, row) in rows.enumerated() {
            let readable = row.filter(\.state.isReadable)
            let isServed = readable.contains { isRunning($0.nid) }
            for cell in readable where !isRunning(cell.nid) {
                if cell.nid == lost, !isServed || !isReplaceable(partition) { continue }
                changes.append(
                    CellChange(
                        partition: partition,
                        nid: cell.nid,
                        state: cell.state == .feeding ? .discarded : .outOfDate
                    )
                )
            }
        }
        apply(changes)
        return changes
    }

    /// A replicated cell becomes up to date (`spec/master.md §10.6`). Feeding cells that it replaces are still there.
    ///
    /// - Returns: the changes, already applied; none if the cell is not out of date.
    public mutating func setUpToDate(_ partition: PartitionID, at nid: NID) -> [CellChange] {
        guard state(of: partition, at: nid) == .outOfDate else { return [] }
        let change = CellChange(partition: partition, nid: nid, state: .upToDate)
        set(change)
        return [change]
    }

    /// The feeding cells of a partition that are not needed any more, the first to go first (`spec/master.md §10.6`).
    ///
    /// Feeding cells go while more than the wanted copies are readable, or all of them once the rest of the row is
    /// (`§18.6`: the reference discards one too many).
    public func replacedCells(of partition: PartitionID) -> [NID] {
        let row = cells(of: partition)
        let feeding = row.filter { $0.state == .feeding }
        let readableCount = row.count { $0.state.isReadable }
        if readableCount == row.count { return readableCount > feeding.count ? feeding.map(\.nid) : [] }
        let surplus = min(feeding.count, readableCount - replicas - 1)
        guard surplus > 0 else { return [] }
        let leaving = feeding.filter { cell in
            rows.allSatisfy { $0.allSatisfy { $0.nid != cell.nid || $0.state == .feeding } }
        }
        return (leaving + feeding.filter { cell in !leaving.contains(cell) }).prefix(surplus).map(\.nid)
    }

    /// Takes nodes out of the table (`spec/master.md §10.7`).
    ///
    /// - Returns: the changes, already applied.
    /// - Throws: ``TopologyError/refused(_:)``, and nothing is changed, if they have the only readable copies of a
    ///   partition.
    public mutating func drop(_ nids: Set<NID>) throws(TopologyError) -> [CellChange] {
        var changes: [CellChange] = []
        for (partition, row) in rows.enumerated() {
            let removed = row.filter { nids.contains($0.nid) }
            guard !removed.isEmpty else { continue }
            let rest = row.filter { !nids.contains($0.nid) }
            if removed.contains(where: \.state.isReadable), !rest.contains(where: \.state.isReadable) {
                throw .refused("Refuse to drop nodes that contain the only readable copies of partition \(partition)")
            }
            for cell in removed {
                changes.append(CellChange(partition: partition, nid: cell.nid, state: .discarded))
            }
            if let last = rest.last(where: { $0.state == .feeding }) {
                changes.append(CellChange(partition: partition, nid: last.nid, state: .upToDate))
            }
        }
        apply(changes)
        return changes
    }
}
