import NEOProtocol

/// What spreading the partitions did (`spec/master.md §11`).
public struct Tweak: Hashable, Sendable {
    /// The changes, already applied, in the order in which they are told.
    public var changes: [CellChange]
    /// The copies of a partition may be closer to each other than the devices would allow.
    public var ignoresTopology: Bool
}

extension PartitionTable {
    /// Makes the first table: the partitions are spread over `members`, all cells are up to date
    /// (`spec/master.md §10.3`). The PTID becomes 1.
    ///
    /// - Throws: ``TopologyError/refused(_:)`` if there is no member.
    public mutating func create(over members: [TweakMember]) throws(TopologyError) -> Tweak {
        rows = Array(repeating: [], count: rows.count)
        let tweak = try spread(over: members, newCell: .upToDate)
        ptid = 1
        return tweak
    }

    /// Spreads the partitions over `members`, with as little replication as possible. Cells of other nodes are not
    /// touched and do not count as copies. The PTID is not changed: see ``advance()``.
    ///
    /// - Throws: ``TopologyError/refused(_:)``, and nothing is changed, if there is no member.
    public mutating func tweak(over members: [TweakMember]) throws(TopologyError) -> Tweak {
        try spread(over: members, newCell: .outOfDate)
    }

    private mutating func spread(
        over members: [TweakMember],
        newCell: CellState
    ) throws(TopologyError) -> Tweak {
        guard !members.isEmpty else { throw .refused("Can't remove all nodes.") }
        let members = members.sorted { $0.nid < $1.nid }
        let copies = min(replicas, members.count - 1) + 1
        let layout = TweakLayout(partitions: partitions, copies: copies, nodes: members.count)
        let limits = TopologyLimits(members: members, copies: copies, partitions: partitions)
        let search = TweakSearch(table: self, members: members.map(\.nid), layout: layout)
        if let limits, let solution = search.solve(within: limits) {
            return Tweak(changes: apply(solution, copies: copies, newCell: newCell), ignoresTopology: false)
        }
        return Tweak(
            changes: apply(search.solve(), copies: copies, newCell: newCell),
            ignoresTopology: copies > 1
        )
    }

    /// `spec/master.md §11.5`
    private mutating func apply(
        _ solution: [TweakSearch.Assignment],
        copies: Int,
        newCell: CellState
    ) -> [CellChange] {
        var changes: [CellChange] = []
        var missing = Array(repeating: copies, count: partitions)
        func record(_ change: CellChange) {
            set(change)
            changes.append(change)
        }
        for assignment in solution {
            for partition in assignment.partitions {
                switch state(of: partition, at: assignment.nid) {
                case nil:
                    record(CellChange(partition: partition, nid: assignment.nid, state: newCell))
                case .feeding?:
                    record(CellChange(partition: partition, nid: assignment.nid, state: .upToDate))
                    missing[partition] -= 1
                case .upToDate?:
                    missing[partition] -= 1
                case .outOfDate?, .corrupted?, .discarded?:
                    break
                }
            }
        }
        let kept = solution.map { Set($0.partitions) }
        for partition in rows.indices {
            for (index, assignment) in solution.enumerated() where !kept[index].contains(partition) {
                guard let state = state(of: partition, at: assignment.nid) else { continue }
                if missing[partition] > 0, state.isReadable {
                    missing[partition] -= 1
                    guard state != .feeding else { continue }
                    record(CellChange(partition: partition, nid: assignment.nid, state: .feeding))
                } else {
                    record(CellChange(partition: partition, nid: assignment.nid, state: .discarded))
                }
            }
        }
        return changes
    }
}
