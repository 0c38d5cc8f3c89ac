import DequeModule
import NEOEngine
import NEOProtocol
import NEOTopology
import NIOCore
import OrderedCollections

/// The client of a cluster, without I/O: connections, record cache, loads and transactions (`spec/client.md §5–§14`).
///
/// The program's calls are methods that take an ``OperationID``; what they give comes out of ``takeCompletions()``.
/// Invalidations and the ends of commits come out of ``nextDelivery``, one at a time; ``lastTransaction`` follows what
/// was delivered, never what was only received, so that the rules R2 to R7 of `spec/client.md §3.9` hold whoever
/// delivers:
///
/// ```
///   packet of the master ──▶ cache, loading entries, lastTID ──▶ deliveries ──(program)──▶ lastTransaction
/// ```
public struct ClientCore: CallableCore {
    public typealias Job = Never
    public typealias JobResult = Never
    public typealias OperationResult = NEOClient.OperationResult
    public typealias Delivery = ClientDelivery

    /// The way to the primary master.
    enum MasterLink: Hashable, Sendable {
        /// Nobody needs it.
        case idle
        /// The next attempt is for later.
        case waiting
        case connecting(ConnectionID, NodeAddress)
        case identifying(ConnectionID, NodeAddress)
        /// The answer to AskLastTransaction ends the connection's beginning.
        case synchronizing(ConnectionID)
        case ready(ConnectionID)
    }

    /// What a connection is for.
    enum Role: Hashable, Sendable {
        case master
        case storage(NID)
    }

    /// What must be remembered of a request until its answer.
    enum Pending: Sendable {
        case identification
        case lastTransaction
        case sync(OperationID)
        case readBarrier(ReadID)
        case storeBarrier(TransactionID)
        case finalBarrier(OperationID)
        case newOIDs
        case begin(TransactionID)
        case failedVote(TransactionID)
        case finish(OperationID)
        case finalTID(OperationID)
        case waitForPack(OperationID, TID)
        case packOrders(OperationID, TID)
        case lastOID(OperationID)
        case read(ReadID)
        case write(TransactionID, NID, OID, attempt: Int)
        case relock(TransactionID, NID, OID)
        case vote(TransactionID, NID)
    }

    /// What waits for the primary master.
    enum MasterTask: Sendable {
        case lastTransaction(OperationID)
        case sync(OperationID)
        case newOIDs
        case begin(TransactionID, TID?)
        case load(OperationID, OID, Revision)
        case read(ReadID)
        case finalTID(OperationID)
        case waitForPack(OperationID, TID)
        case packOrders(OperationID, TID)
        case lastOID(OperationID)
        case storeBarrier(TransactionID)
    }

    enum QueuedDelivery: Sendable {
        /// Once it is delivered, the last transaction is this one.
        case delivery(ClientDelivery, TID)
        /// An operation that ends once all before is delivered.
        case barrier(OperationID, wantsTID: Bool)
    }

    typealias Context = CoreContext<Never>

    enum Timer {
        static let masterRetry = TimerID(1)
        static let waitTimeout = TimerID(2)
        static let stalledReads = TimerID(3)
        static let slowReads = TimerID(4)
    }

    public let configuration: ClientConfiguration
    var connections = ConnectionTable<Pending>()
    var roles: [ConnectionID: Role] = [:]

    // The master.
    var master = MasterLink.idle
    var masters: KnownMasters
    var nextMaster = 0
    var primaryHint: NodeAddress?
    var failedAttempts = 0
    /// Which master was lost last, and why: for the texts of errors.
    var masterFailure: String?
    /// Whether the timer of ``ClientConfiguration/waitTimeoutMilliseconds`` runs.
    var isSearchLimited = false
    var waitingForMaster: [MasterTask] = []
    var nid: NID?
    var idTimestamp: Double?
    var nodes = NodeTable()
    var partitions: PartitionTable?

    // The order of transactions.
    /// The last transaction whose effects are in the cache; nil before the first connection.
    var lastTID: TID?
    /// The last transaction that the program was completely told of.
    public private(set) var lastTransaction: TID?
    var ignoresInvalidations = true
    var deliveries = Deque<QueuedDelivery>()

