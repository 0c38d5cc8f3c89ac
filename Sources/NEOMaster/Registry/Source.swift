import NEOEngine

/// Where a packet came from: what is needed to answer it.
struct Source: Hashable, Sendable {
    let connection: ConnectionID
    /// The id of the packet.
    let request: UInt32
}
