import GRDB
import NEOProtocol

extension SQLiteWriterMemory {
    mutating func apply(
        _ operation: DatabaseJob.Operation,
        _ database: GRDB.Database
    ) throws -> DatabaseJobResult.Outcome {
        switch operation {
        case .store(let ttid, let object, let undoTargetRequired):
            return try store(ttid, object, undoTargetRequired: undoTargetRequired, database)
        case .unstore(let ttid, let oid):
            return .unstored(try unstore(ttid, oid, database))
        case .vote(let ttid, let metadata, isDurable: _):
            try vote(ttid, metadata, database)
        case .lock(let ttid, let tid, let approvesPack):
            try lock(ttid, tid, approvesPack: approvesPack, database)
        case .unlock(let ttid, let tid):
            try unlock(ttid, tid, database)
        case .abort(let ttid):
            try abort(ttid, database)
        case .validate(let ttid, let tid):
            try validate(ttid, tid, database)
        case .dropUnfinished:
            try dropUnfinished(database)
        case .discardUnfinished(let partitions):
            try discardUnfinished(partitions, database)
        case .setNID(let nid):
            try setNID(nid, database)
        case .setLastNID(let nid):
            try database.setSetting("last_nid", String(nid.rawValue))
        case .setBackupTID(let tid):
            try database.setSetting("backup_tid", tid?.description)
        case .orderTruncation(let tid):
            try database.setSetting("backup_tid", nil)
            try database.setSetting("truncate_tid", tid.description)
        case .changePartitionTable(let change):
            try changePartitionTable(change, database)
        case .truncate(let budget):
            return .slice(isFinished: try truncate(budget, database))
        case .dropPartition(let partition, let budget):
            var clock = WorkClock(budget)
            return .slice(isFinished: try delete(in: partition, after: nil, through: nil, &clock, database))
        case .pack(let partition, let slice, let budget):
            return .packed(next: try pack(partition, slice, budget, database))
        case .removeOrphans(let after, let budget, let dryRun):
            return try removeOrphans(after: after, budget, dryRun: dryRun, database)
        case .signPackOrders(let approved, let rejected):
            return .packOrdersSigned(
                unknown: try sign(approved, true, database) + sign(rejected, false, database)
            )
        case .setPacked(let partition, let tid):
            try setPacked(partition, "?1", tid, database)
        case .lowerPacked(let partition, let tid):
            try setPacked(partition, "min(pack, ?1)", tid, database)
        case .replicate(let chunk):
            try replicate(chunk, database)
        case .deleteRange(let partition, let after, let through):
            var clock = WorkClock(.rows(.max))
            _ = try delete(in: partition, after: after, through: through, &clock, database)
        case .flush:
            break
        case .erase:
            try SQLiteSchema.erase(database)
            pending = [:]
            references = [:]
            nextDataID = [:]
            partitionCount = 0
        }
        return .done
    }

    // MARK: Configuration

    private func setNID(_ nid: NID, _ database: GRDB.Database) throws {
        if let old = try database.configuration().nid {
            try database.run(
                "UPDATE OR FAIL pt SET nid = ? WHERE nid = ?",
                .integer(Int64(nid.rawValue)),
                .integer(Int64(old.rawValue))
            )
        }
        try database.setSetting("nid", String(nid.rawValue))
    }

    private mutating func changePartitionTable(
        _ change: DatabaseJob.PartitionTableChange,
        _ database: GRDB.Database
    ) throws {
        for cell in change.cells where !(0..<Self.maximumPartitionCount).contains(cell.partition) {
            throw DatabaseFailure(
                .invalidJob,
                "expected at most \(Self.maximumPartitionCount) partitions with SQLite, got a cell of \(cell.partition)"
            )
        }
        let configuration = try database.configuration()
        let recording = try CellRecording(
            change,
            cells: database.cells(),
            nid: configuration.nid,
            backupTID: configuration.backupTID
        ) { try database.lastIDs(in: $0).tid }
        for cell in recording.removed {
            try database.run(
                "DELETE FROM pt WHERE partition = ? AND nid = ?",
                .integer(cell.partition),
                .integer(Int64(cell.nid.rawValue))
            )
        }
        for cell in recording.written { try database.write(cell) }
        try database.setSetting("ptid", String(change.ptid))
        try database.setSetting("replicas", String(change.replicas))
        partitionCount = try database.partitionCount()
        if change.isComplete { nextDataID = [:] }
    }

    // MARK: Pack orders

    private func sign(_ ids: [TID], _ approved: Bool, _ database: GRDB.Database) throws -> [TID] {
        try ids.filter { id in
            guard id <= .max, try database.exists("SELECT 1 FROM pack WHERE tid = ?", .id(id)) else { return true }
            try database.run("UPDATE pack SET approved = ? WHERE tid = ?", .integer(approved ? 1 : 0), .id(id))
            return false
        }
    }

    private func setPacked(
        _ partition: PartitionID,
        _ expression: String,
        _ tid: TID,
        _ database: GRDB.Database
    ) throws {
        guard let nid = try database.configuration().nid else { return }
        try database.run(
            "UPDATE pt SET pack = \(expression) WHERE partition = ?2 AND nid = ?3",
            .id(tid),
            .integer(partition),
            .integer(Int64(nid.rawValue))
        )
    }
}
