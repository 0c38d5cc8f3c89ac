import NEOProtocol

/// What the master remembers of a request until it is answered.
///
/// `period` numbers the time between two entries into RECOVERING: an answer of an earlier one is ignored
/// (`spec/master.md §1.4`).
enum Pending: Hashable, Sendable {
    case recovery(period: Int)
    case partitionTable(period: Int)
    /// A ping: whether a storage is still here. What answers a round that is over may have been sent before a storage came.
    case presence(period: Int, round: Int)
    /// The partition table of a storage that has an older one than the cluster: whether it is the one that has its cells. The
    /// answer tells that it is here, too.
    case ownTable(period: Int, round: Int)
    case lockedTransactions(period: Int)
    case finalTID(TTID, period: Int)
    case lastIDs(period: Int)
    /// Of verification.
    case packOrders(period: Int)
    /// For a node that asked for pack orders that the master forgot.
    case forgottenPackOrders(PackOrderQuery.ID, period: Int)
    case lock(TTID, period: Int)
    /// A ping behind the table with this PTID, by which cells of a partition can be replaced, if one is named.
    case recordedTable(Int, PartitionID?)
    /// This master asks another one to be identified.
    case identification
}
