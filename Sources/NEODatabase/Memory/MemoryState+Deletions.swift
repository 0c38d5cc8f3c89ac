import NEOProtocol
import NIOCore

extension MemoryState {
    /// - Returns: whether there is nothing left to truncate.
    mutating func truncate(limit: Int) throws -> Bool {
        guard let tid = truncateTID else { return true }
        var left = limit
        for cell in ownCells {
            left = delete(in: cell.partition, after: tid, through: nil, limit: left)
            guard left > 0 else { return false }
            var cell = cell
            if cell.state == .outOfDate, let known = cell.tid { cell.tid = min(known, tid) }
            if let packed = cell.packed { cell.packed = min(packed, tid) }
            cells[CellKey(partition: cell.partition, nid: cell.nid)] = cell
        }
        truncateTID = nil
        return true
    }

    /// Deletes records, then transactions and their pack orders: `after` excluded, `through` included.
    /// - Returns: how many more rows could have been deleted; 0: some may be left.
    mutating func delete(in partition: PartitionID, after: TID?, through: TID?, limit: Int) -> Int {
        guard var content = partitions[partition] else { return limit }
        let isConcerned = { (tid: TID) in after.map { tid > $0 } ?? true && through.map { tid <= $0 } ?? true }
        var left = limit
        for (oid, revisions) in zip(content.objects.keys, content.objects.values) where left > 0 {
            for tid in revisions.keys where left > 0 && isConcerned(tid) {
                content.remove(oid, tid)
                left -= 1
            }
        }
        for tid in content.transactions.keys where left > 0 && isConcerned(tid) {
            content.transactions[tid] = nil
            packOrders[tid] = nil
            left -= 1
        }
        partitions[partition] = content
        return left
    }

    /// - Returns: where the next slice begins; nil at the end.
    mutating func pack(_ partition: PartitionID, _ slice: PackSlice, limit: Int) -> OID? {
        guard var content = partitions[partition] else { return nil }
        defer { partitions[partition] = content }
        let chosen = slice.oids.map(Set.init)
        var left = max(1, limit)
        for oid in content.objects.keys[content.objects.lowerBound(slice.from)...]
        where chosen?.contains(oid) ?? true {
            guard left > 0 else { return oid }
            let packed = content.objects[oid]?.keys.filter { $0 <= slice.tid } ?? []
            let isDeleted = packed.last.map { content.objects[oid]?[$0]?.data == nil } ?? false
            let doomed = isDeleted ? packed : packed.dropLast()
            if doomed.isEmpty { left -= 1 }
            for tid in doomed {
                guard left > 0 else { return oid }
                content.remove(oid, tid)
                left -= 1
            }
        }
        return nil
    }

    mutating func replicate(_ chunk: DatabaseJob.ReplicationChunk) throws {
        var content = partitions[chunk.partition] ?? Partition()
        for deleted in chunk.deletedObjects { content.remove(deleted.oid, deleted.tid) }
        for tid in chunk.deletedTransactions {
            content.transactions[tid] = nil
            packOrders[tid] = nil
        }
        for object in chunk.objects {
            var record = Record(data: object.data, dataTID: object.dataTID)
            if let dataTID = object.dataTID, let target = content.objects[object.oid]?[dataTID] {
                record.data = target.data
            }
            content.objects[object.oid, default: .init()][object.tid] = record
        }
        for var transaction in chunk.transactions {
            if let pack = transaction.pack {
                packOrders[transaction.tid] = PackOrder(
                    id: transaction.tid,
                    approved: pack.approved,
                    isPartial: pack.isPartial,
                    oids: pack.oids,
                    tid: pack.tid
                )
            }
            transaction.pack = nil
            content.transactions[transaction.tid] = transaction
        }
        partitions[chunk.partition] = content
        guard let progress = chunk.progress, let nid else { return }
        let key = CellKey(partition: chunk.partition, nid: nid)
        if cells[key]?.state == .outOfDate { cells[key]?.tid = progress }
    }
}

extension MemoryState.Partition {
    fileprivate mutating func remove(_ oid: OID, _ tid: TID) {
        objects[oid]?[tid] = nil
        if objects[oid]?.isEmpty ?? false { objects[oid] = nil }
    }
}
