import DequeModule
import NEODatabase
import NEOEngine
import NEOProtocol
import NEOTopology
import OrderedCollections

/// A storage node: keeps some partitions of the objects and transactions of a cluster (`spec/storage.md`).
///
/// ```
///        ┌───────────────────────────────────────────────────────────────┐
///        ▼                                                               │
///   bootstrap ──identified──▶ initialisation ──StartOperation──▶ operation
///        ▲                        ▲    │                             │
///        │                        └────│─────── StopOperation ───────┤
///        └──────── master lost ────────┴─────────────────────────────┘
///                                      any ──told DOWN, stopped──▶ leaving
/// ```
///
/// Reads are answered in the call that brings the question. Changes are jobs for the writer of the database, which are
/// applied in the order in which they were submitted; what the core knows of a transaction is ahead of the database,
/// and its locks are kept until readers see what it did.
public struct StorageCore: NodeCore, Sendable {
    public typealias Job = DatabaseJob
    public typealias JobResult = DatabaseJobResult
    typealias Context = CoreContext<DatabaseJob>

    /// What a request was sent for.
    enum Pending: Hashable, Sendable {
        case identification
        /// Transactions that began before these partitions are replicated.
        case unfinishedTransactions([PartitionID], request: UInt64)
        /// The pack order that follows the last one of our cells.
        case packOrders(after: TID, period: UInt64)
        /// With another storage.
        case storageIdentification(NID)
        /// A chunk of a replication.
        case fetch(RoundID)
        /// A digest for the comparison of cells.
        case check(serial: UInt64)
    }

    /// What is accepted from the master and from others.
    enum Phase: Hashable, Sendable {
        /// Looking for the primary master.
        case bootstrap
        /// Known to the master; the cluster is RECOVERING or VERIFYING, or this node has to wait.
        case initialisation
        /// Serving.
        case operation
        /// The database is being closed; nothing is accepted.
        case leaving
    }

    /// The primary master, or the search for it.
    enum MasterLink: Hashable, Sendable {
        /// The listening address is not known yet.
        case starting
        case waiting
        case attempting(ConnectionID)
        case connected(ConnectionID)
    }

    enum Timer {
        static let search = TimerID(1)
        /// A master that was connected to and says nothing.
        static let identification = TimerID(2)
        /// Transactions that are unlocked, not durable.
        static let flush = TimerID(3)
        /// Connections that do not identify.
        static let unidentified = TimerID(4)
        /// Between two slices of background work.
        static let background = TimerID(5)
        /// Sources that failed can be tried again, or there may be room on the disk again.
        static let replication = TimerID(6)
        /// Clients had their time.
        static let replicationRest = TimerID(7)
        /// The next slice of what other storages asked.
        static let serving = TimerID(8)
        /// Connections with other storages.
        static let links = TimerID(9)
        /// The next slice of an own digest.
        static let check = TimerID(10)
    }

    static let identificationMilliseconds: UInt64 = 10_000
    /// How long an unlocked transaction may wait for a commit (`spec/storage.md §9.9`).
    static let flushMilliseconds: UInt64 = 1000
    /// A write that waited longer is told in the log.
    static let slowStoreMilliseconds: UInt64 = 2000

    let configuration: StorageConfiguration
    let reader: any DatabaseReader

    // What the node is.
    var address: NodeAddress
    var nid: NID?
    /// The greatest id of a storage that this one heard of.
    var lastNID: NID?
    var phase = Phase.bootstrap
    var link = MasterLink.starting
    var search: PrimarySearch
    var connections = ConnectionTable<Pending>()

    // What the master told.
    var nodes = NodeTable()
    var clusterState: ClusterState?
    /// Nil: there is none yet.
    var table: PartitionTable?
    /// By partition: whether this node can serve it.
    var readable: [Bool] = []
    /// No other storage has a cell.
    var isAlone = false
    /// Non-nil in backup mode.
    var backupTID: TID?
    var lastPackID = TID.zero
    /// What was told to the master in this period.
    var completedPackID: TID?
    /// Partitions whose data is to be deleted.
    var dropQueue = DropQueue()

    // The database.
    var jobs = JobLedger()
    /// Number of the period of operation: what was begun in an older one is void.
    var period: UInt64 = 0
    /// Packets of the master wait for this job.
    var gate: DatabaseJob.ID?
    var backlog: Deque<Frame> = []
    /// When the oldest transaction that is unlocked and not durable was unlocked.
    var unflushedSince: Instant?
    var isFlushTimerRunning = false
    var space: SpaceWatch

