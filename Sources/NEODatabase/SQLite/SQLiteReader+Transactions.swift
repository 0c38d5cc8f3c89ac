import GRDB
import NEOProtocol
import NIOCore

extension SQLiteReader {
    func transaction(_ tid: TID, in partition: PartitionID, includeLocked: Bool) throws -> TransactionRecord? {
        guard tid <= .max else { return nil }
        return try snapshot { database in
            let committed = try database.first(
                """
                SELECT trans.tid, ttid, user, description, ext, packed, trans.oids,
                    pack.tid, approved, partial, pack.oids, pack_tid
                FROM trans LEFT JOIN pack ON pack.tid = trans.tid WHERE partition = ? AND trans.tid = ?
                """,
                .integer(partition),
                .bound(tid),
                row: TransactionRecord.init
            )
            guard committed == nil, includeLocked else { return committed }
            return try database.first(
                """
                SELECT ttrans.tid, ttid, user, description, ext, packed, ttrans.oids,
                    pack.tid, approved, partial, pack.oids, pack_tid
                FROM ttrans LEFT JOIN pack ON pack.tid = ttid WHERE ttrans.tid = ?
                """,
                .bound(tid),
                row: TransactionRecord.init
            )
        }
    }

    func tids(in partitions: [PartitionID], skip: Int, limit: Int) throws -> [TID] {
        guard limit > 0 else { return [] }
        // One descending scan for each partition: none can contribute more than this.
        let (wanted, overflows) = skip.addingReportingOverflow(limit)
        return try snapshot { database in
            var tids: [TID] = []
            for partition in partitions {
                tids += try database.all(
                    "SELECT tid FROM trans WHERE partition = ? ORDER BY tid DESC LIMIT ?",
                    .integer(partition),
                    .integer(overflows ? .max : wanted)
                ) { $0.tid(0) }
            }
            if partitions.count > 1 { tids.sort(by: >) }
            return Array(tids.dropFirst(skip).prefix(limit))
        }
    }

    func tids(in partition: PartitionID, _ range: ClosedRange<TID>, limit: Int) throws -> [TID] {
        guard range.lowerBound <= .max else { return [] }
        return try read { database in
            try database.all(
                "SELECT tid FROM trans WHERE partition = ? AND tid >= ? AND tid <= ? ORDER BY tid LIMIT ?",
                .integer(partition),
                .bound(range.lowerBound),
                .bound(range.upperBound),
                .integer(limit)
            ) { $0.tid(0) }
        }
    }

    func finalTID(of ttid: TTID, in partition: PartitionID) throws -> TID? {
        guard ttid <= .max else { return nil }
        return try read { database in
            try database.first(
                "SELECT tid FROM trans WHERE partition = ?1 AND tid >= ?2 AND ttid = ?2 ORDER BY tid LIMIT 1",
                .integer(partition),
                .bound(ttid)
            ) { $0.tid(0) }
        }
    }

    func packOrders(from first: TID, in partitions: [PartitionID], of count: Int) throws -> [PackOrder] {
        guard first <= .max, count > 0 else { return [] }
        let partitions = Set(partitions)
        return try read { database in
            try database.all(
                """
                SELECT tid, approved, partial, oids, pack_tid FROM pack
                WHERE tid >= ? AND EXISTS (SELECT 1 FROM trans WHERE partition = pack.tid % ? AND trans.tid = pack.tid)
                ORDER BY tid
                """,
                .bound(first),
                .integer(count)
            ) { row -> PackOrder? in
                guard partitions.contains(row.tid(0).partition(of: count)) else { return nil }
                return PackOrder(
                    id: row.tid(0),
                    approved: row.optionalInteger(1).map { $0 != 0 },
                    isPartial: row.integer(2) != 0,
                    oids: row.isNull(3) ? nil : OIDList(try row.oids(3)),
                    tid: row.tid(4)
                )
            }.compactMap { $0 }
        }
    }
}

extension TransactionRecord {
    /// Columns: tid, ttid, user, description, ext, packed, oids, then those of the pack order.
    init(_ row: SQLRow) throws {
        self.init(
            tid: row.tid(0),
            ttid: row.tid(1),
            user: row.blob(2),
            description: row.blob(3),
            extensionData: row.blob(4),
            packed: row.integer(5) != 0,
            oids: try row.oids(6),
            pack: nil
        )
        if !row.isNull(7) {
            pack = ReplicatedPack(
                approved: row.optionalInteger(8).map { $0 != 0 },
                isPartial: row.integer(9) != 0,
                oids: row.isNull(10) ? nil : OIDList(try row.oids(10)),
                tid: row.tid(11)
            )
        }
    }
}
