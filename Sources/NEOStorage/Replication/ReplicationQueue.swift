import DequeModule
import NEODatabase
import NEOProtocol

/// What was fetched and is not handed to the database yet, in order.
///
/// It is handed over in small jobs, one at a time: the votes of clients wait for no more than that.
struct ReplicationQueue: Sendable {
    static let jobBytes = 128 << 10
    static let jobRows = 128

    struct Entry: Sendable {
        var chunk: DatabaseJob.ReplicationChunk
        var bytes: Int
        /// The last one of a round.
        var completes: RoundID?

        var rows: Int {
            chunk.transactions.count + chunk.objects.count + chunk.deletedTransactions.count
                + chunk.deletedObjects.count
        }
    }

    private var entries: Deque<Entry> = []
    /// Bytes that wait or are being written.
    private(set) var bytes = 0
    /// The entry that the database works at.
    private(set) var current: Entry?
    /// A rest is being made for clients.
    var isResting = false

    mutating func append(_ entry: Entry) {
        entries.append(entry)
        bytes += entry.bytes
    }

    /// - Returns: nil if there is nothing to do now.
    mutating func next() -> Entry? {
        guard current == nil, !isResting else { return nil }
        current = entries.popFirst()
        return current
    }

    /// - Returns: what was written.
    mutating func completed() -> Entry? {
        defer { current = nil }
        bytes -= current?.bytes ?? 0
        return current
    }

    /// The cell is not ours any more.
    mutating func removeAll(of partition: PartitionID) {
        for entry in entries where entry.chunk.partition == partition { bytes -= entry.bytes }
        entries.removeAll { $0.chunk.partition == partition }
    }
}
