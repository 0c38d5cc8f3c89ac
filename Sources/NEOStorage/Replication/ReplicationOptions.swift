/// How much of a storage replication may take (`spec/replication.md §4.18, §10.15-17`).
public struct ReplicationOptions: Hashable, Sendable {
    /// Cells that are replicated at the same time.
    public var parallelCells = 4
    /// Bytes a second that replication makes at least while clients are served, as a source and as a destination.
    public var minimumBytesPerSecond = 4 << 20
    /// Clients have priority for so long after each of their requests; 0: they have none.
    public var foregroundMilliseconds: UInt64 = 20
    /// The most rows of a chunk.
    public var chunkRows = 1000
    /// The size that chunks are made to have, by asking for more or fewer rows.
    public var chunkBytes = 4 << 20

    public init() {}
}
