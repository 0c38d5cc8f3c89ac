import NEOEngine
import NEOProtocol
import OrderedCollections

/// Peers that connected and did not say who they are: anybody can, so they are few and do not last
/// (`spec/protocol.md §18.2`).
extension StorageCore {
    mutating func accepted(_ id: ConnectionID, from address: NodeAddress, _ context: inout Context) throws {
        connections.accepted(id, from: address)
        peers[id] = Peer()
        unidentified[id] = context.now
        if unidentified.count == 1 {
            context.startTimer(Timer.unidentified, milliseconds: configuration.limits.identificationMilliseconds)
        } else if unidentified.count > configuration.limits.unidentifiedConnections,
            let oldest = unidentified.keys.first
        {
            try close(oldest, "too many connections that do not identify", &context)
        }
    }

    mutating func closeUnidentified(_ context: inout Context) throws {
        let limit = configuration.limits.identificationMilliseconds
        while let (id, since) = unidentified.elements.first {
            let age = context.now.milliseconds(since: since)
            guard age >= limit else {
                context.startTimer(Timer.unidentified, milliseconds: limit - age)
                return
            }
            // In any case: whatever becomes of the connection, this loop ends.
            unidentified[id] = nil
            if delayedIdentifications.contains(where: { $0.connection == id }) {
                // Its request is complete: the master is late, not the peer.
                unidentified[id] = context.now
            } else {
                try close(id, "no identification within \(limit / 1000) s", &context)
            }
        }
    }
}
