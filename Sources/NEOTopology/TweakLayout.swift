import NEOProtocol

/// The lists of partitions to give to nodes, whichever node gets which (`spec/master.md §11.2`).
struct TweakLayout {
    /// Partitions of one or several nodes, ascending.
    struct Option {
        var partitions: [PartitionID]
        /// How many nodes get this list.
        var multiplicity: Int
    }

    /// The longest first, then in lexicographic order.
    let options: [Option]

    init(partitions: Int, copies: Int, nodes: Int) {
        var slots = Array(repeating: [PartitionID](), count: nodes)
        var slot = 0
        for partition in 0..<partitions {
            for _ in 0..<copies {
                slots[slot].append(partition)
                slot = slot + 1 == nodes ? 0 : slot + 1
            }
        }
        slots.sort { left, right in
            left.count == right.count ? left.lexicographicallyPrecedes(right) : left.count > right.count
        }
        var options: [Option] = []
        for slot in slots {
            if options.last?.partitions == slot {
                options[options.count - 1].multiplicity += 1
            } else {
                options.append(Option(partitions: slot, multiplicity: 1))
            }
        }
        self.options = options
    }
}
