import NEOProtocol
import OrderedCollections

/// Which storages serve, and since when (`spec/master.md §7.2`).
struct Readiness: Hashable, Sendable {
    /// Told to start, not ready yet.
    private(set) var starting: OrderedSet<NID> = []
    /// Those of `starting` for which transactions do not wait any more.
    private(set) var late: Set<NID> = []
    /// The number of each storage that is ready, in the order in which they became so.
    private(set) var ready: OrderedDictionary<NID, Int> = [:]
    /// The last number given. A transaction remembers it when it begins.
    private(set) var counter = 0

    /// No transaction may begin: the master could not know whether it is sent in full to a storage that starts.
    var isBlocking: Bool { starting.contains { !late.contains($0) } }

    func isReady(_ nid: NID) -> Bool { ready[nid] != nil }

    /// Whether the storage is ready since before `number`: it gets in full a transaction that began then.
    func isReady(_ nid: NID, since number: Int) -> Bool { ready[nid].map { $0 <= number } ?? false }

    mutating func start(_ nid: NID) {
        ready[nid] = nil
        starting.append(nid)
    }

    /// - Returns: false if the storage is not starting.
    mutating func becameReady(_ nid: NID) -> Bool {
        guard starting.remove(nid) != nil else { return false }
        late.remove(nid)
        counter += 1
        ready[nid] = counter
        return true
    }

    mutating func stopWaiting(for nid: NID) { late.insert(nid) }

    mutating func lost(_ nid: NID) {
        starting.remove(nid)
        late.remove(nid)
        ready[nid] = nil
    }
}
