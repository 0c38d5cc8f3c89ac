import NEOEngine
import NEOProtocol

/// The replication of one out-of-date cell of this node (`spec/replication.md §4.4`).
///
/// ```
///            answer of the master                 a source is chosen          all is in the database
///   asked ──────────────────────▶ ordered ───────────────────▶ round ─┬──────────────────────────────▶ complete
///                                    ▲                                │
///                                    ├── failure of the source ◀──────┤
///                                    └── an awaited transaction ends ◀┴─ transactions are awaited
/// ```
struct CellReplication: Hashable, Sendable {
    /// The transactions that were in progress when the master was asked: they are fetched once they are finished.
    enum Awaited: Hashable, Sendable {
        /// The master has not answered yet.
        case answer
        /// Up to this TTID.
        case transactions(through: TTID)
        case nothing
    }

    /// Of the request to the master: a cell that was discarded and assigned again is another one.
    let request: UInt64
    var awaited = Awaited.answer
    /// The next round goes up to here.
    var order: TID?
    var round: ReplicationRound?
    /// Nil as long as it was not read in the database.
    var position: Position?

    /// The smallest TIDs that may be missing.
    struct Position: Hashable, Sendable {
        var transaction: TID
        var object: TID

        /// - Parameter complete: the recorded TID: there is no hole up to it; zero: nothing is sure.
        init(after complete: TID) {
            transaction = complete == .zero ? .zero : TID(complete.rawValue + 1)
            object = transaction
        }
    }

    init(request: UInt64) {
        self.request = request
    }

    mutating func orderAgain(_ tid: TID) {
        order = order.map { max($0, tid) } ?? tid
    }
}

/// One pass over the rows of a cell, up to a TID.
struct ReplicationRound: Hashable, Sendable {
    enum Stage: Hashable, Sendable {
        /// What was asked from the database before must be done first.
        case preparing
        /// The source is not connected yet.
        case connecting
        /// The next chunk can be asked for.
        case ready(ReplicationChunkBounds)
        case fetching(ReplicationFetch)
        /// All was received: it is being written.
        case completing
    }

    /// Unique in the life of the node.
    let serial: UInt64
    let through: TID
    let source: NID
    var stage = Stage.preparing

    var fetch: ReplicationFetch? {
        if case .fetching(let fetch) = stage { fetch } else { nil }
    }
}

/// Names a round, wherever its cell went meanwhile.
struct RoundID: Hashable, Sendable {
    var partition: PartitionID
    var serial: UInt64
}

/// Where a chunk begins.
enum ReplicationChunkBounds: Hashable, Sendable {
    case transactions(from: TID, isFirst: Bool)
    case objects(from: TID, oid: OID)
}
