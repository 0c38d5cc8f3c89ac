import GRDB
import NEOProtocol
import NIOCore

/// Reads a database file through connections of its own. Each method is one statement or one transaction, so that it
/// sees one state.
struct SQLiteReader: DatabaseReader {
    let queue: DatabaseQueue
    let hot: SQLiteHotReads

    func read<Value>(_ body: (GRDB.Database) throws -> Value) throws -> Value {
        try queue.unsafeReentrantRead(body)
    }

    /// For methods that take several statements.
    func snapshot<Value>(_ body: (GRDB.Database) throws -> Value) throws -> Value {
        try queue.unsafeReentrantRead { database in
            var value: Value?
            try reportingFailures {
                try database.inTransaction(.deferred) {
                    value = try body(database)
                    return .commit
                }
            }
            guard let value else { throw DatabaseFailure(.failed, "a read transaction was not run") }
            return value
        }
    }

    // MARK: Configuration and partition table

    func configuration() throws -> DatabaseConfiguration { try snapshot { try $0.configuration() } }

    func cells() throws -> [StoredCell] { try snapshot { try $0.cells() } }

    func availableBytes() throws -> UInt64? { try DiskSpace.availableBytes(at: queue.path) }

    // MARK: Ids

    func firstTID(in partitions: [PartitionID]) throws -> TID? {
        try snapshot { database in
            try partitions.compactMap { partition in
                try database.first(
                    "SELECT tid FROM trans WHERE partition = ? ORDER BY tid LIMIT 1",
                    .integer(partition)
                ) { $0.tid(0) }
            }.min()
        }
    }

    func lastIDs(in partition: PartitionID) throws -> LastIDs { try snapshot { try $0.lastIDs(in: partition) } }

    // MARK: Objects

    func load(_ oid: OID, in partition: PartitionID, _ selector: RevisionSelector) throws -> LoadOutcome {
        guard oid.rawValue <= TID.max.rawValue else { return .noSuchObject }
        switch selector {
        case .before(let tid) where tid > .max: return try hot.load(oid, in: partition, .latest)
        // No revision has such a TID.
        case .at(let tid) where tid > .max:
            return try hot.lastTID(of: oid, in: partition) == nil ? .noSuchObject : .noSuchRevision
        default: return try hot.load(oid, in: partition, selector)
        }
    }

    func lastTID(of oid: OID, in partition: PartitionID) throws -> TID? {
        guard oid.rawValue <= TID.max.rawValue else { return nil }
        return try hot.lastTID(of: oid, in: partition)
    }

    func hasRevision(of oid: OID, at tid: TID, in partition: PartitionID) throws -> Bool {
        guard oid.rawValue <= TID.max.rawValue, tid <= .max else { return false }
        return try hot.hasRevision(of: oid, at: tid, in: partition)
    }

    func history(of oid: OID, in partition: PartitionID, skip: Int, limit: Int) throws -> [HistoryRecord] {
        guard oid.rawValue <= TID.max.rawValue else { return [] }
        return try read { database in
            try database.all(
                """
                SELECT tid, length(value) FROM obj LEFT JOIN data ON data.id = data_id
                WHERE partition = ? AND oid = ? ORDER BY tid DESC LIMIT ? OFFSET ?
                """,
                .integer(partition),
                .bound(oid),
                .integer(limit),
                .integer(skip)
            ) { HistoryRecord(tid: $0.tid(0), size: Int($0.integer(1))) }
        }
    }

    func revisions(of oid: OID, from tid: TID, in partition: PartitionID) throws -> RevisionChain {
        guard oid.rawValue <= TID.max.rawValue, tid <= .max else { return RevisionChain(previous: nil, revisions: []) }
        return try snapshot { database in
            RevisionChain(
                previous: try database.first(
                    "SELECT tid FROM obj WHERE partition = ? AND oid = ? AND tid < ? ORDER BY tid DESC LIMIT 1",
                    .integer(partition),
                    .bound(oid),
                    .bound(tid)
                ) { $0.tid(0) },
                revisions: try database.all(
                    "SELECT tid, value_tid FROM obj WHERE partition = ? AND oid = ? AND tid >= ? ORDER BY tid",
                    .integer(partition),
                    .bound(oid),
                    .bound(tid)
                ) { RevisionChain.Link(tid: $0.tid(0), dataTID: $0.optionalTID(1)) }
            )
        }
    }

