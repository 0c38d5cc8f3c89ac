import NEOEngine
import NEOProtocol

/// Somebody with `neoctl`: a connection to the administration node of the cluster, one request at a time.
///
/// ```
///   not connected ─▶ connecting ─▶ idle ◀─▶ waiting for an answer
///         ▲─────────────┴── closed, refused, late ──┴──────┘
/// ```
final class SimulatedOperator: SimulatedNode {
    /// What came of a request.
    enum Outcome {
        case answer(Packet)
        /// The answer is an error, or a message to the operator.
        case message(ErrorPacket)
        /// Nobody knows: the connection was lost, or no answer came in time.
        case none
    }

    private let administrator: NodeAddress
    private var connection: ConnectionID?
    private var isOpen = false
    private var lastConnection: UInt32 = 0
    private var lastRequest: UInt32 = 0
    /// What to send once the connection is open, and who gets the answer.
    private var request: (packet: Packet, handler: (Outcome) -> Void)?

    var isWaiting: Bool { request != nil }

    /// How long an operator waits.
    private static let patience: UInt64 = 20_000_000_000

    init(name: String, administrator: NodeAddress) {
        self.administrator = administrator
        super.init(name: name)
    }

    override func start() {
        guard !isUp else { return }
        isUp = true
        life += 1
        world.log.write("\(world.now) \(name) starts")
    }

    override func die(ofMachine: Bool) {
        request = nil
        connection = nil
        isOpen = false
        super.die(ofMachine: ofMachine)
    }

    /// Nothing happens any more: the handler that waits, and holds the operator, is let go.
    func end() { request = nil }

    /// Sends a request. Not to be called while another one waits.
    func ask(_ payload: some RequestPayload, then handler: @escaping (Outcome) -> Void) {
        guard isUp else { return }
        request = (payload.packet, handler)
        lastRequest &+= 1
        let number = lastRequest
        let life = life
        world.schedule(after: Self.patience) { [self] in
            guard self.life == life, lastRequest == number, request != nil else { return }
            giveUp()
        }
        if isOpen, let connection {
            transmit(connection)
        } else if connection == nil {
            lastConnection += 1
            let id = ConnectionID(.outgoing, lastConnection)
            connection = id
            want(id)
            world.connect(self, id, to: administrator)
        }
    }

    private func transmit(_ id: ConnectionID) {
        guard let request else { return }
        world.log.write("\(world.now) \(name) orders \(request.packet)")
        send(Frame(id: lastRequest, request.packet), id)
    }

    private func giveUp() {
        if let connection { close(connection, isFlushed: false) }
        connection = nil
        isOpen = false
        finish(.none)
    }

    private func finish(_ outcome: Outcome) {
        guard let handler = request?.handler else { return }
        request = nil
        world.log.write("\(world.now) \(name) gets \(outcome)")
        handler(outcome)
    }

    override func deliver(_ event: NetworkEvent) {
        switch event {
        case .accepted: break
        case .connected(let id):
            opened(id)
            guard id == connection else { return }
            isOpen = true
            transmit(id)
        case .connectFailed(let id, _):
            opened(id)
            if id == connection { giveUp() }
        case .closed(let id, _):
            if id == connection { giveUp() }
        case .received(let id, let frame):
            guard id == connection else { return }
            switch frame.packet {
            case .ping: send(Frame(id: frame.id, Pong().packet), id)
            case .error(let error): finish(.message(error))
            default: finish(.answer(frame.packet))
            }
        }
    }
}