    // Works behind the service of clients.
    var background = BackgroundLane()
    var packing = Packing()
    var repair: Repair?
    /// Requests of clients so far: whether somebody is in the way.
    var clientRequests: UInt64 = 0

    // Those who use it.
    var peers: [ConnectionID: Peer] = [:]
    /// Since when connections wait to be identified, the oldest first.
    var unidentified: OrderedDictionary<ConnectionID, Instant> = [:]
    /// The connections of clients and storages of the cluster.
    var attached: [NID: ConnectionID] = [:]
    var delayedIdentifications: [DelayedIdentification] = []
    var transactions = TransactionTable()
    var delayedReads = DelayedQueue<DelayedRead>()
    var delayedWrites = DelayedQueue<DelayedWrite>()

    // Other storages.
    var links = StorageLinks()
    var replicator: Replicator
    var replicationQueue = ReplicationQueue()
    var serving = ServedRequests()
    var pace = ReplicationPace()
    /// Comparisons of cells that were ordered.
    var checkOrders: Deque<CheckPartition> = []
    var currentCheck: ReplicaCheck?
    var lastCheck: UInt64 = 0

    /// - Parameter reader: of the database whose writer completes the jobs.
    public init(_ configuration: StorageConfiguration, reader: any DatabaseReader) {
        self.configuration = configuration
        self.reader = reader
        address = configuration.bind
        search = PrimarySearch(masters: configuration.masters)
        space = SpaceWatch(reserve: configuration.reservedBytes)
        replicator = Replicator(configuration.replication)
    }

    public var knownMasters: [NodeAddress] { search.masters }

    /// Whether clients are served.
    public var isServing: Bool { phase == .operation }

    public mutating func start(_ context: inout CoreContext<DatabaseJob>) {
        attempting(&context) { core, context in
            let recorded = try core.reader.configuration()
            // The id in a copied database is that of another node.
            core.nid = core.isCopy ? nil : core.configuration.nid ?? recorded.nid
            core.lastNID = recorded.lastNID
            core.backupTID = recorded.backupTID
            context.effects.append(.listen(core.configuration.bind))
        }
    }

    public mutating func handle(_ event: Event<DatabaseJobResult>, _ context: inout CoreContext<DatabaseJob>) {
        if phase == .leaving {
            if case .jobCompleted(let result) = event { attempting(&context) { try $0.completed(result, &$1) } }
            return
        }
        attempting(&context) { try $0.process(event, &$1) }
    }

    private mutating func process(_ event: Event<DatabaseJobResult>, _ context: inout Context) throws {
        switch event {
        case .listening(let address):
            self.address = address
            attempt(&context)
        case .accepted(let id, let peer):
            try accepted(id, from: peer, &context)
        case .connected(let id):
            guard connections.connected(id) else { return }
            if let peer = links.nid(of: id) { introduce(id, to: peer, &context) } else { try identify(id, &context) }
        case .connectFailed(let id, let reason):
            if let connection = connections.closed(id) { try lost(connection, reason, &context) }
        case .received(let id, let frame): try received(id, frame, &context)
        case .closed(let id, let reason):
            if let connection = connections.closed(id) { try lost(connection, "\(reason)", &context) }
        case .written(let id): written(id, &context)
        case .timerFired(let timer): try fired(timer, &context)
        case .jobCompleted(let result): try completed(result, &context)
        case .stopRequested:
            context.log(.info, "stopping: asked to")
            leave(.flush, status: 0, &context)
        }
    }

    /// Ends the node if the database cannot be read: it must not serve what it does not know.
    private mutating func attempting(
        _ context: inout Context,
        _ work: (inout Self, inout Context) throws -> Void
    ) {
        do {
            try work(&self, &context)
        } catch {
            context.log(.error, "the database cannot be used: \(error)")
            phase = .leaving
            context.exit(status: 1)
        }
    }

    private mutating func fired(_ timer: TimerID, _ context: inout Context) throws {
        switch timer {
        case Timer.search: if link == .waiting { attempt(&context) }
        case Timer.identification:
            guard case .attempting(let id) = link, let connection = connections.close(id, &context) else { return }
            try lost(connection, "no answer to the identification", &context)
        case Timer.flush: flushIfLate(&context)
        case Timer.unidentified: try closeUnidentified(&context)
        case Timer.background: try rested(&context)
        case Timer.replication:
            try replicateNext(&context)
            try fetchNext(&context)
        case Timer.replicationRest: replicationRested(&context)
        case Timer.serving: try serveNext(&context)
        case Timer.links: try checkLinks(&context)
        case Timer.check: try digestNext(&context)
        default: break
        }
    }

