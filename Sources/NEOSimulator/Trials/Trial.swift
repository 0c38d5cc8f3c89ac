/// What is done to a cluster on demand only: what data may be gone afterwards must be known exactly.
public enum Trial: String, CaseIterable, Hashable, Sendable {
    /// Once all is healed, clients are stopped and an operator truncates the database, under faults in every second history.
    case truncation
    /// An operator starts the cluster without some of its storages.
    case partialStart = "partial-start"
    /// The database of a storage is gone while others have all that it had.
    case lostDisk = "lost-disk"
}
