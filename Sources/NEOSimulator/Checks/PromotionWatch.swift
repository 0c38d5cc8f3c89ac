import NEODatabase
import NEOMaster
import NEOProtocol
import NEOTopology

/// A cell that becomes readable has all that was acknowledged: seen at once, not only at the end.
struct PromotionWatch {
    private var ptid: Int?
    /// Of the master that had this table.
    private var term: LeadershipWatch.Term?
    private var unreadable: Set<CellID> = []
    private(set) var count = 0

    private struct CellID: Hashable {
        var partition: PartitionID
        var nid: NID
    }

    mutating func watch(
        _ term: LeadershipWatch.Term,
        _ table: PartitionTable,
        _ cluster: SimulatedCluster,
        _ ledger: Ledger
    ) -> [String] {
        guard table.ptid != ptid || term != self.term else { return [] }
        ptid = table.ptid
        // A master that begins may have an older table than another one that is about to lose the storages.
        if term != self.term { unreadable = [] }
        self.term = term
        var violations: [String] = []
        var nowUnreadable: Set<CellID> = []
        for (partition, row) in table.rows.enumerated() {
            var nids: Set<NID> = []
            for cell in row {
                if !nids.insert(cell.nid).inserted { violations.append("\(cell.nid) is twice in row \(partition)") }
                let id = CellID(partition: partition, nid: cell.nid)
                if !cell.state.isReadable {
                    nowUnreadable.insert(id)
                } else if unreadable.contains(id) {
                    count += 1
                    violations += holes(of: id, table.partitions, cluster, ledger)
                }
            }
            if !row.contains(where: \.state.isReadable) { violations.append("row \(partition) has no readable cell") }
        }
        unreadable = nowUnreadable
        return violations
    }

    /// What the cell should have: committed, or voted and about to be.
    private func holes(
        of cell: CellID,
        _ partitions: Int,
        _ cluster: SimulatedCluster,
        _ ledger: Ledger
    ) -> [String] {
        guard let reader = cluster.inspectors[cell.nid], let voted = try? reader.unfinishedTransactions() else {
            return ["\(cell.nid) has a readable cell and no database"]
        }
        let unfinished = Set(voted.map(\.ttid))
        let packed = ledger.packed
        for attempt in ledger.attempts {
            guard case .committed(let tid) = attempt.outcome, let ttid = attempt.ttid, !unfinished.contains(ttid),
                !ledger.mayBeTruncated(attempt, at: tid)
            else { continue }
            let place = "partition \(cell.partition) of \(cell.nid) became readable without"
            if tid.partition(of: partitions) == cell.partition,
                (try? reader.transaction(tid, in: cell.partition, includeLocked: true)) == .some(nil)
            {
                return ["\(place) transaction \(tid) of attempt \(attempt.number)"]
            }
            for write in attempt.writes where tid > packed && write.oid.partition(of: partitions) == cell.partition {
                if (try? reader.hasRevision(of: write.oid, at: tid, in: cell.partition)) == false {
                    return ["\(place) object \(write.oid) at \(tid) of attempt \(attempt.number)"]
                }
            }
        }
        return []
    }
}
