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
            if cell.state == .outOfDate, let known = cell.tid, known > tid {
                cells[CellKey(partition: cell.partition, nid: cell.nid)]?.tid = tid
            }
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
    mutating func pack(_ partition: PartitionID, _ order: PackOrder, from: OID, limit: Int) -> OID? {
        guard var content = partitions[partition] else { return nil }
        let chosen = order.isPartial ? Set(order.oids?.oids ?? []) : nil
        var left = limit
        var next: OID?
        for oid in content.objects.keys[content.objects.lowerBound(from)...] where chosen?.contains(oid) ?? true {
            guard left > 0 else {
                next = oid
                break
            }
            left -= 1
            let packed = content.objects[oid]?.keys.filter { $0 <= order.tid } ?? []
            guard let last = packed.last else { continue }
            let isDeleted = content.objects[oid]?[last]?.data == nil
            for tid in isDeleted ? packed : packed.dropLast() { content.remove(oid, tid) }
        }
        partitions[partition] = content
        return next
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
