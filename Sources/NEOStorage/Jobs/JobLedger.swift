import DequeModule
import NEODatabase
import NEOEngine
import NEOProtocol

/// What is to be done when a job of the database is over.
///
/// Data, not a closure. It is dropped if the period of operation in which the job was submitted is over
/// (`spec/README.md`, atomicity rules G1 and 4), unless it says that it concerns the node itself.
enum Continuation: Hashable, Sendable {
    case none
    /// A request that is answered once its effect is durable.
    case answer(ConnectionID, request: UInt32, Packet)
    /// A store that takes back an older value: it may be gone.
    case stored(ConnectionID, request: UInt32, TTID, OID, conflict: TID?, replaced: Transaction.Store?)
    /// A relock that ends in a conflict.
    case unstored(ConnectionID, request: UInt32, TTID, OID, serial: TID, current: TID)
    case unlocked(TTID)
    /// A slice of a truncation, that is to be complete before the request of the master is processed.
    case truncated(before: UInt32, Packet)
    case dropped(PartitionID)
    case packed(PartitionID)
    /// The order that a cell completed is recorded.
    case recordedPack(PartitionID)
    case searchedOrphans
    /// What had to be done before the replication of a cell.
    case replicationPrepared(RoundID)
    /// The oldest entry of the queue of replication.
    case replicated
    /// Of the node itself.
    case identified
    case operationReady(backup: Bool)
    case exit(status: Int32)

    /// Whether it still matters when the period in which it was submitted is over.
    var concernsNode: Bool {
        if case .exit = self { true } else { false }
    }
}

/// The jobs that the database has not completed, in the order in which they were submitted.
struct JobLedger: Sendable {
    struct Entry: Hashable, Sendable {
        var id: DatabaseJob.ID
        /// Of the period of operation.
        var period: UInt64
        var continuation: Continuation
        /// Bytes of object data that it carries.
        var bytes: Int
    }

    private var entries: Deque<Entry> = []
    private(set) var last = DatabaseJob.ID(rawValue: 0)
    private(set) var bytes = 0

    /// Whether the database has still to catch up.
    var isEmpty: Bool { entries.isEmpty }

    var count: Int { entries.count }

    func isPending(_ id: DatabaseJob.ID) -> Bool { entries.first.map { $0.id <= id } ?? false }

    mutating func add(_ continuation: Continuation, period: UInt64, bytes: Int) -> DatabaseJob.ID {
        last.rawValue &+= 1
        entries.append(Entry(id: last, period: period, continuation: continuation, bytes: bytes))
        self.bytes += bytes
        return last
    }

    /// - Returns: nil if `id` is not the oldest job.
    mutating func complete(_ id: DatabaseJob.ID) -> Entry? {
        guard entries.first?.id == id else { return nil }
        let entry = entries.removeFirst()
        bytes -= entry.bytes
        return entry
    }

    /// Changes what follows a job that is not over: the last one that may decide about a request.
    mutating func follow(_ id: DatabaseJob.ID, with continuation: Continuation) {
        guard let index = entries.firstIndex(where: { $0.id == id }) else { return }
        entries[index].continuation = continuation
    }
}
