import NEOAdmin
import NEOEngine
import NEOProtocol

/// Drives an administration node by events, and gives what it sends.
struct AdminScenario {
    var core: AdminCore
    var now: UInt64 = 0
    private var effects: [Effect<Never>] = []

    static let masterA = NodeAddress(host: "127.0.0.1", port: 1)
    static let masterB = NodeAddress(host: "127.0.0.1", port: 2)
    static let bind = NodeAddress(host: "127.0.0.1", port: 9999)
    static let operatorAddress = NodeAddress(host: "127.0.0.1", port: 50_000)

    init(masters: [NodeAddress] = [masterA], limits: AdminConfiguration.Limits = .init()) {
        core = AdminCore(
            AdminConfiguration(cluster: "test", masters: masters, bind: Self.bind, limits: limits)
        )
        run { core, context in core.start(&context) }
        give(.listening(Self.bind))
    }

    private mutating func run(_ call: (inout AdminCore, inout CoreContext<Never>) -> Void) {
        var context = CoreContext<Never>(
            now: Instant(nanoseconds: now * 1_000_000),
            wallTime: 1_700_000_000,
            random: SplitMix64(seed: 1)
        )
        call(&core, &context)
        effects += context.effects
    }

    mutating func give(_ event: Event<Never>) {
        run { core, context in core.handle(event, &context) }
    }

    mutating func give(_ id: ConnectionID, _ request: UInt32, _ payload: some PacketPayload) {
        give(.received(id, Frame(id: request, payload.packet)))
    }

    /// What was asked for since the last call.
    mutating func take() -> [Effect<Never>] {
        defer { effects = [] }
        return effects
    }

    /// The frames sent on a connection since the last call, others being forgotten.
    mutating func sent(_ id: ConnectionID) -> [Frame] {
        take().compactMap { if case .send(id, let frame) = $0 { frame } else { nil } }
    }

    /// The connections asked for since the last call.
    mutating func connects() -> [(ConnectionID, NodeAddress)] {
        take().compactMap { if case .connect(let id, let address) = $0 { (id, address) } else { nil } }
    }

    /// Has a peer connect.
    mutating func accept(_ number: UInt32) -> ConnectionID {
        let id = ConnectionID(.incoming, number)
        give(.accepted(id, from: Self.operatorAddress))
        return id
    }

    /// The first search succeeds: identification, nodes, table and state.
    mutating func join(_ state: ClusterState = .running) throws -> ConnectionID {
        guard let (id, _) = connects().last else { throw Unexpected(what: "no connection to a master") }
        give(.connected(id))
        give(id, 0, AcceptIdentification(type: .master, nid: NID(.master, 1), yourNID: NID(.admin, 1)))
        give(id, 0, NotifyNodeInformation(timestamp: 1, nodes: Self.nodes))
        give(
            id,
            1,
            SendPartitionTable(
                ptid: 3,
                replicas: 0,
                rows: [1, 2].map { [CellRecord(nid: NID($0), state: .upToDate)] }
            )
        )
        give(id, 1, AnswerClusterState(state: state))
        _ = take()
        return id
    }

    struct Unexpected: Error { let what: String }

    static let nodes = [
        NodeRecord(type: .admin, address: bind, nid: NID(.admin, 1), state: .running, idTimestamp: 1),
        NodeRecord(type: .master, address: masterA, nid: NID(.master, 1), state: .running, idTimestamp: nil),
        NodeRecord(type: .storage, address: nil, nid: NID(1), state: .running, idTimestamp: 1),
        NodeRecord(type: .storage, address: nil, nid: NID(2), state: .running, idTimestamp: 1),
    ]
}

extension Effect {
    var isClose: ConnectionID? {
        switch self {
        case .close(let id), .closeAfterFlush(let id): id
        default: nil
        }
    }

    var exitStatus: Int32? { if case .exit(let status) = self { status } else { nil } }
}