    // Reading.
    public internal(set) var cache: RecordCache
    /// What an earlier process knew, until it is checked.
    var savedCache: SavedCacheCheck?
    var loading: [OID: Loading] = [:]
    /// Loads that could see a transaction that is not delivered yet.
    var undeliveredLoads: [LoadRequest] = []
    var links: OrderedDictionary<NID, StorageLink> = [:]
    var failureMarks: [NID: Instant] = [:]
    /// Why the last connection with a storage ended: for the texts of errors.
    var storageFailures: [NID: String] = [:]
    var reads: OrderedDictionary<ReadID, Read> = [:]
    var batches: [OperationID: ReadBatch] = [:]
    var lastRead: UInt64 = 0
    var stalledReads: [ReadID] = []
    /// Whether the timer runs that looks for reads that wait.
    var isWatchingReads = false

    // Writing.
    var transactions: OrderedDictionary<TransactionID, Transaction> = [:]
    var finishes: OrderedDictionary<OperationID, Finish> = [:]
    /// Those whose outcome is to be asked to the master once it has told that of another one.
    var waitingFinalTIDs: Deque<OperationID> = []
    var isAskingFinalTID = false
    var availableOIDs: [OID] = []
    var newOIDOperations: Deque<OperationID> = []
    var isAskingOIDs = false

    private var completions: [Completion<OperationResult>] = []

    public init(configuration: ClientConfiguration) {
        self.configuration = configuration
        self.masters = KnownMasters(configuration.masters)
        self.cache = RecordCache(maximumBytes: configuration.cacheBytes)
    }

    // MARK: Operations and deliveries

    mutating func complete(_ operation: OperationID, _ result: OperationResult) {
        completions.append(Completion(operation, result))
    }

    mutating func fail(_ operation: OperationID, _ error: ClientError) {
        complete(operation, .failed(error))
    }

    public mutating func takeCompletions() -> [Completion<OperationResult>] {
        guard !completions.isEmpty else { return [] }
        defer { completions.removeAll(keepingCapacity: true) }
        return completions
    }

    public var nextDelivery: ClientDelivery? {
        if case .delivery(let delivery, _)? = deliveries.first { delivery } else { nil }
    }

    /// ``lastTransaction``; 2^64-1 as long as it is not known, or who asks for it has to wait.
    public var publishedValue: UInt64 { (isInvalidatingAll ? .invalid : lastTransaction ?? .invalid).rawValue }

    /// Whether the program is being told that nothing which it keeps is known to be current. Who asks for the last
    /// transaction meanwhile waits: what it would do with an old one could be told too late to become invalid.
    var isInvalidatingAll: Bool {
        if case .invalidateAll? = nextDelivery { true } else { false }
    }

    /// The masters of the configuration, and those that were learnt of since, without those that left.
    public var knownMasters: [NodeAddress] { masters.addresses }

    mutating func deliver(_ delivery: ClientDelivery, then tid: TID) {
        deliveries.append(.delivery(delivery, tid))
    }

    /// Ends `operation` once all that was received is delivered.
    mutating func addBarrier(_ operation: OperationID, wantsTID: Bool = false) {
        deliveries.append(.barrier(operation, wantsTID: wantsTID))
        passBarriers()
    }

    private mutating func passBarriers() {
        while case .barrier(let operation, let wantsTID)? = deliveries.first {
            deliveries.removeFirst()
            complete(operation, wantsTID ? .lastTransaction(lastTransaction ?? .zero) : .done)
        }
    }

    public mutating func delivered(_ context: inout CoreContext<Never>) {
        guard case .delivery(let delivery, let tid)? = deliveries.popFirst() else { return }
        lastTransaction = tid
        if case .finished(let operation, let tid) = delivery { complete(operation, .finished(tid)) }
        passBarriers()
        guard !undeliveredLoads.isEmpty else { return }
        let loads = undeliveredLoads
        undeliveredLoads = []
        for load in loads {
            self.load(load, &context)
        }
    }

    /// Whether a load of `revision` could return what the program was not told of (R5).
    func isUndelivered(_ revision: Revision) -> Bool {
        guard nextDelivery != nil else { return false }
        switch revision {
        // What is current is about to change: a reader that came after the commit must not miss it.
        case .current: return true
        case .before(let tid): return tid.rawValue > (lastTransaction?.rawValue ?? 0) &+ 1
        case .at(let tid): return tid > lastTransaction ?? .zero
        }
    }

    // MARK: Events

    /// A client does nothing until it is called.
    public mutating func start(_ context: inout CoreContext<Never>) {}

