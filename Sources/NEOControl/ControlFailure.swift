import NEOProtocol

/// Why a command of `neoctl` gave no result. The exit status is 1 in all cases (`spec/tools.md §9.7`).
public struct ControlFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// What to print on the standard error.
    public let message: String

    public init(_ message: String) {
        self.message = message
    }

    /// The administration node cannot be reached.
    public static let notConnected = ControlFailure("ERROR: not connected")
    /// The administration node went away, or does not speak the protocol.
    public static let connectionClosed = ControlFailure("ERROR: Connection closed")

    /// An error answered by the administration node (`spec/tools.md §9.3`).
    init(_ error: ErrorPacket) {
        switch error.code {
        case .denied: self.init(error.message)
        default: self.init("ERROR: \(error.message.isEmpty ? error.code.name : error.message)")
        }
    }

    public var description: String { message }
}
