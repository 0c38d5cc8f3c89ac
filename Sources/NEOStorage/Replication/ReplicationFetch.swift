import NEODatabase
import NEOEngine
import NEOProtocol
import NIOCore

/// A request for a chunk, and what came of it and was not handed to the database yet.
///
/// What a source sends carries the id of the request: what belongs to an abandoned one is thereby recognised
/// (`spec/replication.md §3.1`).
struct ReplicationFetch: Hashable, Sendable {
    let connection: ConnectionID
    let request: UInt32
    let bounds: ReplicationChunkBounds
    /// Rows that were asked for.
    let length: Int
    /// The last of the rows that were told to be here, if there are more behind: the chunk ends with it at the latest, or
    /// what is behind would never be compared.
    let lastKnown: ObjectRecordID?
    var lastActivity: Instant
    private(set) var rows = 0
    private(set) var bytes = 0
    private(set) var chunk: DatabaseJob.ReplicationChunk
    private(set) var chunkBytes = 0

    init(
        _ partition: PartitionID,
        _ connection: ConnectionID,
        _ request: UInt32,
        _ bounds: ReplicationChunkBounds,
        length: Int,
        lastKnown: ObjectRecordID?,
        now: Instant
    ) {
        self.connection = connection
        self.request = request
        self.bounds = bounds
        self.length = length
        self.lastKnown = lastKnown
        lastActivity = now
        chunk = DatabaseJob.ReplicationChunk(partition: partition)
    }

    var chunkRows: Int { chunk.transactions.count + chunk.objects.count }

    mutating func add(_ transaction: TransactionRecord) {
        chunk.transactions.append(transaction)
        count(
            transaction.user.readableBytes + transaction.description.readableBytes
                + transaction.extensionData.readableBytes + 8 * transaction.oids.count
        )
    }

    mutating func add(_ object: ReplicatedObject) {
        chunk.objects.append(object)
        count(object.data?.data.readableBytes ?? 0)
    }

    private mutating func count(_ size: Int) {
        rows += 1
        bytes += size
        chunkBytes += size
    }

    /// Takes what was received so far.
    mutating func takeChunk() -> (chunk: DatabaseJob.ReplicationChunk, bytes: Int) {
        defer {
            chunk = DatabaseJob.ReplicationChunk(partition: chunk.partition)
            chunkBytes = 0
        }
        return (chunk, chunkBytes)
    }

    /// How many rows to ask for next, so that a chunk has a reasonable size (`spec/replication.md §10.17`).
    func nextLength(_ options: ReplicationOptions) -> Int {
        guard rows > 0 else { return min(length * 2, options.chunkRows) }
        let average = max(1, bytes / rows)
        return max(1, min(length * 4, options.chunkBytes / average, options.chunkRows))
    }
}
