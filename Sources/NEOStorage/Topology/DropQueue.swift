import NEOProtocol

/// The partitions whose data is to be deleted (`spec/storage.md §17`), one at a time, the smallest first.
struct DropQueue: Hashable, Sendable {
    private var partitions: Set<PartitionID> = []
    /// The one for which a job is under way.
    private var current: PartitionID?

    var isEmpty: Bool { partitions.isEmpty }

    mutating func replace(_ partitions: [PartitionID]) {
        self.partitions = Set(partitions)
    }

    mutating func insert(_ partition: PartitionID) {
        partitions.insert(partition)
    }

    /// It is assigned again: what remains is not deleted.
    mutating func remove(_ partition: PartitionID) {
        partitions.remove(partition)
        // What the job under way says concerns the data before: if it is discarded again, all is looked at again.
        if current == partition { current = nil }
    }

    /// Results of the jobs under way will not come.
    mutating func pause() {
        current = nil
    }

    /// The partition to work on; nil: none, or a job is under way.
    mutating func next() -> PartitionID? {
        guard current == nil else { return nil }
        current = partitions.min()
        return current
    }

    /// - Returns: whether nothing is left of it.
    @discardableResult
    mutating func completed(_ partition: PartitionID, isFinished: Bool) -> Bool {
        guard current == partition else { return false }
        current = nil
        if isFinished { partitions.remove(partition) }
        return isFinished
    }
}
