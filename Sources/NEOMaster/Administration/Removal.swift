import NEOProtocol

/// A storage that was dropped, and whose operator waits for the answer: who is told that the removal is permanent may
/// erase the database. Until a storage recorded the table, a loss of the service would undo the removal, and the cluster
/// would wait for what was erased.
struct Removal: Hashable, Sendable {
    let source: Source
    /// The storage that was dropped.
    let nid: NID
    /// The table in which it has no cell.
    let ptid: Int
    /// The storages that may still record it.
    var awaited: Set<NID>
    var isRecorded = false

    enum Outcome: Hashable, Sendable {
        case waiting
        case recorded
        /// All those that were told are gone.
        case uncertain
    }

    var outcome: Outcome { !awaited.isEmpty ? .waiting : isRecorded ? .recorded : .uncertain }

    /// A storage has this table, or a newer one, on its disk.
    mutating func recorded(_ ptid: Int, at nid: NID) {
        guard ptid >= self.ptid, awaited.remove(nid) != nil else { return }
        isRecorded = true
    }

    mutating func lost(_ nid: NID) { awaited.remove(nid) }
}
