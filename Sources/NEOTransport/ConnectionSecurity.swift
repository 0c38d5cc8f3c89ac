import NEOEngine
import NIOCore

/// What protects the connections of a node (TLS).
///
/// The handlers that it adds stand between the socket and the protocol. One of them must fire ``ConnectionSecured`` as a
/// user inbound event once bytes can be exchanged: the handshake of NEO is sent then, and the core learns of the
/// connection. A connection that closes before is one that could not be established (`spec/protocol.md §2.3, §9.1`).
public protocol ConnectionSecurity: Sendable {
    /// Adds handlers to a pipeline that is empty.
    /// - Parameter direction: `.outgoing` if this node connects (it is the TLS client).
    func addHandlers(
        to pipeline: ChannelPipeline.SynchronousOperations,
        direction: ConnectionID.Direction
    ) throws
}

/// Tells the protocol that its connection is protected from now on.
public struct ConnectionSecured: Hashable, Sendable {
    public init() {}
}
