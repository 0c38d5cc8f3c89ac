import NEOProtocol

/// The place of a partition at a storage.
struct Cell: Hashable, Sendable {
    let partition: PartitionID
    let nid: NID
}
