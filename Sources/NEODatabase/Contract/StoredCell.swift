import NEOProtocol

/// A cell as it is recorded (`spec/database.md §5`).
public struct StoredCell: Hashable, Sendable {
    public var partition: PartitionID
    public var nid: NID
    public var state: CellState
    /// Own cell that is out of date: up to where it has no hole. Nil for any other state, zero for other nodes.
    public var tid: TID?
    /// Own cell: the last pack order that was executed on it. Nil for other nodes.
    public var packed: TID?

    public init(partition: PartitionID, nid: NID, state: CellState, tid: TID? = nil, packed: TID? = nil) {
        self.partition = partition
        self.nid = nid
        self.state = state
        self.tid = tid
        self.packed = packed
    }
}
