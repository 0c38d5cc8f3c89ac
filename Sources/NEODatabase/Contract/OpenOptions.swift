/// How to open the database of a storage.
public struct OpenOptions: Hashable, Sendable {
    /// When a commit reaches the disk.
    public enum Durability: String, Hashable, Sendable, CaseIterable {
        /// Before the answer: no acknowledged transaction is ever lost.
        case synced
        /// When the system likes: a crash of the machine (not of the process) loses the last seconds of acknowledged
        /// transactions, on every replica that crashed with it.
        case unsynced
    }

    /// Recorded in a new database; that of an existing one must be the same.
    public var clusterName: String
    public var durability: Durability
    /// Drop all that is there first (`--reset`).
    public var reset: Bool
    /// Objects with the same content share it (`--dedup`). No effect on an existing database.
    public var deduplication: Bool

    public init(
        clusterName: String,
        durability: Durability = .synced,
        reset: Bool = false,
        deduplication: Bool = false
    ) {
        self.clusterName = clusterName
        self.durability = durability
        self.reset = reset
        self.deduplication = deduplication
    }
}
