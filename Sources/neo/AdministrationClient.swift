import NEOControl
import NEOProtocol
import NEOTransport

/// The connection of `neoctl`, opened when the first request is sent.
struct AdministrationClient: AdministrationConnection {
    let address: NodeAddress
    private let timeoutSeconds: Int?
    private var connection: ControlConnection?

    /// - Parameter timeoutSeconds: the longest wait for an answer; nil: no limit.
    init(_ address: NodeAddress, timeoutSeconds: Int? = nil) {
        self.address = address
        self.timeoutSeconds = timeoutSeconds
    }

    mutating func send(_ frame: Frame) throws(ControlFailure) {
        do throws(ControlConnection.Failure) {
            let connection = if let connection { connection } else { try open() }
            self.connection = connection
            try connection.send(frame)
        } catch {
            switch error {
            case .notConnected: throw .notConnected
            case .closed: throw .connectionClosed
            }
        }
    }

    private func open() throws(ControlConnection.Failure) -> ControlConnection {
        try ControlConnection(to: address, timeoutSeconds: timeoutSeconds)
    }

    mutating func receive() throws(ControlFailure) -> Frame {
        guard let connection else { throw .notConnected }
        do throws(ControlConnection.Failure) {
            return try connection.receive()
        } catch {
            throw .connectionClosed
        }
    }
}
