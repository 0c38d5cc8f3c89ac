import NEOProtocol

/// All the connections of a core, and the ways to send on them.
///
/// Every method appends its effects to the context. Sending on a connection that is unknown or closing does nothing:
/// its end was told, or will be (`spec/protocol.md §9.4`).
public struct ConnectionTable<Pending: Sendable>: Sendable {
    private var connections: [ConnectionID: Connection<Pending>] = [:]
    private var lastOutgoing: UInt32 = 0

    public init() {}

    public subscript(id: ConnectionID) -> Connection<Pending>? { connections[id] }

    /// All the connections, in the order of their ids: what a core does must not depend on the order of a hash table,
    /// or a run could not be replayed.
    public var all: [Connection<Pending>] { connections.values.sorted { $0.id < $1.id } }

    public var count: Int { connections.count }

    /// Whether packets can be sent and are processed.
    public func isOpen(_ id: ConnectionID) -> Bool { connections[id]?.state == .open }

    // MARK: Life

    /// Asks for a connection to `address`.
    public mutating func connect<Job>(to address: NodeAddress, _ context: inout CoreContext<Job>) -> ConnectionID {
        lastOutgoing &+= 1
        let id = ConnectionID(.outgoing, lastOutgoing)
        connections[id] = Connection(id: id, peer: address, state: .connecting)
        context.effects.append(.connect(id, address))
        return id
    }

    /// To be called on ``Event/accepted(_:from:)``.
    public mutating func accepted(_ id: ConnectionID, from peer: NodeAddress) {
        connections[id] = Connection(id: id, peer: peer, state: .open)
    }

    /// To be called on ``Event/connected(_:)``.
    /// - Returns: false if the core does not want this connection any more.
    public mutating func connected(_ id: ConnectionID) -> Bool {
        guard connections[id]?.state == .connecting else { return false }
        connections[id]?.state = .open
        return true
    }

    /// To be called on ``Event/closed(_:_:)`` and ``Event/connectFailed(_:reason:)``.
    /// - Returns: the connection with its unanswered requests; nil if the core does not know it any more.
    public mutating func closed(_ id: ConnectionID) -> Connection<Pending>? {
        connections.removeValue(forKey: id)
    }

    /// Closes at once; what is queued is dropped.
    /// - Returns: the connection with its unanswered requests.
    @discardableResult
    public mutating func close<Job>(
        _ id: ConnectionID,
        _ context: inout CoreContext<Job>
    ) -> Connection<Pending>? {
        guard let connection = connections.removeValue(forKey: id) else { return nil }
        context.effects.append(.close(id))
        return connection
    }

    /// Closes once all that was sent is written; nothing received is processed any more (`spec/protocol.md §9.4`).
    ///
    /// The connection is forgotten at once: there will be no ``Event/closed(_:_:)`` that matters.
    @discardableResult
    public mutating func closeAfterFlush<Job>(
        _ id: ConnectionID,
        _ context: inout CoreContext<Job>
    ) -> Connection<Pending>? {
        guard let connection = connections.removeValue(forKey: id) else { return nil }
        context.effects.append(connection.state == .connecting ? .close(id) : .closeAfterFlush(id))
        return connection
    }

    // MARK: Sending

    public mutating func notify<Job>(
        _ id: ConnectionID,
        _ notification: some NotificationPayload,
        _ context: inout CoreContext<Job>
    ) {
        send(id, notification.packet, &context)
    }

    /// Sends a packet with a new id and expects nothing: for requests that the protocol leaves unanswered
    /// (`Truncate` from a master to a storage).
    public mutating func send<Job>(_ id: ConnectionID, _ packet: Packet, _ context: inout CoreContext<Job>) {
        guard isOpen(id), let frame = connections[id]?.frame(packet) else { return }
        context.effects.append(.send(id, frame))
    }

    /// Sends a request.
    /// - Parameter pending: comes back with the answer.
    /// - Returns: the id of the request; nil if the connection is not open, in which case nothing will come back.
    @discardableResult
    public mutating func ask<R: RequestPayload, Job>(
        _ id: ConnectionID,
        _ request: R,
        then pending: Pending,
        _ context: inout CoreContext<Job>
    ) -> UInt32? {
        guard isOpen(id), let frame = connections[id]?.frame(request: request, pending: pending) else { return nil }
        context.effects.append(.send(id, frame))
        return frame.id
    }

    /// Answers the request `request` of the peer. It has no effect if the connection is over.
    public func answer<Job>(
        _ id: ConnectionID,
        to request: UInt32,
        _ answer: some AnswerPayload,
        _ context: inout CoreContext<Job>
    ) {
        guard isOpen(id) else { return }
        context.effects.append(.send(id, Frame(id: request, answer.packet)))
    }

    /// Sends a packet that bears the id of a request of the peer: its answer, or one of the notifications that come
    /// before (`spec/replication.md §3.1`).
    public func respond<Job>(
        _ id: ConnectionID,
        to request: UInt32,
        _ packet: Packet,
        _ context: inout CoreContext<Job>
    ) {
        guard isOpen(id) else { return }
        context.effects.append(.send(id, Frame(id: request, packet)))
    }

    /// Answers with an error and keeps the connection.
    public func fail<Job>(
        _ id: ConnectionID,
        to request: UInt32,
        _ code: ErrorCode,
        _ message: String = "",
        _ context: inout CoreContext<Job>
    ) {
        answer(id, to: request, ErrorPacket(code: code, message: message), &context)
    }

    /// Sends an error about the packet `request`, then closes once it is written.
    @discardableResult
    public mutating func abort<Job>(
        _ id: ConnectionID,
        about request: UInt32,
        _ code: ErrorCode,
        _ message: String,
        _ context: inout CoreContext<Job>
    ) -> Connection<Pending>? {
        fail(id, to: request, code, message, &context)
        return closeAfterFlush(id, &context)
    }

    // MARK: Receiving

    /// Takes out the only pending request that `match` wants: nil if there is none, or several.
    public mutating func takeRequest(_ id: ConnectionID, where match: (Pending) -> Bool) -> Pending? {
        connections[id]?.takeRequest(where: match)
    }

    /// Sorts a received frame. `Ping` is answered here (`spec/protocol.md §9.7`); the result is then `.dropped`.
    public mutating func receive<Job>(
        _ id: ConnectionID,
        _ frame: Frame,
        _ context: inout CoreContext<Job>
    ) -> Connection<Pending>.Received {
        if case .ping = frame.packet {
            answer(id, to: frame.id, Pong(), &context)
            return .dropped
        }
        // In place: one look-up a packet, and the table of requests is not copied.
        return connections[id]?.receive(frame) ?? .dropped
    }
}
