import NEODatabase
import NEOEngine
import NEOProtocol
import NEOTopology

/// The end of the replication of cells, for transactions that write there (`spec/storage.md §10.3`,
/// `spec/replication.md §4.13`).
extension StorageCore {
    /// Tells the master about the cells that are complete, once each object is written by one transaction at most; from then
    /// on they check conflicts as readable cells do. To be called when a cell becomes complete and after each end of a
    /// transaction.
    /// - Returns: whether transactions that wait may go on.
    @discardableResult
    mutating func endReplications(_ context: inout Context) throws -> Bool {
        guard !transactions.replicated.isEmpty, let table, case .connected(let master) = link else { return false }
        let complete = transactions.lockReplicated(partition: table.partition(of:))
        for (partition, tid) in complete {
            context.log(.info, "partition \(partition) is complete")
            connections.notify(master, NotifyReplicationDone(partition: partition, tid: tid), &context)
            transactions.replicated[partition] = .told
        }
        let partitions = Set(complete.map(\.partition))
        for (oid, ttid) in transactions.locklessHolders(in: partitions, partition: table.partition(of:)) {
            try lockAgain(oid, of: ttid, in: table.partition(of: oid), &context)
        }
        return !complete.isEmpty
    }

    /// Locks what was written without lock, now that the last revision is known.
    private mutating func lockAgain(
        _ oid: OID,
        of ttid: TTID,
        in partition: PartitionID,
        _ context: inout Context
    ) throws {
        guard let transaction = transactions[ttid], let write = transaction.writes[oid] else { return }
        transactions.release(oid, of: ttid)
        transactions.update(ttid) { $0.writes[oid]?.isLockless = false }
        let outcome = try evaluate(oid, basedOn: write.serial, for: ttid, in: partition)
        if outcome == .available || transaction.isVoted {
            // What was voted was checked by another cell.
            transactions.take(oid, for: ttid)
            return
        }
        // The conflict is found by another cell too, and told by it: the client stores again, or aborts.
        context.log(.debug, "object \(oid) of \(ttid) conflicts at the end of a replication: \(outcome)")
        transactions.update(ttid) { $0.writes[oid] = nil }
        if write.store != nil { submit(.unstore(ttid, oid), &context) }
    }
}
