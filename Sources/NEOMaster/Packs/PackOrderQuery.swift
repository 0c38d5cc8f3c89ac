import NEOProtocol

/// A request for pack orders that the master has forgotten: storages are asked first (`spec/master.md §13.4`).
struct PackOrderQuery: Hashable, Sendable {
    typealias ID = Int

    let source: Source
    let isStorage: Bool
    let min: TID
    /// Partitions for which no storage answered yet.
    var remaining: Set<PartitionID>
    /// The storages that were asked and did not answer.
    var asked: Set<NID> = []
    var orders: [PackOrder] = []
}
