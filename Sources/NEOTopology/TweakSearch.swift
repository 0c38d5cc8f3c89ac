import NEOProtocol

/// Chooses which node gets which list of partitions (`spec/master.md §11.4`).
struct TweakSearch {
    /// What one node is to have.
    struct Assignment {
        var nid: NID
        var partitions: [PartitionID]
    }

    /// How many choices are tried before a strategy is given up: the search could be exponential.
    static let attemptLimit = 200_000

    private let members: [NID]
    private let options: [TweakLayout.Option]
    /// For each member: the states of its cells.
    private let cells: [[PartitionID: CellState]]
    private let optionSets: [Set<PartitionID>]

    /// - Parameter members: sorted.
    init(table: PartitionTable, members: [NID], layout: TweakLayout) {
        self.members = members
        options = layout.options
        optionSets = layout.options.map { Set($0.partitions) }
        let indices = Dictionary(uniqueKeysWithValues: members.enumerated().map { ($1, $0) })
        var cells = Array(repeating: [PartitionID: CellState](), count: members.count)
        for (partition, row) in table.rows.enumerated() {
            for cell in row {
                if let index = indices[cell.nid] { cells[index][partition] = cell.state }
            }
        }
        self.cells = cells
    }

    /// - Returns: nil if no choice respects the limits, or none was found in time.
    func solve(within limits: TopologyLimits) -> [Assignment]? {
        if let plan = planWithoutMove(), let solution = run(plan, limits) { return solution }
        return run(planWithLeastCost(), limits)
    }

    /// Ignores the topology: there is always a solution.
    func solve() -> [Assignment] {
        if let plan = planWithoutMove(), let solution = run(plan, nil) { return solution }
        // Any choice leaves as many lists as there are nodes left, so this never goes back.
        return run(planWithLeastCost(), nil) ?? []
    }

    private struct Candidates {
        var member: Int
        /// Indices of options, the preferred one first.
        var options: [Int]
    }

    /// Each node keeps all its cells.
    private func planWithoutMove() -> [Candidates]? {
        var plan: [Candidates] = []
        for member in members.indices {
            let kept = cells[member].filter { $0.value != .feeding }.keys
            let candidates = options.indices.filter { option in
                kept.count <= optionSets[option].count && kept.allSatisfy(optionSets[option].contains)
            }
            guard !candidates.isEmpty else { return nil }
            plan.append(Candidates(member: member, options: candidates))
        }
        return plan
    }

    /// The nodes for which the choice matters most come first.
    private func planWithLeastCost() -> [Candidates] {
        typealias Cost = (readable: Int, other: Int)
        var plan: [(candidates: Candidates, range: Cost)] = []
        for member in members.indices {
            let costs: [Cost] = optionSets.map { option in
                var cost: Cost = (0, 0)
                for (partition, state) in cells[member] where !option.contains(partition) {
                    if state.isReadable { cost.readable += 1 } else { cost.other += 1 }
                }
                return cost
            }
            let sorted = options.indices.sorted {
                (costs[$0].readable, costs[$0].other, $0) < (costs[$1].readable, costs[$1].other, $1)
            }
            guard let first = sorted.first, let last = sorted.last else { continue }
            let range = (costs[first].readable - costs[last].readable, costs[first].other - costs[last].other)
            plan.append((Candidates(member: member, options: sorted), range))
        }
        plan.sort {
            ($0.range.readable, $0.range.other, $0.candidates.member)
                < ($1.range.readable, $1.range.other, $1.candidates.member)
        }
        return plan.map(\.candidates)
    }

    /// Depth first, without recursion: one level for each node.
    private func run(_ plan: [Candidates], _ limits: TopologyLimits?) -> [Assignment]? {
        var limits = limits
        var left = options.map(\.multiplicity)
        /// For each level reached: the rank of its candidate.
        var ranks: [Int] = []
        var next = 0
        var attempts = 0
        while ranks.count < plan.count {
            let level = plan[ranks.count]
            var chosen: Int?
            while next < level.options.count, chosen == nil {
                attempts += 1
                if attempts > Self.attemptLimit { return nil }
                let option = level.options[next]
                if left[option] > 0, limits?.allows(options[option].partitions, at: level.member) ?? true {
                    chosen = option
                } else {
                    next += 1
                }
            }
            if let chosen {
                left[chosen] -= 1
                limits?.add(options[chosen].partitions, at: level.member)
                ranks.append(next)
                next = 0
            } else {
                guard let rank = ranks.popLast() else { return nil }
                let previous = plan[ranks.count]
                let option = previous.options[rank]
                left[option] += 1
                limits?.remove(options[option].partitions, at: previous.member)
                next = rank + 1
            }
        }
        return zip(plan, ranks).map { level, rank in
            Assignment(nid: members[level.member], partitions: options[level.options[rank]].partitions)
        }
    }
}
