import NEOProtocol

/// Which rows of the recorded partition table a change writes and removes (`spec/storage.md §14.2`).
struct CellRecording {
    private(set) var written: [StoredCell] = []
    private(set) var removed: [StoredCell] = []

    /// - Parameters:
    ///   - cells: what is recorded.
    ///   - nid: our id.
    ///   - lastTID: the greatest TID of a partition, of transactions and of object records.
    init(
        _ change: DatabaseJob.PartitionTableChange,
        cells: [StoredCell],
        nid: NID?,
        backupTID: TID?,
        lastTID: (PartitionID) throws -> TID?
    ) throws {
        struct Key: Hashable {
            var partition: PartitionID
            var nid: NID
        }
        let known = Dictionary(
            cells.map { (Key(partition: $0.partition, nid: $0.nid), $0) },
            uniquingKeysWith: { first, _ in first }
        )
        var kept: Set<Key> = []
        for cell in change.cells {
            let key = Key(partition: cell.partition, nid: cell.nid)
            let old = known[key]
            guard cell.state != .discarded else {
                if let old { removed.append(old) }
                continue
            }
            kept.insert(key)
            var new = StoredCell(partition: cell.partition, nid: cell.nid, state: cell.state)
            guard cell.nid == nid else {
                if cell.state == .outOfDate { new.tid = .zero }
                written.append(new)
                continue
            }
            if cell.state == .outOfDate {
                switch old?.state {
                case .outOfDate:
                    new.tid = old?.tid ?? .zero
                case .upToDate, .feeding:
                    if let backupTID, backupTID != .zero {
                        new.tid = backupTID
                    } else {
                        new.tid = try lastTID(cell.partition) ?? .zero
                    }
                case nil, .corrupted, .discarded:
                    new.tid = .zero
                }
            }
            new.packed = old?.packed ?? (cell.state.isReadable ? .zero : change.lastPackID)
            written.append(new)
        }
        if change.isComplete {
            removed = cells.filter { !kept.contains(Key(partition: $0.partition, nid: $0.nid)) }
        }
    }
}
