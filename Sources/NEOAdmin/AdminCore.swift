import NEOEngine
import NEOProtocol
import NEOTopology

/// An administration node: the door of a cluster for `neoctl` (`spec/tools.md §10`).
///
/// It follows the primary master, answers by itself what it knows, and forwards the rest with ids of its own.
///
/// ```
///   searching ──AcceptIdentification──▶ connected
///       ▲                                   │
///       └──────── master lost ──────────────┘──▶ exit, if the cluster is STOPPING
/// ```
public struct AdminCore: NodeCore, Sendable {
    public typealias Job = Never
    public typealias JobResult = Never

    /// What a request was sent for.
    enum Pending: Hashable, Sendable {
        case identification
        case clusterState
        /// A request of somebody else, with its id.
        case forwarded(requester: ConnectionID, request: UInt32)
        case monitoredRecovery
        case monitoredLastTransaction
    }

    /// The primary master, or the search for it.
    enum Link: Hashable, Sendable {
        /// The listening address is not known yet.
        case starting
        case waiting
        case attempting(ConnectionID)
        case connected(ConnectionID, NID)
    }

    /// A connection that this node accepted.
    struct Requester: Hashable, Sendable {
        var lastUse: Instant
        /// Requests that wait for an answer.
        var pendingCount = 0
    }

    /// A request for the state of the cluster that waits for the monitor.
    struct Report: Hashable, Sendable {
        var requester: ConnectionID
        var request: UInt32
    }

    enum Timer {
        static let search = TimerID(1)
        /// A master that was connected to and says nothing.
        static let identification = TimerID(2)
        /// A master that does not answer the questions of the monitor.
        static let monitor = TimerID(3)
    }

    static let identificationMilliseconds: UInt64 = 10_000
    static let monitorMilliseconds: UInt64 = 60_000
    static let notConnected = "Not connected to a primary master."

    let configuration: AdminConfiguration
    /// Where this node listens, told to the master.
    var address: NodeAddress
    /// Given by the master.
    var nid: NID?
    var connections = ConnectionTable<Pending>()
    var link = Link.starting
    var search: PrimarySearch
    var nodes = NodeTable()
    /// Kept while there is no master.
    var table: PartitionTable?
    var monitor = ClusterMonitor()
    var reports: [Report] = []
    /// Whether questions of the monitor are unanswered.
    var isQuerying = false
    var requesters: [ConnectionID: Requester] = [:]

    public init(_ configuration: AdminConfiguration) {
        self.configuration = configuration
        address = configuration.bind
        nid = configuration.nid
        search = PrimarySearch(masters: configuration.masters)
    }

    public var knownMasters: [NodeAddress] { search.masters }

    public mutating func start(_ context: inout CoreContext<Never>) {
        context.effects.append(.listen(configuration.bind))
    }

    public mutating func handle(_ event: Event<Never>, _ context: inout CoreContext<Never>) {
        switch event {
        case .listening(let address):
            self.address = address
            attempt(&context)
        case .accepted(let id, let peer): accept(id, from: peer, &context)
        case .connected(let id):
            if connections.connected(id) { identify(id, &context) }
        case .connectFailed(let id, let reason):
            if let connection = connections.closed(id) { lost(connection, reason, &context) }
        case .received(let id, let frame): received(id, frame, &context)
        case .closed(let id, let reason):
            if let connection = connections.closed(id) { lost(connection, "\(reason)", &context) }
        case .timerFired(let timer): fired(timer, &context)
        case .written: break
        case .stopRequested:
            context.log(.info, "stopping: asked to")
            context.exit(status: 0)
        }
    }

    private mutating func fired(_ timer: TimerID, _ context: inout CoreContext<Never>) {
        switch timer {
        case Timer.search: attempt(&context)
        case Timer.identification:
            guard case .attempting(let id) = link, let connection = connections.close(id, &context) else { return }
            lost(connection, "no answer to the identification", &context)
        case Timer.monitor: monitorTimedOut(&context)
        default: break
        }
    }

    private mutating func received(_ id: ConnectionID, _ frame: Frame, _ context: inout CoreContext<Never>) {
        requesters[id]?.lastUse = context.now
        switch connections.receive(id, frame, &context) {
        case .dropped: break
        case .answer(let packet, let pending): answered(id, packet, to: pending, &context)
        case .failure(let error, let pending): failed(id, error, of: pending, &context)
        case .packet(let request, let packet):
            if id.direction == .incoming {
                requested(id, request, packet, &context)
            } else {
                told(id, request, packet, &context)
            }
        case .complaint(let error):
            switch error.code {
            case .ack, .protocolError:
                context.log(.warning, "complaint of \(peer(id)): \(error.code.name) \(error.message)")
            default: violation(id, frame.id, "unexpected error: \(error.code.name) \(error.message)", &context)
            }
        case .unexpectedAnswer(let answer, let packet):
            violation(id, answer, "unexpected answer: \(packet.code)[\(answer)]", &context)
        }
    }

    /// Ends a connection whose peer does what it must not.
    mutating func violation(
        _ id: ConnectionID,
        _ packet: UInt32,
        _ message: String,
        _ context: inout CoreContext<Never>
    ) {
        context.log(.warning, "\(peer(id)): \(message)")
        guard let connection = connections.abort(id, about: packet, .protocolError, message, &context) else { return }
        lost(connection, message, &context)
    }

    func peer(_ id: ConnectionID) -> String { connections[id].map { "\($0.peer) (\(id))" } ?? "\(id)" }
}