    public mutating func handle(_ event: Event<Never>, _ context: inout CoreContext<Never>) {
        switch event {
        case .connected(let id):
            guard connections.connected(id), let role = roles[id] else { return }
            switch role {
            case .master: identifyToMaster(id, &context)
            case .storage(let nid): identifyToStorage(id, nid, &context)
            }
        case .connectFailed(let id, let reason):
            closed(id, reason: reason, isFailure: true, &context)
        case .closed(let id, let reason):
            closed(id, reason: reason.description, isFailure: false, &context)
        case .received(let id, let frame):
            received(id, frame, &context)
        case .timerFired(let timer):
            switch timer {
            case Timer.masterRetry: retryMaster(&context)
            case Timer.waitTimeout: expireWaiting()
            case Timer.stalledReads: retryStalledReads(&context)
            case Timer.slowReads: repeatSlowReads(&context)
            default: break
            }
        case .listening, .accepted, .written, .jobCompleted: break
        case .stopRequested: close(&context)
        }
    }

    private mutating func closed(_ id: ConnectionID, reason: String, isFailure: Bool, _ context: inout Context) {
        guard let connection = connections.closed(id) else { return }
        ended(connection, reason: reason, &context)
    }

    /// A connection is over and out of the table.
    mutating func ended(_ connection: Connection<Pending>, reason: String, _ context: inout Context) {
        switch roles.removeValue(forKey: connection.id) {
        case .master: masterClosed(connection, reason: reason, &context)
        case .storage(let nid): storageClosed(connection, nid, reason: reason, &context)
        case nil: break
        }
    }

    /// Closes a connection whose peer broke the protocol.
    mutating func drop(_ id: ConnectionID, _ reason: String, _ context: inout Context) {
        guard let connection = connections.closeAfterFlush(id, &context) else { return }
        context.log(.warning, "closing the connection with \(connection.peer): \(reason)")
        ended(connection, reason: reason, &context)
    }

    private mutating func received(_ id: ConnectionID, _ frame: Frame, _ context: inout Context) {
        guard let role = roles[id] else { return }
        if case .storage(let nid) = role { links[nid]?.readSince = nil }
        switch connections.receive(id, frame, &context) {
        case .dropped:
            break
        case .packet(let request, let packet):
            switch role {
            case .master: receivedFromMaster(id, request, packet, &context)
            case .storage(let nid): receivedFromStorage(id, nid, request, packet, &context)
            }
        case .answer(let packet, let pending):
            answered(id, packet, pending, &context)
        case .failure(let error, let pending):
            failed(id, error, pending, &context)
            // The peer closes after this error: what would be sent meanwhile would be lost (`spec/client.md §6.6`).
            if error.code == .protocolError, connections[id] != nil { drop(id, error.message, &context) }
        case .complaint(let error):
            drop(id, "unexpected error \(error.code.name): \(error.message)", &context)
        case .unexpectedAnswer(_, let packet):
            // Masters of the reference give an answer that they delayed the id of the last request (`§20.33`).
            if role == .master, case .answerFinalTID(let answer) = packet,
                case .finalTID(let operation)? = connections.takeRequest(
                    id,
                    where: { if case .finalTID = $0 { true } else { false } }
                )
            {
                return finalTIDFromMaster(operation, answer.tid, &context)
            }
            drop(id, "unexpected answer \(packet.code)", &context)
        }
    }

    private mutating func answered(_ id: ConnectionID, _ packet: Packet, _ pending: Pending, _ context: inout Context) {
        switch (pending, packet) {
        case (.identification, .acceptIdentification(let answer)):
            switch roles[id] {
            case .master: acceptedByMaster(id, answer, &context)
            case .storage(let nid): acceptedByStorage(id, nid, answer, &context)
            case nil: break
            }
        case (.lastTransaction, .answerLastTransaction(let answer)): synchronized(id, answer.tid, &context)
        case (.sync(let operation), _): addBarrier(operation)
        case (.readBarrier(let read), _): restartRead(read, &context)
        case (.storeBarrier(let transaction), _): storeBarrierPassed(transaction, &context)
        case (.finalBarrier(let operation), _): finalBarrierPassed(operation)
        case (.newOIDs, .answerNewOIDs(let answer)): receivedOIDs(answer.oids, &context)
        case (.begin(let transaction), .answerBeginTransaction(let answer)):
            began(transaction, answer.ttid, on: id, &context)
        case (.failedVote(let transaction), _): failuresReported(transaction, &context)
        case (.finish(let operation), .answerTransactionFinished(let answer)): finished(operation, answer.tid)
        case (.finalTID(let operation), .answerFinalTID(let answer)):
            finalTIDFromMaster(operation, answer.tid, &context)
        case (.waitForPack(let operation, _), _): complete(operation, .done)
        case (.packOrders(let operation, _), .answerPackOrders(let answer)):
            complete(operation, .packOrders(answer.orders))
        case (.lastOID(let operation), .answerLastIDs(let answer)):
            complete(operation, .lastOID(answer.lastOID))
        case (.read(let read), _): readAnswered(read, packet, &context)
        case (.write(let transaction, let nid, let oid, let attempt), .answerStoreObject(let answer)):
            writeAnswered(transaction, nid, oid, attempt, answer.conflict, &context)
        case (.write(let transaction, let nid, let oid, let attempt), .answerCheckCurrentSerial(let answer)):
            writeAnswered(transaction, nid, oid, attempt, answer.conflict, &context)
        case (.relock(let transaction, let nid, let oid), .answerRelockObject(let answer)):
            relockAnswered(transaction, nid, oid, answer.conflict, &context)
        case (.vote(let transaction, let nid), _): voteAnswered(transaction, nid, &context)
        default: drop(id, "\(packet.code) does not answer its request", &context)
        }
    }