    func oids(from first: OID, in partition: PartitionID, asOf tid: TID, limit: Int) throws -> OIDSlice {
        guard first.rawValue <= TID.max.rawValue else { return OIDSlice(oids: [], lastConsidered: nil) }
        return try read { database in
            var slice = OIDSlice(oids: [], lastConsidered: nil)
            var considered = 0
            // With max(), SQLite takes the other columns from the row that has the maximum.
            try database.each(
                """
                SELECT oid, data_id, max(tid) FROM obj WHERE partition = ? AND oid >= ? AND tid <= ?
                GROUP BY oid ORDER BY oid LIMIT ?
                """,
                [.integer(partition), .bound(first), .bound(tid), .integer(limit)]
            ) { row in
                considered += 1
                if !row.isNull(1) { slice.oids.append(row.oid(0)) }
                if considered == limit { slice.lastConsidered = row.oid(0) }
                return true
            }
            return slice
        }
    }

    // MARK: Unfinished transactions

    func unfinishedTransactions() throws -> [UnfinishedTransaction] {
        try read { database in
            // max() prefers a TID to NULL.
            try database.all(
                """
                SELECT ttid, max(tid) FROM (SELECT ttid, tid FROM ttrans UNION SELECT tid, NULL FROM tobj)
                GROUP BY ttid ORDER BY ttid
                """
            ) { UnfinishedTransaction(ttid: $0.tid(0), tid: $0.optionalTID(1)) }
        }
    }

    // MARK: Replication and checks

    func objectRecords(
        in partition: PartitionID,
        from: TID,
        oid: OID,
        through: TID,
        limit: Int
    ) throws -> [ObjectRecordID] {
        guard from <= .max else { return [] }
        return try read { database in
            // `tid >= ?` is implied, but lets SQLite begin at the right place of the index.
            try database.all(
                """
                SELECT tid, oid FROM obj WHERE partition = ?1 AND tid >= ?2 AND tid <= ?4 AND (tid, oid) >= (?2, ?3)
                ORDER BY tid, oid LIMIT ?5
                """,
                .integer(partition),
                .bound(from),
                .bound(oid),
                .bound(through),
                .integer(limit)
            ) { ObjectRecordID(tid: $0.tid(0), oid: $0.oid(1)) }
        }
    }

    func revision(of oid: OID, at tid: TID, in partition: PartitionID) throws -> Revision? {
        guard oid.rawValue <= TID.max.rawValue, tid <= .max else { return nil }
        return try read { database in
            try database.first(
                """
                SELECT tid, NULL, value_tid, data_id, compression, hash, value
                FROM obj LEFT JOIN data ON data.id = data_id WHERE partition = ? AND oid = ? AND tid = ?
                """,
                .integer(partition),
                .bound(oid),
                .bound(tid),
                row: Revision.init
            )
        }
    }
}

extension Revision {
    /// Columns: tid, next tid, value_tid, data_id, compression, hash, value.
    init(_ row: SQLRow) throws {
        var data: StoredData?
        if !row.isNull(3) {
            guard !row.isNull(4) else {
                throw DatabaseFailure(.corrupted, "expected row \(row.integer(3)) in table data, got none")
            }
            data = StoredData(
                compression: Int(row.integer(4)),
                checksum: try row.checksum(5),
                data: row.blob(6)
            )
        }
        self.init(tid: row.tid(0), nextTID: row.optionalTID(1), data: data, dataTID: row.optionalTID(2))
    }
}
