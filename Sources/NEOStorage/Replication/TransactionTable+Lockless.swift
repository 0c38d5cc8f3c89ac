import NEOProtocol

/// What was written without lock while a cell was replicated gets its locks (`spec/storage.md §10.3`).
extension TransactionTable {
    /// Marks the objects that are written without lock: the greatest transaction gets the lock, which makes new ones wait.
    /// - Returns: the cells, ascending, in which no object is written by several transactions: they can be declared
    ///   up to date.
    mutating func lockReplicated(partition: (OID) -> PartitionID) -> [(partition: PartitionID, tid: TID)] {
        var complete: [PartitionID: TID] = [:]
        for (partition, cell) in replicated {
            if case .complete(let tid) = cell { complete[partition] = tid }
        }
        let concerned = Set(complete.keys)
        for ttid in transactions.keys.sorted() {
            for (oid, write) in transactions[ttid]?.writes ?? [:] where write.isLockless {
                let partition = partition(oid)
                guard concerned.contains(partition) else { continue }
                if let holder = writeLocks[oid], holder != ttid { complete[partition] = nil }
                take(oid, for: ttid)
            }
        }
        return complete.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// The objects of partitions that are locked by a transaction that wrote them without lock, in a stable order.
    func locklessHolders(in partitions: Set<PartitionID>, partition: (OID) -> PartitionID) -> [(oid: OID, ttid: TTID)] {
        writeLocks
            .filter { oid, ttid in
                partitions.contains(partition(oid)) && transactions[ttid]?.writes[oid]?.isLockless == true
            }
            .sorted { $0.key < $1.key }
            .map { ($0.key, $0.value) }
    }
}