    private mutating func failed(
        _ id: ConnectionID,
        _ error: ErrorPacket,
        _ pending: Pending,
        _ context: inout Context
    ) {
        let peer = connections[id]?.peer.description ?? "?"
        let failure = ClientError(error, from: peer)
        switch pending {
        case .identification:
            switch roles[id] {
            case .master: refusedByMaster(id, error, failure, &context)
            case .storage: drop(id, "identification refused: \(failure.message)", &context)
            case nil: break
            }
        case .lastTransaction: drop(id, failure.message, &context)
        case .sync(let operation), .waitForPack(let operation, _), .packOrders(let operation, _),
            .lastOID(let operation):
            fail(operation, failure)
        case .readBarrier(let read): endRead(read, .failure(failure), &context)
        case .storeBarrier(let transaction), .failedVote(let transaction):
            failTransaction(transaction, failure, &context)
        case .finalBarrier(let operation): finalBarrierPassed(operation)
        case .newOIDs: newOIDsFailed(failure)
        case .begin(let transaction): beginFailed(transaction, failure)
        case .finish(let operation): finishFailed(operation, failure)
        case .finalTID(let operation):
            // That the question is refused says nothing about the commit, whatever the error means elsewhere.
            outcomeUnknown(operation, failure.message)
            askNextFinalTID(&context)
        case .read(let read): readFailed(read, error, failure, &context)
        case .write(let transaction, let nid, _, _), .relock(let transaction, let nid, _),
            .vote(let transaction, let nid):
            transactions[transaction]?.count(nid, -1)
            failTransaction(transaction, failure, &context)
        }
    }

    // MARK: Close

    /// Closes all connections and ends all operations. Nothing is told to the cluster, which notices.
    public mutating func close(_ context: inout CoreContext<Never>) {
        for connection in connections.all {
            roles[connection.id] = nil
            connections.close(connection.id, &context)
        }
        for timer in [Timer.masterRetry, Timer.waitTimeout, Timer.stalledReads, Timer.slowReads] {
            context.cancelTimer(timer)
        }
        for task in waitingForMaster {
            switch task {
            case .lastTransaction(let operation), .sync(let operation), .load(let operation, _, _),
                .waitForPack(let operation, _), .packOrders(let operation, _), .lastOID(let operation):
                fail(operation, .closed)
            case .newOIDs, .begin, .read, .finalTID, .storeBarrier: break
            }
        }
        for operation in newOIDOperations { fail(operation, .closed) }
        for (_, transaction) in transactions {
            if let operation = transaction.waitingOperation { fail(operation, .closed) }
        }
        for (operation, _) in finishes {
            fail(
                operation,
                ClientError(.outcomeUnknown, "the client was closed while a transaction was being finished")
            )
        }
        for (_, read) in reads { failOwner(of: read, .closed) }
        for load in undeliveredLoads { if let operation = load.operation { fail(operation, .closed) } }
        for delivery in deliveries {
            switch delivery {
            // It is committed; nobody can be told any more.
            case .delivery(.finished(let operation, let tid), _): complete(operation, .finished(tid))
            case .delivery: break
            case .barrier(let operation, _): fail(operation, .closed)
            }
        }
        waitingForMaster = []
        newOIDOperations = []
        transactions = [:]
        finishes = [:]
        waitingFinalTIDs = []
        isAskingFinalTID = false
        reads = [:]
        batches = [:]
        loading = [:]
        links = [:]
        undeliveredLoads = []
        deliveries = []
        stalledReads = []
        master = .idle
        partitions = nil
    }
}
