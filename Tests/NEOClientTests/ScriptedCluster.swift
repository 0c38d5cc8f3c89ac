import NEOClient
import NEOEngine
import NEOProtocol
import NEOTopology
import NIOCore

/// A client core, and the nodes that it talks to, played by the test: one master and two storages with all the data.
///
/// What the core sends is kept in `sent` until the test answers it.
struct ScriptedCluster {
    struct Sent {
        var connection: ConnectionID
        var frame: Frame
    }

    static let master = NodeAddress(host: "127.0.0.1", port: 1)
    static let storages = [NodeAddress(host: "127.0.0.1", port: 11), NodeAddress(host: "127.0.0.1", port: 12)]

    var core: ClientCore
    var now: UInt64 = 0
    var random = SplitMix64(seed: 1)
    var addresses: [ConnectionID: NodeAddress] = [:]
    var sent: [Sent] = []
    var closed: [ConnectionID] = []
    var results: [OperationID: OperationResult] = [:]
    var deliveries: [ClientDelivery] = []
    /// Whether deliveries are told to the core as soon as they come.
    var deliversAtOnce = true
    var lastTID: UInt64 = 100
    var lastOperation: UInt64 = 0
    var lastTimestamp = 0.0

    init(cacheBytes: Int = 1 << 20, isReadOnly: Bool = false) {
        core = ClientCore(
            configuration: ClientConfiguration(
                masters: [Self.master],
                cluster: "test",
                isReadOnly: isReadOnly,
                compression: .off,
                cacheBytes: cacheBytes
            )
        )
    }

    // MARK: The core

    mutating func turn(_ body: (inout ClientCore, inout CoreContext<Never>) -> Void) {
        var context = CoreContext<Never>(now: Instant(nanoseconds: now), wallTime: 0, random: random)
        body(&core, &context)
        random = context.random
        for effect in context.effects {
            switch effect {
            case .connect(let id, let address): addresses[id] = address
            case .send(let id, let frame): sent.append(Sent(connection: id, frame: frame))
            case .close(let id), .closeAfterFlush(let id): closed.append(id)
            default: break
            }
        }
        for completion in core.takeCompletions() { results[completion.operation] = completion.result }
        if deliversAtOnce { deliver() }
    }

    mutating func deliver() {
        while let delivery = core.nextDelivery {
            deliveries.append(delivery)
            turnOnce { core, context in core.delivered(&context) }
        }
    }

    private mutating func turnOnce(_ body: (inout ClientCore, inout CoreContext<Never>) -> Void) {
        let saved = deliversAtOnce
        deliversAtOnce = false
        turn(body)
        deliversAtOnce = saved
    }

    mutating func call(_ start: (inout ClientCore, OperationID, inout CoreContext<Never>) -> Void) -> OperationID {
        lastOperation += 1
        let operation = OperationID(lastOperation)
        turn { core, context in start(&core, operation, &context) }
        return operation
    }

    /// A program begins a transaction.
    @discardableResult
    mutating func begin(_ id: TransactionID) -> OperationID {
        call { core, operation, context in
            core.begin(
                operation,
                id,
                user: ByteBuffer(),
                description: ByteBuffer(),
                extensionData: ByteBuffer(),
                &context
            )
        }
    }

    mutating func handle(_ event: Event<Never>) {
        turn { core, context in core.handle(event, &context) }
    }

    // MARK: The nodes

    func connection(to address: NodeAddress) -> ConnectionID {
        addresses.filter { $0.value == address && !closed.contains($0.key) }.keys.max() ?? ConnectionID(.outgoing, 0)
    }

    var masterConnection: ConnectionID { connection(to: Self.master) }

    func storageConnection(_ index: Int) -> ConnectionID { connection(to: Self.storages[index]) }

    mutating func answer(_ request: Sent, _ packet: some PacketPayload) {
        handle(.received(request.connection, Frame(id: request.frame.id, packet.packet)))
    }

    mutating func notify(_ connection: ConnectionID, _ packet: some PacketPayload) {
        handle(.received(connection, Frame(id: 0, packet.packet)))
    }

    /// The oldest packet sent that `match` wants, taken out.
    mutating func take<Value>(_ match: (Packet) -> Value?) -> (sent: Sent, value: Value)? {
        for (index, sent) in sent.enumerated() {
            if let value = match(sent.frame.packet) {
                self.sent.remove(at: index)
                return (sent, value)
            }
        }
        return nil
    }

    /// The same, where the test cannot go on without it.
    mutating func require<Value>(_ match: (Packet) -> Value?) throws -> (sent: Sent, value: Value) {
        guard let taken = take(match) else { throw Missing() }
        return taken
    }

    struct Missing: Error {}

    mutating func takeAll<Value>(_ match: (Packet) -> Value?) -> [(sent: Sent, value: Value)] {
        var all: [(sent: Sent, value: Value)] = []
        while let next = take(match) { all.append(next) }
        return all
    }

    /// Answers all identifications and AskLastTransaction, until nothing is left to do.
    mutating func connectAll() {
        while true {
            let pending = addresses.keys.sorted().filter { !closed.contains($0) && !connected.contains($0) }
            if let id = pending.first {
                connected.insert(id)
                handle(.connected(id))
                continue
            }
            if let (sent, request) = take({ if case .requestIdentification(let request) = $0 { request } else { nil } })
            {
                identify(sent, request)
            } else if let (sent, _) = take({ if case .askLastTransaction = $0 { true } else { nil } }) {
                answer(sent, AnswerLastTransaction(tid: TID(lastTID)))
            } else {
                return
            }
        }
    }

    private var connected: Set<ConnectionID> = []

    private mutating func identify(_ sent: Sent, _ request: RequestIdentification) {
        let client = NID(.client, 1)
        if let index = Self.storages.firstIndex(where: { $0 == addresses[sent.connection] }) {
            let nid = NID(.storage, Int32(index + 1))
            return answer(sent, AcceptIdentification(type: .storage, nid: nid, yourNID: client))
        }
        answer(sent, AcceptIdentification(type: .master, nid: NID(.master, 1), yourNID: client))
        lastTimestamp += 1
        var records = [
            NodeRecord(type: .client, address: nil, nid: client, state: .running, idTimestamp: lastTimestamp)
        ]
        records.append(
            NodeRecord(type: .master, address: Self.master, nid: NID(.master, 1), state: .running, idTimestamp: nil)
        )
        for (index, address) in Self.storages.enumerated() {
            let nid = NID(.storage, Int32(index + 1))
            records.append(NodeRecord(type: .storage, address: address, nid: nid, state: .running, idTimestamp: nil))
        }
        notify(sent.connection, NotifyNodeInformation(timestamp: lastTimestamp, nodes: records))
        let row = [
            CellRecord(nid: NID(.storage, 1), state: .upToDate), CellRecord(nid: NID(.storage, 2), state: .upToDate),
        ]
        notify(sent.connection, SendPartitionTable(ptid: 1, replicas: 1, rows: [row]))
    }

    mutating func lose(_ id: ConnectionID) {
        closed.append(id)
        handle(.closed(id, .closedByPeer))
    }
}
