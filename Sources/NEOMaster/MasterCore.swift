import NEOEngine
import NEOProtocol
import NEOTopology
import OrderedCollections

/// A master: it registers the nodes, owns the partition table, decides the state of the cluster and orders the commits
/// (`spec/master.md`). It keeps nothing on disk: all it knows comes from the storages, each time the cluster recovers.
///
/// ```
///            ┌──────────── no longer operational ────────────┐
///            ▼                                               │
///   RECOVERING ── enough storages ──▶ VERIFYING ──▶ RUNNING ─┘
///        └──────────────┴── an operator ──┴──▶ STOPPING ──▶ exit
/// ```
public struct MasterCore: NodeCore, Sendable {
    public typealias Job = Never
    public typealias JobResult = Never
    typealias Context = CoreContext<Never>

    let configuration: MasterConfiguration
    var connections = ConnectionTable<Pending>()
    var timestamps = MonotonicTime()

    // MARK: Registry
    var registry = NodeRegistry()
    /// This node.
    var ownKey: NodeKey
    /// Connections that did not identify, the oldest first.
    var unidentified: OrderedSet<ConnectionID> = []

    // MARK: Election
    var election = Election()

    // MARK: State of the cluster
    public internal(set) var clusterState = ClusterState.recovering
    /// Numbers the entries into RECOVERING.
    public internal(set) var period = 0
    /// Not filled as long as none was created or loaded.
    public internal(set) var table: PartitionTable
    /// The storages over which partitions are spread: those that have a cell or were added by an operator.
    var members: Set<NID> = []
    var recovery = Recovery()
    var records = TableRecords()
    var onlyStorage = OnlyStorage()
    var verification = Verification()
    var readiness = Readiness()
    /// Out-of-date cells whose storage asked what it has to wait for: only these can become up to date (`§10.6`).
    var updatable: Set<Cell> = []
    var transactions = TransactionTable()
    var delayed: [DelayedRequest] = []
    var packs = PackOrders()
    /// Storages that were dropped, as long as the operators who ordered it wait for the answer.
    var removals: [Removal] = []
    var departure = Departure.none

    /// How this master leaves.
    enum Departure: Hashable, Sendable {
        case none
        /// The process was asked to stop: it ends after the commits in progress, the cluster waits for another master.
        case requested
        /// All connections are closed, or being closed.
        case done
    }

    public init(_ configuration: MasterConfiguration) {
        self.configuration = configuration
        table = PartitionTable(partitions: configuration.partitions, replicas: configuration.replicas)
        ownKey = registry.add(
            Node(
                type: .master,
                address: configuration.bind,
                nid: configuration.nid ?? NID(.master, 1),
                state: .running
            )
        )
        for address in configuration.masters where registry[address] == nil {
            registry.add(Node(type: .master, address: address))
        }
    }

    /// The id of this master.
    public var nid: NID { registry[ownKey]?.node.nid ?? NID(.master, 1) }
    /// The address at which this master is known.
    public var address: NodeAddress { registry[ownKey]?.node.address ?? configuration.bind }
    public var knownMasters: [NodeAddress] { registry.all(of: .master).compactMap(\.node.address) }
    /// Whether this master leads the cluster, or believes so as long as it met no other one.
    public var isPrimary: Bool { election.isPrimary }
    /// The address of the primary master that accepted this one as its secondary.
    public var followed: NodeAddress? { election.secondary.flatMap { $0.isAccepted ? $0.target : nil } }
    /// The last committed transaction.
    public var lastTransaction: TID { transactions.last }

    public mutating func start(_ context: inout CoreContext<Never>) {
        context.effects.append(.listen(configuration.bind))
    }

    public mutating func handle(_ event: Event<Never>, _ context: inout CoreContext<Never>) {
        if departure == .done {
            if case .accepted(let id, _) = event { context.effects.append(.close(id)) }
            if case .closed(let id, _) = event { _ = connections.closed(id) }
            return
        }
        switch event {
        case .listening(let address):
            registry.update(ownKey) { $0.node.address = address }
            context.log(.info, "master of \(configuration.cluster) listens at \(address)")
            becomePrimary(&context)
        case .accepted(let id, let peer):
            accept(id, from: peer, &context)
        case .connected(let id):
            if connections.connected(id) { electionConnected(id, &context) }
        case .connectFailed(let id, let reason):
            if connections.closed(id) != nil { electionConnectionLost(id, reason, &context) }
        case .received(let id, let frame):
            receive(id, frame, &context)
        case .closed(let id, let reason):
            if connections.closed(id) != nil { connectionLost(id, "\(reason)", &context) }
        case .timerFired(let timer):
            timerFired(timer, &context)
        case .written: break
        case .stopRequested:
            leave(&context)
        }
        settle(&context)
    }

    /// Does what became possible.
    private mutating func settle(_ context: inout Context) {
        guard departure != .done else { return }
        if election.isPrimary, clusterState == .recovering { startIfPossible(&context) }
        if clusterState == .stopping { shutDownIfIdle(&context) }
        if departure == .requested, !transactions.hasPrepared {
            departure = .done
            context.log(.info, "no commit is in progress: this master leaves")
            context.exit(status: 0)
        }
    }

    /// SIGTERM or SIGINT: the commits in progress end first; a second signal does not wait.
    private mutating func leave(_ context: inout Context) {
        if departure == .requested || !transactions.hasPrepared {
            departure = .done
            context.exit(status: 0)
        } else {
            departure = .requested
            context.log(.info, "asked to stop: waiting for the end of the commits in progress")
        }
    }
}
