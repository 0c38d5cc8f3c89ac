import NEOProtocol

/// A cell that has all that was committed and that the master has still to declare up to date.
enum ReplicatedCell: Hashable, Sendable {
    /// Up to here. It is told once no object is written by several transactions without lock.
    case complete(TID)
    /// The master was told.
    case told
}
