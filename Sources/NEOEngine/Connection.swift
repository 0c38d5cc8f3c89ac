import NEOProtocol

/// One connection of a node: numbering of packets, requests in flight, answers to them, and its end.
///
/// ```
///   connecting ──connected──▶ open
///        │                     │
///        └──failed, closed─────┴──closed, aborted──▶ (removed from its table)
/// ```
///
/// `Pending` is what must be remembered about a request until it is answered: data, not a closure, so that a core can
/// be printed in full.
public struct Connection<Pending: Sendable>: Sendable {
    public enum State: Hashable, Sendable {
        case connecting
        case open
    }

    struct Request: Sendable {
        var expected: PacketCode
        var pending: Pending
    }

    public let id: ConnectionID
    /// The address connected to, or that the peer connected from.
    public let peer: NodeAddress
    public internal(set) var state: State
    private var nextID: UInt32 = 0
    private var requests: [UInt32: Request] = [:]

    public init(id: ConnectionID, peer: NodeAddress, state: State) {
        self.id = id
        self.peer = peer
        self.state = state
    }

    /// Requests sent and not answered.
    public var pendingCount: Int { requests.count }
    /// Requests sent and not answered, in the order in which they were sent (until ids wrap around).
    public var pendingRequests: [Pending] { requests.sorted { $0.key < $1.key }.map(\.value.pending) }

    /// The frame of a new request or notification.
    mutating func frame(_ packet: Packet) -> Frame {
        // No packet has the id that stands for the nil id of an error.
        defer { nextID = (nextID &+ 1) % Frame.noID }
        return Frame(id: nextID, packet)
    }

    mutating func frame<R: RequestPayload>(request: R, pending: Pending) -> Frame {
        let frame = frame(request.packet)
        requests[frame.id] = Request(expected: R.Answer.code, pending: pending)
        return frame
    }

    /// What a received frame is for this connection.
    public enum Received: Sendable {
        /// The connection is closing or not known: the frame is dropped.
        case dropped
        /// A request or a notification of the peer.
        case packet(id: UInt32, Packet)
        /// The answer that was expected to a request, never an error unless it is the answer's own type.
        case answer(Packet, to: Pending)
        /// A request failed.
        case failure(ErrorPacket, of: Pending)
        /// The peer complains about a packet that is not a pending request.
        case complaint(ErrorPacket)
        /// An answer that nothing expects.
        case unexpectedAnswer(id: UInt32, Packet)
    }

    /// Takes out the only request that `match` wants: its answer came under another id.
    mutating func takeRequest(where match: (Pending) -> Bool) -> Pending? {
        let found = requests.filter { match($0.value.pending) }
        guard found.count == 1, let (id, request) = found.first else { return nil }
        requests[id] = nil
        return request.pending
    }

    mutating func receive(_ frame: Frame) -> Received {
        guard state == .open else { return .dropped }
        guard frame.packet.code.isAnswer else { return .packet(id: frame.id, frame.packet) }
        if case .error(let error) = frame.packet {
            guard let request = requests.removeValue(forKey: frame.id) else { return .complaint(error) }
            if request.expected == .error, error.code == .ack { return .answer(frame.packet, to: request.pending) }
            return .failure(error, of: request.pending)
        }
        guard let request = requests[frame.id], request.expected == frame.packet.code else {
            return .unexpectedAnswer(id: frame.id, frame.packet)
        }
        requests[frame.id] = nil
        return .answer(frame.packet, to: request.pending)
    }
}
