import GRDB
import NEOProtocol
import NIOCore

extension SQLiteWriterMemory {
    mutating func store(
        _ ttid: TTID,
        _ object: DatabaseJob.PendingObject,
        undoTargetRequired: Bool,
        _ database: GRDB.Database
    ) throws -> DatabaseJobResult.Outcome {
        let partition = try partition(of: object.oid)
        var held = Pending.Object(dataID: nil, dataTID: object.dataTID)
        var sharesTarget = false
        if let dataTID = object.dataTID {
            try database.each(
                "SELECT data_id FROM obj WHERE partition = ? AND oid = ? AND tid = ?",
                [.integer(partition), .id(object.oid), .id(dataTID)]
            ) { row in
                held.dataID = row.optionalInteger(0)
                sharesTarget = true
                return false
            }
            if !sharesTarget, undoTargetRequired { return .undoTargetMissing }
        }
        if !sharesTarget, let data = object.data { held.dataID = try insert(data, in: partition, database) }
        hold(held.dataID)
        let previous = pending[ttid, default: Pending()].objects.updateValue(held, forKey: object.oid)
        release(previous?.dataID)
        try prune(previous?.dataID, database)
        return .done
    }

    mutating func unstore(_ ttid: TTID, _ oid: OID, _ database: GRDB.Database) throws -> StoredData? {
        guard let object = pending[ttid]?.objects.removeValue(forKey: oid), let id = object.dataID else { return nil }
        let data = try value(id, database)
        release(id)
        try prune(id, database)
        return data
    }

    mutating func vote(_ ttid: TTID, _ metadata: TransactionMetadata?, _ database: GRDB.Database) throws {
        for (oid, object) in (pending[ttid]?.objects ?? [:]).sorted(by: { $0.key < $1.key }) {
            try database.run(
                "INSERT OR FAIL INTO tobj VALUES (?, ?, ?, ?, ?)",
                .integer(try partition(of: oid)),
                .id(oid),
                .id(ttid),
                .optional(object.dataID),
                try object.dataTID.map(SQLArgument.id) ?? .null
            )
        }
        pending[ttid, default: Pending()].isVoted = true
        guard let metadata else { return }
        pending[ttid]?.hasMetadata = true
        try database.run(
            "INSERT INTO ttrans VALUES (?, NULL, 0, ?, ?, ?, ?, ?)",
            .integer(try partition(of: ttid)),
            .oids(metadata.oids),
            .blob(metadata.user),
            .blob(metadata.description),
            .blob(metadata.extensionData),
            .id(ttid)
        )
        if let pack = metadata.pack {
            let isPartial = pack.oids.map { !$0.oids.isEmpty } ?? false
            try insert(
                PackOrder(id: ttid, approved: nil, isPartial: isPartial, oids: pack.oids, tid: pack.tid),
                database
            )
        }
    }

    func insert(_ order: PackOrder, _ database: GRDB.Database) throws {
        try database.run(
            "INSERT OR REPLACE INTO pack VALUES (?, ?, ?, ?, ?)",
            .id(order.id),
            order.approved.map { .integer($0 ? 1 : 0) } ?? .null,
            .integer(order.isPartial ? 1 : 0),
            order.oids.map { .oids($0.oids) } ?? .null,
            .id(order.tid)
        )
    }

    func lock(_ ttid: TTID, _ tid: TID, approvesPack: Bool, _ database: GRDB.Database) throws {
        guard pending[ttid]?.hasMetadata ?? false else { return }
        try database.run("UPDATE ttrans SET tid = ? WHERE ttid = ?", .id(tid), .id(ttid))
        if approvesPack { try database.run("UPDATE pack SET approved = 1 WHERE tid = ?", .id(ttid)) }
    }

