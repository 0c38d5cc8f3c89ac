import NEOEngine
import NEOProtocol

/// Who is at the other end of an accepted connection.
struct Peer: Hashable, Sendable {
    enum Role: Hashable, Sendable {
        case unidentified
        /// - isReadOnly: it came while the cluster was a backup (`spec/storage.md §13`).
        case client(NID, isReadOnly: Bool)
        /// Nil: a storage of another cluster.
        case storage(NID?)
    }

    var role = Role.unidentified
    /// Its requests that wait for a lock.
    var delayedCount = 0
    var delayedBytes = 0

    var nid: NID? {
        switch role {
        case .unidentified: nil
        case .client(let nid, _): nid
        case .storage(let nid): nid
        }
    }
}

/// A peer that the master did not announce yet (`spec/protocol.md §10.5`).
struct DelayedIdentification: Hashable, Sendable {
    var connection: ConnectionID
    var request: UInt32
    var packet: RequestIdentification
}
