import NEOProtocol

/// Sends requests one at a time and waits for the answer of each (`spec/tools.md §9.3`).
struct AdministrationSession<Connection: AdministrationConnection> {
    private(set) var connection: Connection
    private var nextID: UInt32 = 0

    init(_ connection: Connection) {
        self.connection = connection
    }

    /// - Throws: ``ControlFailure``, also for an error answered by the node.
    mutating func ask<Request: RequestPayload>(_ request: Request) throws(ControlFailure) -> Request.Answer {
        let id = try send(request.packet)
        while true {
            let frame = try connection.receive()
            switch frame.packet {
            case .ping:
                try connection.send(Frame(id: frame.id, Pong().packet))
            case .error(let error) where error.code == .ack && Request.Answer.code == .error && frame.id == id:
                return try cast(error)
            case .error(let error):
                // Whatever its id: the reference answers a wrong range of partitions with an id of its own, and
                // there is only one request it can be about.
                throw ControlFailure(error)
            case let packet where frame.id == id && packet.code == Request.Answer.code:
                return try cast(packet.payload)
            case let packet:
                throw ControlFailure("ERROR: unexpected answer to \(Request.code): \(packet.code)")
            }
        }
    }

    /// Sends a notification, and returns once the node has processed it.
    mutating func notify(_ notification: some NotificationPayload) throws(ControlFailure) {
        _ = try send(notification.packet)
        _ = try ask(Ping())
    }

    private mutating func send(_ packet: Packet) throws(ControlFailure) -> UInt32 {
        let id = nextID
        nextID &+= 1
        try connection.send(Frame(id: id, packet))
        return id
    }

    private func cast<Answer: AnswerPayload>(_ payload: any PacketPayload) throws(ControlFailure) -> Answer {
        guard let answer = payload as? Answer else {
            throw ControlFailure("ERROR: expected \(Answer.code), got \(type(of: payload).code)")
        }
        return answer
    }
}