    mutating func unlock(_ ttid: TTID, _ tid: TID, _ database: GRDB.Database) throws {
        guard let transaction = pending.removeValue(forKey: ttid) else { return }
        if transaction.hasMetadata {
            try database.run(
                """
                INSERT OR FAIL INTO trans
                SELECT partition, ?, packed, oids, user, description, ext, ttid FROM ttrans WHERE ttid = ?
                """,
                .id(tid),
                .id(ttid)
            )
            try database.run("DELETE FROM ttrans WHERE ttid = ?", .id(ttid))
            try database.run("UPDATE OR FAIL pack SET tid = ? WHERE tid = ?", .id(tid), .id(ttid))
        }
        if !transaction.objects.isEmpty {
            try database.run(
                """
                INSERT OR FAIL INTO obj SELECT partition, oid, ?, data_id, value_tid FROM tobj WHERE tid = ?
                """,
                .id(tid),
                .id(ttid)
            )
            try database.run("DELETE FROM tobj WHERE tid = ?", .id(ttid))
            for object in transaction.objects.values { release(object.dataID) }
        }
    }

    /// A pack order is approved by its lock. Where that did not take place, nobody knows any more whether it had to be:
    /// it is, as the reference does.
    mutating func validate(_ ttid: TTID, _ tid: TID, _ database: GRDB.Database) throws {
        let isVotedOnly = try database.exists("SELECT 1 FROM ttrans WHERE ttid = ? AND tid IS NULL", .id(ttid))
        try lock(ttid, tid, approvesPack: isVotedOnly, database)
        try unlock(ttid, tid, database)
    }

    mutating func abort(_ ttid: TTID, _ database: GRDB.Database) throws {
        guard let transaction = pending.removeValue(forKey: ttid) else { return }
        if transaction.isVoted, !transaction.objects.isEmpty {
            try database.run("DELETE FROM tobj WHERE tid = ?", .id(ttid))
        }
        if transaction.hasMetadata {
            try database.run("DELETE FROM ttrans WHERE ttid = ?", .id(ttid))
            try database.run("DELETE FROM pack WHERE tid = ?", .id(ttid))
        }
        try releaseAndPrune(transaction.objects.values.map(\.dataID), database)
    }

    private mutating func releaseAndPrune(_ ids: [Int64?], _ database: GRDB.Database) throws {
        for id in ids { release(id) }
        for id in ids { try prune(id, database) }
    }

    mutating func dropUnfinished(_ database: GRDB.Database) throws {
        let ids = pending.values.flatMap { $0.objects.values.map(\.dataID) }
        pending = [:]
        try database.run("DELETE FROM tobj")
        try database.run("DELETE FROM ttrans")
        if partitionCount > 0 {
            // Orders whose transaction is not there were left by aborts of the reference: they would block packs.
            try database.run(
                """
                DELETE FROM pack
                WHERE NOT EXISTS (SELECT 1 FROM trans WHERE trans.partition = pack.tid % ? AND trans.tid = pack.tid)
                """,
                .integer(partitionCount)
            )
        }
        try releaseAndPrune(ids, database)
    }

    mutating func discardUnfinished(_ discarded: [PartitionID], _ database: GRDB.Database) throws {
        let discarded = Set(discarded)
        var ids: [Int64?] = []
        for ttid in pending.keys.sorted() {
            guard var transaction = pending[ttid] else { continue }
            for (oid, object) in transaction.objects where discarded.contains(try partition(of: oid)) {
                transaction.objects[oid] = nil
                ids.append(object.dataID)
                if transaction.isVoted {
                    try database.run("DELETE FROM tobj WHERE tid = ? AND oid = ?", .id(ttid), .id(oid))
                }
            }
            if transaction.hasMetadata, discarded.contains(try partition(of: ttid)) {
                transaction.hasMetadata = false
                try database.run("DELETE FROM ttrans WHERE ttid = ?", .id(ttid))
                try database.run("DELETE FROM pack WHERE tid = ?", .id(ttid))
            }
            pending[ttid] = transaction.objects.isEmpty && !transaction.hasMetadata ? nil : transaction
        }
        try releaseAndPrune(ids, database)
    }
}
