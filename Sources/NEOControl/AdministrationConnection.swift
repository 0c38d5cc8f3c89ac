import NEOProtocol

/// The connection of `neoctl` to an administration node, as the commands see it. Calls block.
public protocol AdministrationConnection {
    /// Opens the connection if it is not, and sends a frame.
    /// - Throws: ``ControlFailure/notConnected``, ``ControlFailure/connectionClosed``.
    mutating func send(_ frame: Frame) throws(ControlFailure)

    /// Waits for a frame.
    /// - Throws: ``ControlFailure/connectionClosed``.
    mutating func receive() throws(ControlFailure) -> Frame
}