    private mutating func received(_ id: ConnectionID, _ frame: Frame, _ context: inout Context) throws {
        if id.direction == .outgoing, gate != nil, isMaster(id) {
            try postpone(frame, from: id, &context)
            return
        }
        try dispatch(id, frame, &context)
    }

    /// Handles a packet, once all that the same peer sent before was.
    mutating func dispatch(_ id: ConnectionID, _ frame: Frame, _ context: inout Context) throws {
        if case .ping = frame.packet, isMaster(id), !jobs.isEmpty {
            // So a master finds out what is on the disk: as for a node that records each table before the next packet.
            submit(.flush, then: .answer(id, request: frame.id, Pong().packet), &context)
            return
        }
        switch connections.receive(id, frame, &context) {
        case .dropped: break
        case .packet(let request, let packet):
            if id.direction == .incoming || peers[id] != nil {
                try requested(id, request, packet, &context)
            } else if links.nid(of: id) != nil {
                try violation(id, request, "expected to be accepted, got \(packet.code)", &context)
            } else {
                try told(id, request, packet, &context)
            }
        case .answer(let packet, let pending): try answered(id, packet, to: pending, &context)
        case .failure(let error, let pending): try failed(id, error, of: pending, &context)
        case .complaint(let error):
            guard error.code != .ack, error.code != .protocolError else {
                context.log(.warning, "complaint of \(name(id)): \(error.code.name) \(error.message)")
                return
            }
            try violation(id, frame.id, "unexpected error \(error.code.name) \(error.message)", &context)
        case .unexpectedAnswer(let answer, let packet):
            try violation(id, answer, "unexpected answer \(packet.code)", &context)
        }
    }

    /// Leaves in good order: no connection, the database complete, then the end of the process.
    mutating func leave(_ last: DatabaseJob.Operation, status: Int32, _ context: inout Context) {
        for connection in connections.all { connections.closeAfterFlush(connection.id, &context) }
        phase = .leaving
        // What was to follow the jobs under way is void: after an erasure nothing may be written.
        period &+= 1
        submit(last, then: .exit(status: status), &context)
    }

    // MARK: Ends of connections

    /// Ends a connection whose peer does what it must not.
    mutating func violation(
        _ id: ConnectionID,
        _ packet: UInt32,
        _ message: String,
        _ context: inout Context
    ) throws {
        try refuse(id, packet, .protocolError, message, &context)
    }

    /// Says why, then ends the connection.
    mutating func refuse(
        _ id: ConnectionID,
        _ packet: UInt32,
        _ code: ErrorCode,
        _ message: String,
        _ context: inout Context
    ) throws {
        context.log(code == .notReady ? .info : .warning, "\(name(id)): \(message)")
        guard let connection = connections.abort(id, about: packet, code, message, &context) else { return }
        try lost(connection, message, &context)
    }

    /// Ends a connection without a word: a client of the reference does not survive an error about a notification
    /// (`spec/protocol.md §17`, item 1).
    mutating func close(_ id: ConnectionID, _ reason: String, _ context: inout Context) throws {
        context.log(.info, "\(name(id)): \(reason)")
        guard let connection = connections.closeAfterFlush(id, &context) else { return }
        try lost(connection, reason, &context)
    }

    /// What to do once a connection is over, whoever ended it.
    mutating func lost(_ connection: Connection<Pending>, _ reason: String, _ context: inout Context) throws {
        switch link {
        case .connected(connection.id): masterLost(reason, &context)
        case .attempting(connection.id):
            context.cancelTimer(Timer.identification)
            context.log(.debug, "master \(connection.peer): \(reason)")
            attempt(&context)
        default:
            try peerLost(connection.id, &context)
            try linkLost(connection.id, reason, &context)
        }
    }

    func isMaster(_ id: ConnectionID) -> Bool { link == .connected(id) }

    func name(_ id: ConnectionID) -> String {
        let who = peers[id]?.nid.map(\.description) ?? (isMaster(id) ? "primary master" : "peer")
        return connections[id].map { "\(who) \($0.peer) (\(id))" } ?? "\(who) (\(id))"
    }
}
