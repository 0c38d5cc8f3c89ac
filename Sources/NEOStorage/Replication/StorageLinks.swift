import NEOEngine
import NEOProtocol
import OrderedCollections

/// A connection with another storage of the cluster, used by both (`spec/replication.md §4.18`).
struct StorageLink: Hashable, Sendable {
    var connection: ConnectionID
    /// False: this node connects, and nothing was received yet.
    var isIdentified: Bool
    /// This node has requests for the peer.
    var isClient: Bool
    /// The peer has requests for this node.
    var isServer: Bool
    /// Since when this node does not need it any more.
    var idleSince: Instant?
}

struct StorageLinks: Hashable, Sendable {
    /// How long a link that this node does not need is kept.
    static let idleMilliseconds: UInt64 = 100_000
    /// How long a peer may take to accept this node.
    static let identificationMilliseconds: UInt64 = 20_000
    /// How often idle links are looked for.
    static let checkMilliseconds: UInt64 = 10_000

    private(set) var links: OrderedDictionary<NID, StorageLink> = [:]
    private var nids: [ConnectionID: NID] = [:]
    var isTimerRunning = false

    subscript(nid: NID) -> StorageLink? { links[nid] }

    var isEmpty: Bool { links.isEmpty }

    func nid(of connection: ConnectionID) -> NID? { nids[connection] }

    mutating func set(_ link: StorageLink, for nid: NID) {
        if let previous = links[nid] { nids[previous.connection] = nil }
        links[nid] = link
        nids[link.connection] = nid
    }

    mutating func update(_ nid: NID, _ change: (inout StorageLink) -> Void) {
        guard links[nid] != nil else { return }
        change(&links[nid]!)
    }

    @discardableResult
    mutating func remove(_ connection: ConnectionID) -> NID? {
        guard let nid = nids.removeValue(forKey: connection) else { return nil }
        links[nid] = nil
        return nid
    }

    /// Links that this node did not need for long.
    func idle(_ now: Instant) -> [(nid: NID, link: StorageLink)] {
        links.elements.compactMap { nid, link in
            let limit = link.isIdentified ? Self.idleMilliseconds : Self.identificationMilliseconds
            guard let since = link.idleSince, now.milliseconds(since: since) >= limit else { return nil }
            return (nid, link)
        }
    }
}
