import NEODatabase
import NEOEngine
import NEOProtocol
import OrderedCollections

/// A request of another storage that is served by and by.
struct ServedRequest: Sendable {
    enum Kind: Sendable {
        case transactions(AskFetchTransactions)
        case objects(AskFetchObjects)
        case transactionDigest(AskCheckTIDRange)
        case objectDigest(AskCheckSerialRange)
    }

    /// What is left to do.
    enum Progress: Sendable {
        /// Nothing was read yet.
        case waiting
        /// Rows that the peer lacks, the last one first, then the answer.
        case sending([ObjectRecordID], then: Packet)
        case digesting(CellDigest)
    }

    let connection: ConnectionID
    let request: UInt32
    let kind: Kind
    var progress = Progress.waiting

    var partition: PartitionID {
        switch kind {
        case .transactions(let ask): ask.partition
        case .objects(let ask): ask.partition
        case .transactionDigest(let ask): ask.partition
        case .objectDigest(let ask): ask.partition
        }
    }

    var through: TID {
        switch kind {
        case .transactions(let ask): ask.max
        case .objects(let ask): ask.max
        case .transactionDigest(let ask): ask.max
        case .objectDigest(let ask): ask.max
        }
    }

    var length: Int {
        switch kind {
        case .transactions(let ask): ask.length
        case .objects(let ask): ask.length
        case .transactionDigest(let ask): ask.length
        case .objectDigest(let ask): ask.length
        }
    }

    /// Rows that the peer said to have: what it makes this node keep.
    var knownCount: Int {
        switch kind {
        case .transactions(let ask): ask.have.count
        case .objects(let ask): ask.have.values.reduce(0) { $0 + $1.count }
        case .transactionDigest, .objectDigest: 0
        }
    }

    /// Whether transactions on their way to history are waited for: the peer can know of a commit before this node has
    /// published it. Later requests of the same range cannot meet one (`spec/replication.md §4.9, §4.10, §8.4`).
    var waitsForTransactions: Bool {
        switch kind {
        case .transactions, .transactionDigest: true
        case .objects, .objectDigest: false
        }
    }

    /// The code of a refusal.
    var refusal: ErrorCode {
        switch kind {
        case .transactions, .objects: .replicationError
        case .transactionDigest, .objectDigest: .checkingError
        }
    }
}

/// The requests of other storages, served in turn.
struct ServedRequests: Sendable {
    /// Requests of one connection, and rows in their lists.
    static let requestsPerConnection = 64
    static let knownRowsPerConnection = 4 << 20

    private var requests: [ServedRequest] = []
    /// Bytes sent on a connection since its peer was known to have read everything.
    private var sent: [ConnectionID: Int] = [:]
    /// Connections whose peer has to read first.
    private var congested: Set<ConnectionID> = []
    var isTimerRunning = false

    var isEmpty: Bool { requests.isEmpty }

    /// - Returns: false if there are too many.
    mutating func append(_ request: ServedRequest) -> Bool {
        let own = requests.filter { $0.connection == request.connection }
        guard own.count < Self.requestsPerConnection,
            own.reduce(request.knownCount, { $0 + $1.knownCount }) <= Self.knownRowsPerConnection
        else { return false }
        requests.append(request)
        return true
    }

    /// Takes the next request that can be worked at: to be put back with ``putBack(_:)`` if it is not over.
    mutating func take(where isPossible: (ServedRequest) -> Bool) -> ServedRequest? {
        let index = requests.firstIndex { !congested.contains($0.connection) && isPossible($0) }
        return index.map { requests.remove(at: $0) }
    }

    /// - Parameter isFirst: its turn goes on.
    mutating func putBack(_ request: ServedRequest, isFirst: Bool) {
        if isFirst { requests.insert(request, at: 0) } else { requests.append(request) }
    }

    mutating func removeAll(of connection: ConnectionID) {
        requests.removeAll { $0.connection == connection }
        sent[connection] = nil
        congested.remove(connection)
    }

    /// - Returns: whether the peer must read before anything else is sent.
    mutating func count(_ bytes: Int, on connection: ConnectionID, limit: Int) -> Bool {
        sent[connection, default: 0] += bytes
        guard sent[connection, default: 0] >= limit else { return false }
        return congested.insert(connection).inserted
    }

    mutating func written(_ connection: ConnectionID) {
        sent[connection] = nil
        congested.remove(connection)
    }
}
