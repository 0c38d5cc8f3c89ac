import GRDB
import NEOProtocol

/// Deletion of old revisions (`spec/storage.md §15.4`).
///
/// The primary key of `obj` is followed in its order, so that what is looked at is next to what was; the revisions to
/// delete of an object are the first ones. They go a few at a time: neither many objects nor many revisions of one object
/// make a slice longer than its budget.
extension SQLiteWriterMemory {
    /// Revisions of one object that go, and their data.
    private struct Doomed {
        var oid: OID
        /// The last one.
        var through: TID
        var data: [Int64]
    }

    /// - Returns: where the next slice begins; nil at the end.
    func pack(
        _ partition: PartitionID,
        _ slice: PackSlice,
        _ budget: WorkBudget,
        _ database: GRDB.Database
    ) throws -> OID? {
        var clock = WorkClock(budget)
        var position: OID? = slice.from
        repeat {
            guard let from = position, from.rawValue <= TID.max.rawValue else { return nil }
            if let oids = slice.oids {
                let index = oids.firstIndex(notBefore: from)
                guard index < oids.count else { return nil }
                let oid = oids[index]
                let isWhole = try packBatch(of: oid, in: partition, at: slice.tid, &clock, database)
                position = isWhole ? (index + 1 < oids.count ? oids[index + 1] : nil) : oid
            } else {
                position = try packBatch(from: from, in: partition, at: slice.tid, &clock, database)
            }
        } while !clock.isUsedUp
        return position
    }

    /// Packs one object, or a part of its revisions.
    /// - Returns: whether nothing is left to do for it.
    private func packBatch(
        of oid: OID,
        in partition: PartitionID,
        at tid: TID,
        _ clock: inout WorkClock,
        _ database: GRDB.Database
    ) throws -> Bool {
        guard oid.rawValue <= TID.max.rawValue else { return true }
        let limit = clock.batch
        var records: [(tid: TID, dataID: Int64?)] = []
        try database.each(
            "SELECT tid, data_id FROM obj WHERE partition = ? AND oid = ? AND tid <= ? ORDER BY tid LIMIT ?",
            [.integer(partition), .id(oid), .bound(tid), .integer(limit + 1)]
        ) { row in
            records.append((row.tid(0), row.optionalInteger(1)))
            return true
        }
        clock.spend(max(1, records.count - 1))
        let isWhole = records.count <= limit
        // The last one is kept, unless it is the last of all and a deletion.
        if let last = records.last, !isWhole || last.dataID != nil { records.removeLast() }
        if let through = records.last?.tid {
            try remove(
                [Doomed(oid: oid, through: through, data: records.compactMap(\.dataID))],
                in: partition,
                database
            )
        }
        return isWhole
    }

    /// Packs some objects from an OID on.
    /// - Returns: where to go on; nil at the end.
    private func packBatch(
        from: OID,
        in partition: PartitionID,
        at tid: TID,
        _ clock: inout WorkClock,
        _ database: GRDB.Database
    ) throws -> OID? {
        var doomed: [Doomed] = []
        let batch = clock.batch
        var left = batch
        var looked = 0
        var next: OID?
        /// The last revision seen that is not after `tid`; nil: there is none, or what follows is newer.
        var candidate: (oid: OID, tid: TID, dataID: Int64?)?
        var current: OID?

        func doom(_ record: (oid: OID, tid: TID, dataID: Int64?)) {
            if doomed.last?.oid != record.oid { doomed.append(Doomed(oid: record.oid, through: record.tid, data: [])) }
            doomed[doomed.count - 1].through = record.tid
            if let id = record.dataID { doomed[doomed.count - 1].data.append(id) }
            left -= 1
        }
        func endObject() {
            if let last = candidate, last.dataID == nil { doom(last) }
            candidate = nil
        }

        try database.each(
            "SELECT oid, tid, data_id FROM obj WHERE partition = ? AND oid >= ? ORDER BY oid, tid",
            [.integer(partition), .id(from)]
        ) { row in
            let record = (oid: row.oid(0), tid: row.tid(1), dataID: row.optionalInteger(2))
            if record.oid != current {
                endObject()
                // Looking is cheaper than deleting: a pack of what was packed before is mostly looking.
                if left <= 0 || looked >= 16 * batch {
                    next = record.oid
                    return false
                }
                current = record.oid
            } else if left <= 0 {
                // Some of its revisions go now, the others with the next batch.
                next = record.oid
                candidate = nil
                return false
            }
            looked += 1
            guard record.tid <= tid else {
                endObject()
                guard looked >= 16 * batch else { return true }
                // All that is left of it is newer.
                next = OID(record.oid.rawValue + 1)
                return false
            }
            if let previous = candidate { doom(previous) }
            candidate = record
            return true
        }
        if next == nil { endObject() }
        clock.spend(max(1, batch - left + looked / 16))
        try remove(doomed, in: partition, database)
        return next
    }

    private func remove(_ doomed: [Doomed], in partition: PartitionID, _ database: GRDB.Database) throws {
        for object in doomed {
            try database.run(
                "DELETE FROM obj WHERE partition = ? AND oid = ? AND tid <= ?",
                .integer(partition),
                .id(object.oid),
                .id(object.through)
            )
            for id in object.data { try prune(id, database) }
        }
    }
}

extension [OID] {
    /// Index of the first element that is not smaller, in ascending order.
    fileprivate func firstIndex(notBefore oid: OID) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if self[middle] < oid { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
