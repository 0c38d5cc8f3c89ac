import NEOEngine
import NEOProtocol
import NIOCore
import OrderedCollections

/// A transaction of the program, numbered by it.
public struct TransactionID: Hashable, Comparable, Sendable {
    public let rawValue: UInt64

    public init(_ rawValue: UInt64) {
        self.rawValue = rawValue
    }

    public static func < (left: TransactionID, right: TransactionID) -> Bool { left.rawValue < right.rawValue }
}

/// What a transaction wrote and what is known of it (`spec/client.md §11.1`).
///
/// ```
///  beginning ──ttid──▶ open ◀──conflicts──┐
///                       │ vote            │
///                       ▼                 │
///                   draining ─────────────┘   until every store is answered
///                       │ AskStoreTransaction, AskVoteTransaction (or back to open: see ``ClientCore/drain``)
///                       ▼
///                    voting ──some node failed──▶ reporting (FailedVote)
///                       │                            │ ACK
///                       └────────▶ voted ◀───────────┘
/// ```
/// Finishing takes the transaction out of the table: see ``Finish``.
struct Transaction: Sendable {
    enum Phase: Hashable, Sendable {
        case beginning(OperationID)
        case open
        /// Then the vote begins, or the program goes on.
        case draining(OperationID, votes: Bool)
        case voting(OperationID)
        case reporting(OperationID)
        case voted
    }

    /// What was stored for an object.
    enum Content: Sendable {
        case data(ByteBuffer)
        /// Kept no more: too many bytes were written.
        case forgotten
        /// Of that many bytes, kept by nobody from the beginning: a part of something big, which nothing can merge.
        case unkept(byteCount: Int)
        case deleted
        /// Nothing: the object was only read.
        case checked

        var data: ByteBuffer? {
            if case .data(let data) = self { data } else { nil }
        }
        var byteCount: Int {
            switch self {
            case .data(let data): data.readableBytes
            case .unkept(let byteCount): byteCount
            case .forgotten, .deleted, .checked: 0
            }
        }
    }

    struct PendingStore: Sendable {
        var content: Content
        var base: TID
        /// For an undo, the revision that has the same data.
        var dataTID: TID?
        /// Number of the object's first store: transactions list their objects in this order.
        var order: Int
        /// For a restore, what to send again on top of the revision that a storage says to be the current one.
        var restored: WaitingStore?
        /// Nodes that have not answered to the last attempt.
        var awaited: [NID]
        /// Counts the stores of the object: answers to an earlier one say nothing of the data sent since.
        var attempt: Int
        /// Whether a node took it.
        var isAccepted = false
    }

    /// A change that was overtaken again, stored as it is so that its object is locked until it is resolved.
    struct Hold: Sendable {
        /// The revision that it is said to start from: the newest one known.
        var base: TID
        var stored: StoredData
    }

    /// What all the nodes took.
    struct Written: Sendable {
        var content: Content
        var base: TID
        var dataTID: TID?
        var order: Int

        /// The base of the next store: storages take the value that an undo took back for the current one
        /// (`spec/storage.md §9.3`, `§20.5`).
        var nextBase: TID { dataTID ?? base }
    }

    /// How a node is used. Once a write failed, the node is not used again.
    enum Use: Sendable {
        /// Writes wait for the connection.
        case connecting([Write])
        case connected(ConnectionID)
        case failed
    }

    /// A request to one node.
    enum Write: Sendable {
        case store(AskStoreObject, attempt: Int)
        case check(AskCheckCurrentSerial, attempt: Int)
        case transaction(AskStoreTransaction)
        case vote(AskVoteTransaction)
    }

    /// A store or a check that waits for room, or for the answers to an earlier store of the object.
    struct WaitingStore: Sendable {
        var operation: OperationID
        var oid: OID
        var base: TID
        var content: Content
        var stored: StoredData
        var dataTID: TID?
        /// It was committed elsewhere: what is current here is replaced, whatever it is.
        var isRestored = false
    }

    let id: TransactionID
    /// Zero until it has begun.
    var ttid = TTID.zero
    var phase: Phase
    /// The connection to the master that gave the TTID: nothing about it is sent on another one (`§20.1`).
    var master: ConnectionID
    var user: ByteBuffer
    var description: ByteBuffer
    var extensionData: ByteBuffer
    var pack: PackRequest?

    /// Stores and checks that some node has not answered. Only looked up, or sorted: many leave it in any order.
    var pending: [OID: PendingStore] = [:]
    var written: OrderedDictionary<OID, Written> = [:]
    var conflicts: OrderedDictionary<OID, TID> = [:]
    /// Conflicts that the program is resolving: the content and the base of the next attempt are not known yet.
    var resolving: [OID: TID] = [:]
    var resolved: OrderedDictionary<OID, TID> = [:]
    /// Objects that are locked while the program resolves their conflicts: see `ClientCore+Holds.swift`.
    var holds: [OID: Hold] = [:]
    var nodes: OrderedDictionary<NID, Use> = [:]
    /// Requests sent, or waiting for a connection, and not answered, by node.
    var outstanding: [NID: Int] = [:]
    var outstandingCount = 0
    /// For each partition written, the nodes that were asked.
    var partitions: OrderedDictionary<PartitionID, Set<NID>> = [:]
    /// Nodes that took a write without checking for conflicts.
    var lockless: [PartitionID: Set<NID>] = [:]
    var pendingBytes = 0
    var writtenBytes = 0
    /// Whether all that is written is kept, as another undo may need it (`spec/client.md §12` step 4).
    var keepsWritten = false
    var attempts = 0
    /// Set before the first packet of the vote.
    var isStored = false
    /// Why it cannot be committed any more.
    var failure: ClientError?
    var waitingStore: WaitingStore?
    /// The waiting store waits for the answer to a ping.
    var isBarrierPending = false

    init(
        id: TransactionID,
        operation: OperationID,
        user: ByteBuffer,
        description: ByteBuffer,
        extensionData: ByteBuffer,
        pack: PackRequest?
    ) {
        self.id = id
        self.phase = .beginning(operation)
        self.master = ConnectionID(.outgoing, 0)
        self.user = user
        self.description = description
        self.extensionData = extensionData
        self.pack = pack
    }

    /// The operation that waits for the transaction, if any.
    var waitingOperation: OperationID? {
        if let waitingStore { return waitingStore.operation }
        switch phase {
        case .beginning(let operation), .draining(let operation, _), .voting(let operation), .reporting(let operation):
            return operation
        case .open, .voted: return nil
        }
    }

    mutating func count(_ nid: NID, _ change: Int) {
        outstanding[nid, default: 0] += change
        outstandingCount += change
    }

    /// Gives up a node: nothing more is expected from it.
    mutating func fail(_ nid: NID) {
        nodes[nid] = .failed
        outstandingCount -= outstanding.removeValue(forKey: nid) ?? 0
    }
}

/// A transaction whose commit was asked: it cannot be aborted any more (`spec/client.md §11.9, §11.10`).
struct Finish: Sendable {
    enum State: Hashable, Sendable {
        /// AskFinishTransaction was sent.
        case asked
        /// The master was lost: the outcome is asked to the next one.
        case recovering
        /// It was committed as this TID, after the reconnection: its turn in the order of invalidations is to come.
        case committed(TID)
    }

    var operation: OperationID
    var ttid: TTID
    var written: OrderedDictionary<OID, Transaction.Written>
    /// Bytes of the records of ``written``.
    var writtenBytes: Int
    var state = State.asked
}
