import NEOControl
import NEOProtocol
import NEOTransport

/// The connection of `neoctl`, opened when the first request is sent.
struct AdministrationClient: AdministrationConnection {
    /// The first one that can be reached is asked.
    let addresses: [NodeAddress]
    private let timeoutSeconds: Int?
    private var connection: ControlConnection?

    /// - Parameter timeoutSeconds: the longest wait for an answer; nil: no limit.
    init(_ addresses: [NodeAddress], timeoutSeconds: Int? = nil) {
        self.addresses = addresses
        self.timeoutSeconds = timeoutSeconds
    }

    mutating func send(_ frame: Frame) throws(ControlFailure) {
        let connection = if let connection { connection } else { try open() }
        self.connection = connection
        do throws(ControlConnection.Failure) {
            try connection.send(frame)
        } catch {
            throw failure(error)
        }
    }

    private func open() throws(ControlFailure) -> ControlConnection {
        for address in addresses {
            if let connection = try? ControlConnection(to: address, timeoutSeconds: timeoutSeconds) {
                return connection
            }
        }
        throw .notConnected
    }

    mutating func receive() throws(ControlFailure) -> Frame {
        guard let connection else { throw .notConnected }
        do throws(ControlConnection.Failure) {
            return try connection.receive()
        } catch {
            throw failure(error)
        }
    }

    private func failure(_ failure: ControlConnection.Failure) -> ControlFailure {
        switch failure {
        case .notConnected: .notConnected
        case .closed: .connectionClosed
        case .timeout: ControlFailure("ERROR: no answer within \(timeoutSeconds ?? 0) s")
        }
    }
}
