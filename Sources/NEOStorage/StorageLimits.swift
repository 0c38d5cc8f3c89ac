/// How much of the memory of a storage its peers can take. Who goes over a limit loses its connection.
public struct StorageLimits: Hashable, Sendable {
    /// Connections that did not identify. One more closes the oldest one.
    public var unidentifiedConnections = 1024
    /// Time to identify; a peer that the master has still to announce is given it again.
    public var identificationMilliseconds: UInt64 = 30_000
    /// Requests that wait for a lock, of one connection.
    public var delayedRequestsPerConnection = 1 << 18
    /// Requests that wait for a lock, of all connections.
    public var delayedRequests = 1 << 20
    /// Bytes of object data in the requests that wait for a lock, of one connection.
    public var delayedBytesPerConnection = 256 << 20
    /// Bytes of object data in the requests that wait for a lock, of all connections.
    public var delayedBytes = 1 << 30
    /// Transactions that are neither committed nor aborted.
    public var pendingTransactions = 1 << 16
    /// Objects stored or checked by one transaction: the limit of its list of objects (`spec/storage.md §9.7`).
    public var objectsPerTransaction = 1 << 21
    /// Bytes of object data on their way to the database above which a store is answered only once it is there, so that
    /// clients slow down.
    public var unwrittenBytes = 16 << 20
    /// Packets of the master that wait for the database.
    public var masterBacklog = 1 << 16
    /// TIDs or OIDs in one answer, which must not exceed 64 MiB (`spec/protocol.md §4.4`).
    public var listedIDs = 4 << 20
    /// Revisions in one answer.
    public var listedRevisions = 2 << 20

    public init() {}
}
