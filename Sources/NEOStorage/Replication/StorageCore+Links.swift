import NEOEngine
import NEOProtocol
import NEOTopology

/// Connections with other storages of the cluster: one for each, whoever opened it (`spec/replication.md §4.7, §4.18`).
extension StorageCore {
    /// Asks for the connection with a storage.
    /// - Returns: whether it is there; if not, ``storageConnected(_:_:)`` or ``linkLost(_:_:_:)`` follows.
    mutating func use(_ nid: NID, _ context: inout Context) -> Bool {
        watchLinks(&context)
        if let link = links[nid] {
            links.update(nid) {
                $0.isClient = true
                if link.isIdentified { $0.idleSince = nil }
            }
            return link.isIdentified
        }
        guard let address = nodes[nid]?.address else { return false }
        let connection = connections.connect(to: address, &context)
        links.set(StorageLink(connection: connection, isIdentified: false, isClient: true, isServer: false), for: nid)
        return false
    }

    /// The connection with a storage is needed by one less.
    mutating func release(_ nid: NID, _ context: inout Context) {
        guard let link = links[nid], link.isClient, replicator.rounds(from: nid).isEmpty, !isChecking(with: nid) else {
            return
        }
        let now = context.now
        links.update(nid) { $0.idleSince = $0.idleSince ?? now }
    }

    mutating func introduce(_ id: ConnectionID, to peer: NID, _ context: inout Context) {
        let request = RequestIdentification(
            type: .storage,
            nid: nid,
            address: address,
            cluster: configuration.cluster,
            idTimestamp: nid.flatMap { nodes[$0]?.idTimestamp },
            extra: Properties()
        )
        connections.ask(id, request, then: .storageIdentification(peer), &context)
        let now = context.now
        links.update(peer) { $0.idleSince = now }
    }

    mutating func accepted(
        _ id: ConnectionID,
        by peer: NID,
        _ accepted: AcceptIdentification,
        _ context: inout Context
    ) throws {
        guard accepted.type == .storage, accepted.nid == peer, accepted.yourNID == nid, links[peer]?.connection == id
        else {
            try violation(id, 0, "expected to be accepted by storage \(peer), got \(accepted)", &context)
            return
        }
        attached[peer] = id
        peers[id] = Peer(role: .storage(peer))
        links.update(peer) {
            $0.isIdentified = true
            $0.idleSince = nil
        }
        try storageConnected(peer, &context)
    }

    /// A storage connected to this node.
    /// - Returns: whether its connection is the one that is kept.
    mutating func accept(_ peer: NID, on id: ConnectionID, _ context: inout Context) -> Bool {
        var isClient = false
        if let link = links[peer] {
            // Both connected to each other: what the node with the greater id opened is kept.
            guard !link.isIdentified, let nid, nid < peer else { return false }
            isClient = link.isClient
            links.remove(link.connection)
            connections.close(link.connection, &context)
        }
        links.set(StorageLink(connection: id, isIdentified: true, isClient: isClient, isServer: true), for: peer)
        return true
    }

    /// There is a connection with a storage: what waited for it goes on.
    mutating func storageConnected(_ peer: NID, _ context: inout Context) throws {
        replicator.penalties.remove(peer, nil)
        try sourceConnected(peer, &context)
        try checkedConnected(peer, &context)
    }

    /// A connection is over, whoever ended it.
    mutating func linkLost(_ id: ConnectionID, _ reason: String, _ context: inout Context) throws {
        serving.removeAll(of: id)
        guard let peer = links.remove(id) else { return }
        try sourceLost(peer, reason, &context)
        try checkedLost(peer, reason, &context)
    }

    /// `CloseClient`
    mutating func peerLeaves(_ id: ConnectionID, _ context: inout Context) throws {
        guard let peer = links.nid(of: id) else { return try close(id, "the storage leaves", &context) }
        links.update(peer) { $0.isServer = false }
        if links[peer]?.isClient == false { try close(id, "the storage leaves", &context) }
    }

    // MARK: Idle links

    private mutating func watchLinks(_ context: inout Context) {
        guard !links.isTimerRunning else { return }
        links.isTimerRunning = true
        context.startTimer(Timer.links, milliseconds: StorageLinks.checkMilliseconds)
    }

    /// Ends the use of links that this node did not need for long, and of sources that say nothing.
    mutating func checkLinks(_ context: inout Context) throws {
        links.isTimerRunning = false
        for (nid, link) in links.idle(context.now) {
            if !link.isIdentified {
                if let connection = connections.close(link.connection, &context) {
                    try lost(connection, "no answer to the identification", &context)
                }
            } else if link.isServer {
                links.update(nid) {
                    $0.isClient = false
                    $0.idleSince = nil
                }
                connections.notify(link.connection, CloseClient(), &context)
            } else {
                try close(link.connection, "not needed any more", &context)
            }
        }
        try checkFetches(&context)
        if !links.isEmpty { watchLinks(&context) }
    }

    /// A source that sends nothing for long does not work: its connection may be dead.
    private mutating func checkFetches(_ context: inout Context) throws {
        var silent: Set<ConnectionID> = []
        for partition in replicator.partitions {
            guard let fetch = replicator[partition]?.round?.fetch else { continue }
            if context.now.milliseconds(since: fetch.lastActivity) >= Self.silentSourceMilliseconds {
                silent.insert(fetch.connection)
            }
        }
        for id in silent.sorted() { try close(id, "no answer to a fetch", &context) }
    }

    private static let silentSourceMilliseconds: UInt64 = 120_000
}
