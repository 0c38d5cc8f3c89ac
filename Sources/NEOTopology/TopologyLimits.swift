import NEOProtocol

/// How many copies of a partition may stand together, at each depth of the paths of devices
/// (`spec/master.md §11.3`), and how many stand there already.
struct TopologyLimits {
    private struct Depth {
        /// Greatest number of copies in one group.
        var maximum: Int
        /// How many groups of one parent may have that many.
        var full: Int
        /// The group of each member.
        var groups: [Int]
        /// The groups of the same parent, for each group, itself included.
        var siblings: [[Int]]
        /// Number of copies by group and partition.
        var copies: [[Int]]
    }

    private var depths: [Depth] = []

    /// - Parameter members: sorted by NID.
    /// - Returns: nil if the topology is to be ignored.
    init?(members: [TweakMember], copies: Int, partitions: Int) {
        guard copies > 1 else { return nil }
        let deepest = members.map(\.devicePath.count).min() ?? 0
        var depth = 0
        while true {
            depth += 1
            guard depth <= deepest else { return nil }
            var names: [[[UInt8]]: Int] = [:]
            var parents: [[[UInt8]]] = []
            var groups: [Int] = []
            for member in members {
                let name = Array(member.devicePath.prefix(depth))
                if let group = names[name] {
                    groups.append(group)
                } else {
                    groups.append(parents.count)
                    names[name] = parents.count
                    parents.append(Array(name.dropLast()))
                }
            }
            let count = parents.count
            let sizes = (0..<count).map { group in groups.count { $0 == group } }
            let largest = sizes.max() ?? 0
            if sizes.contains(where: { $0 != largest }), largest * copies > members.count { return nil }
            let (quotient, rest) = copies.quotientAndRemainder(dividingBy: count)
            depths.append(
                Depth(
                    maximum: rest > 0 ? quotient + 1 : quotient,
                    full: rest > 0 ? rest : count,
                    groups: groups,
                    siblings: parents.map { parent in parents.indices.filter { parents[$0] == parent } },
                    copies: Array(repeating: Array(repeating: 0, count: partitions), count: count)
                )
            )
            if count >= copies { return }
        }
    }

    func allows(_ partitions: [PartitionID], at member: Int) -> Bool {
        partitions.allSatisfy { partition in
            depths.allSatisfy { depth in
                let group = depth.groups[member]
                let copies = depth.copies[group][partition]
                if copies >= depth.maximum { return false }
                guard copies + 1 == depth.maximum else { return true }
                let full = depth.siblings[group].count { depth.copies[$0][partition] == depth.maximum }
                return full < depth.full
            }
        }
    }

    mutating func add(_ partitions: [PartitionID], at member: Int, _ difference: Int = 1) {
        for depth in depths.indices {
            let group = depths[depth].groups[member]
            for partition in partitions { depths[depth].copies[group][partition] += difference }
        }
    }

    mutating func remove(_ partitions: [PartitionID], at member: Int) {
        add(partitions, at: member, -1)
    }
}
