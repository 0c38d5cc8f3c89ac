import NEOProtocol
import NEOTopology

/// The storage that has all the cells of the cluster, if there is one.
///
/// Such a storage need not sync what it votes: the sync of its lock covers both, and nobody else could be left with a lock
/// whose vote is lost (docs/maintainers/performance.md). It knows from its table that it is alone; so once there is another
/// storage, it may still believe so for the time that the change takes to reach it:
///
/// ```
///   begins           alone                    ┆ told, not known to be recorded ┆ recorded
///   lock             ──                       ┆ first, then the others         ┆ all at once
/// ```
///
/// If another one locked and it lost its vote in a crash of its machine, half of a transaction would be committed. So
/// transactions that began before it recorded the change are locked there first.
struct OnlyStorage: Hashable, Sendable {
    /// The storage that may believe that it is alone.
    private(set) var nid: NID?
    /// The table that tells it that it is not; nil: it is.
    private var end: Int?

    init() {}

    /// At the beginning of the service.
    init(_ table: PartitionTable) { nid = Self.onlyNID(of: table) }

    private static func onlyNID(of table: PartitionTable) -> NID? {
        let nids = table.nids
        return nids.count == 1 ? nids.first : nil
    }

    /// The table changed.
    /// - Returns: a storage that is not alone any more: it is to be asked whether it recorded the table.
    mutating func changed(to table: PartitionTable) -> NID? {
        let now = Self.onlyNID(of: table)
        if now != nil {
            nid = now
            end = nil
        } else if let nid, end == nil {
            end = table.ptid
            return nid
        }
        return nil
    }

    /// A storage has this table.
    mutating func recorded(_ ptid: Int, at nid: NID) {
        guard nid == self.nid, let end, ptid >= end else { return }
        self.nid = nil
        self.end = nil
    }
}
