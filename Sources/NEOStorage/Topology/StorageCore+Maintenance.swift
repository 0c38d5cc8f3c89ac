import NEODatabase
import NEOEngine
import NEOProtocol
import NEOTopology

/// Work in the background: partitions to drop, orphans, the state of packs.
extension StorageCore {
    /// Rows a slice of long work: some ten milliseconds, so that clients do not wait.
    static let sliceRows = 1000

    /// `spec/storage.md §17`
    mutating func dropNext(_ context: inout Context) {
        guard phase == .operation, !configuration.disablesDropPartitions, let partition = dropQueue.next() else {
            return
        }
        submit(.dropPartition(partition, limit: Self.sliceRows), then: .dropped(partition), &context)
    }

    mutating func dropped(_ partition: PartitionID, isFinished: Bool, _ context: inout Context) {
        dropQueue.completed(partition, isFinished: isFinished)
        if isFinished { context.log(.info, "the data of partition \(partition) are dropped") }
        dropNext(&context)
    }

    /// `NotifyRepair` (`spec/storage.md §16.4`).
    mutating func repair(dryRun: Bool, _ context: inout Context) {
        guard !isSearchingOrphans else {
            context.log(.error, "a repair is already in progress")
            return
        }
        isSearchingOrphans = true
        searchOrphans(after: -1, total: 0, dryRun: dryRun, &context)
    }

    mutating func searchedOrphans(total: Int, next: Int64?, dryRun: Bool, _ context: inout Context) {
        if let next {
            searchOrphans(after: next, total: total, dryRun: dryRun, &context)
        } else {
            isSearchingOrphans = false
            context.log(.info, "repair: \(total) data rows without reference\(dryRun ? "" : " were deleted")")
        }
    }

    private mutating func searchOrphans(after id: Int64, total: Int, dryRun: Bool, _ context: inout Context) {
        let job = DatabaseJob.Operation.removeOrphans(after: id, limit: Self.sliceRows, dryRun: dryRun)
        submit(job, then: .searchedOrphans(total: total, dryRun: dryRun), &context)
    }

    // MARK: Packs

    /// Over all the assigned cells; nil: there is none.
    func smallestPackID() throws -> TID? {
        guard let table, let nid else { return nil }
        var smallest: TID?
        for cell in try reader.cells() where cell.nid == nid && table.state(of: cell.partition, at: nid) != nil {
            let packed = cell.packed ?? .zero
            smallest = smallest.map { min($0, packed) } ?? packed
        }
        return smallest
    }

    /// `NotifyPackSigned` (`spec/storage.md §15.2`).
    mutating func signed(_ packet: NotifyPackSigned, _ context: inout Context) {
        if !configuration.disablesPack, !(packet.approved.isEmpty && packet.rejected.isEmpty) {
            submit(.signPackOrders(approved: packet.approved, rejected: packet.rejected), &context)
        }
        guard let last = packet.approved.max(), last > lastPackID else { return }
        lastPackID = last
        reportPack(&context)
    }

    /// Orders are recorded, not executed: this node does not make the others wait, and its cells remember what is to be
    /// done, as with `--disable-pack`.
    mutating func reportPack(_ context: inout Context) {
        guard phase == .operation, lastPackID > .zero, completedPackID != lastPackID, case .connected(let id) = link
        else { return }
        if !configuration.disablesPack {
            context.log(.warning, "pack order \(lastPackID) is not executed: packing is not implemented")
        }
        completedPackID = lastPackID
        connections.notify(id, NotifyPackCompleted(tid: lastPackID), &context)
    }
}
