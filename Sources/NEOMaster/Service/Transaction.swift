import NEOEngine
import NEOProtocol

/// A transaction in progress (`spec/master.md §12.3`).
struct Transaction: Hashable, Sendable {
    let ttid: TTID
    /// Nil once the client is gone.
    var client: NodeKey?
    /// Only storages that were ready then get the transaction in full: see ``Readiness``.
    let readiness: Int
    /// See ``OnlyStorage``.
    let onlyStorage: NID?
    /// The client chose the TID.
    let isTIDChosen: Bool
    /// Storages to which the client could not write, ascending.
    var failed: [NID] = []
    /// Who is to be told the end, in the order in which they asked.
    var waiters: [Waiter] = []
    /// Set once the client asked to finish. From then on, nothing aborts the transaction.
    var commit: Commit?

    enum Waiter: Hashable, Sendable {
        case storage(NID)
        case client(Source)
    }

    /// The second phase of a transaction.
    struct Commit: Hashable, Sendable {
        let tid: TID
        let oids: [OID]
        /// Partitions with stored or deleted objects, ascending.
        let modified: [PartitionID]
        /// Storages that take part, ascending.
        var involved: [NID]
        /// Those of `involved` that did not lock yet.
        var locking: Set<NID>
        /// Those that are asked to lock only once ``Transaction/onlyStorage`` did.
        var deferred: [NID]
        /// Where to answer.
        let source: Source
        /// The transaction carries a pack order.
        let isPack: Bool
        /// The order is approved with the lock.
        let isPackApproved: Bool
    }
}
