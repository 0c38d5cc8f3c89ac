import NEOProtocol
import NIOCore

extension MemoryState {
    mutating func apply(_ operation: DatabaseJob.Operation) throws -> DatabaseJobResult.Outcome {
        switch operation {
        case .store(let ttid, let object, let undoTargetRequired):
            return try store(ttid, object, undoTargetRequired: undoTargetRequired)
        case .unstore(let ttid, let oid):
            let record = pendingObjects[ttid]?[oid]
            pendingObjects[ttid]?[oid] = nil
            return .unstored(record?.data)
        case .vote(let ttid, let metadata, isDurable: _):
            try vote(ttid, metadata)
        case .lock(let ttid, let tid, let approvesPack):
            votedTransactions[ttid]?.tid = tid
            if approvesPack { packOrders[ttid]?.approved = true }
        case .unlock(let ttid, let tid):
            try unlock(ttid, tid)
        case .abort(let ttid):
            abort(ttid)
        case .validate(let ttid, let tid):
            if let voted = votedTransactions[ttid], voted.tid == nil { packOrders[ttid]?.approved = true }
            try unlock(ttid, tid)
        case .dropUnfinished:
            try dropUnfinished()
        case .discardUnfinished(let partitions):
            try discardUnfinished(partitions)
        case .setNID(let nid):
            setNID(nid)
        case .setLastNID(let nid):
            lastNID = nid
        case .setBackupTID(let tid):
            backupTID = tid
        case .orderTruncation(let tid):
            backupTID = nil
            truncateTID = tid
        case .changePartitionTable(let change):
            try changePartitionTable(change)
        case .truncate(let budget):
            return .slice(isFinished: try truncate(limit: budget.rows))
        case .dropPartition(let partition, let budget):
            return .slice(isFinished: delete(in: partition, after: nil, through: nil, limit: budget.rows) > 0)
        case .pack(let partition, let slice, let budget):
            return .packed(next: pack(partition, slice, limit: budget.rows))
        case .removeOrphans:
            // Data are in their records: nothing can be left over.
            return .orphans(count: 0, next: nil)
        case .signPackOrders(let approved, let rejected):
            return .packOrdersSigned(unknown: signPackOrders(approved: approved, rejected: rejected))
        case .setPacked(let partition, let tid):
            updateOwnCell(partition) { $0.packed = tid }
        case .lowerPacked(let partition, let tid):
            updateOwnCell(partition) { cell in
                if let packed = cell.packed { cell.packed = min(packed, tid) }
            }
        case .replicate(let chunk):
            try replicate(chunk)
        case .deleteRange(let partition, let after, let through):
            _ = delete(in: partition, after: after, through: through, limit: .max)
        case .flush:
            break
        case .erase:
            self = MemoryState(clusterName: "")
        }
        return .done
    }

    // MARK: Transactions

    private mutating func store(
        _ ttid: TTID,
        _ object: DatabaseJob.PendingObject,
        undoTargetRequired: Bool
    ) throws -> DatabaseJobResult.Outcome {
        let partition = try partition(of: object.oid)
        var record = Record(data: object.data, dataTID: object.dataTID)
        if let dataTID = object.dataTID {
            if let target = partitions[partition]?.objects[object.oid]?[dataTID] {
                record.data = target.data
            } else if undoTargetRequired {
                return .undoTargetMissing
            }
        }
        pendingObjects[ttid, default: .init()][object.oid] = record
        return .done
    }

    private mutating func vote(_ ttid: TTID, _ metadata: TransactionMetadata?) throws {
        if let objects = pendingObjects[ttid], !objects.isEmpty {
            guard votedObjects[ttid] == nil else {
                throw DatabaseFailure(.invalidJob, "objects of \(ttid) are voted already")
            }
            votedObjects[ttid] = objects
        }
        pendingObjects[ttid] = nil
        guard var metadata else { return }
        guard votedTransactions[ttid] == nil else {
            throw DatabaseFailure(.invalidJob, "transaction \(ttid) is voted already")
        }
        _ = try partition(of: ttid)
        if let pack = metadata.pack {
            packOrders[ttid] = PackOrder(
                id: ttid,
                approved: nil,
                isPartial: pack.oids.map { !$0.oids.isEmpty } ?? false,
                oids: pack.oids,
                tid: pack.tid
            )
        }
        metadata.pack = nil
        votedTransactions[ttid] = VotedTransaction(tid: nil, metadata: metadata)
    }

    /// A row that is there already is a mistake of the core, as in a database with keys.
    private mutating func unlock(_ ttid: TTID, _ tid: TID) throws {
        if let voted = votedTransactions[ttid] {
            let metadata = voted.metadata
            let partition = try partition(of: tid)
            guard partitions[partition]?.transactions[tid] == nil else {
                throw DatabaseFailure(.invalidJob, "transaction \(tid) of \(ttid) is there already")
            }
            partitions[partition, default: .init()].transactions[tid] = TransactionRecord(
                tid: tid,
                ttid: ttid,
                user: metadata.user,
                description: metadata.description,
                extensionData: metadata.extensionData,
                packed: false,
                oids: metadata.oids,
                pack: nil
            )
            votedTransactions[ttid] = nil
        }
        if var order = packOrders[ttid] {
            packOrders[ttid] = nil
            order.id = tid
            packOrders[tid] = order
        }
        if let objects = votedObjects[ttid] {
            for (oid, record) in zip(objects.keys, objects.values) {
                let partition = try partition(of: oid)
                guard partitions[partition]?.objects[oid]?[tid] == nil else {
                    throw DatabaseFailure(.invalidJob, "object \(oid) at \(tid) of \(ttid) is there already")
                }
                partitions[partition, default: .init()].objects[oid, default: .init()][tid] = record
            }
            votedObjects[ttid] = nil
        }
    }

    private mutating func abort(_ ttid: TTID) {
        pendingObjects[ttid] = nil
        votedObjects[ttid] = nil
        if votedTransactions[ttid] != nil {
            votedTransactions[ttid] = nil
            packOrders[ttid] = nil
        }
    }

    private mutating func dropUnfinished() throws {
        pendingObjects = .init()
        votedObjects = .init()
        votedTransactions = .init()
        for id in packOrders.keys {
            let partition = try partition(of: id)
            if partitions[partition]?.transactions[id] == nil { packOrders[id] = nil }
        }
    }

    private mutating func discardUnfinished(_ discarded: [PartitionID]) throws {
        for ttid in votedTransactions.keys where discarded.contains(try partition(of: ttid)) {
            votedTransactions[ttid] = nil
            packOrders[ttid] = nil
        }
        try Self.discard(discarded, from: &votedObjects, partition: partition(of:))
        try Self.discard(discarded, from: &pendingObjects, partition: partition(of:))
    }

    private static func discard(
        _ discarded: [PartitionID],
        from table: inout SortedMap<TTID, SortedMap<OID, Record>>,
        partition: (OID) throws -> PartitionID
    ) throws {
        for ttid in table.keys {
            for oid in table[ttid]?.keys ?? [] where discarded.contains(try partition(oid)) {
                table[ttid]?[oid] = nil
            }
            if table[ttid]?.isEmpty ?? false { table[ttid] = nil }
        }
    }

    // MARK: Configuration

    private mutating func setNID(_ new: NID) {
        let moved = nid == nil ? [] : ownCells
        for var cell in moved {
            cells[CellKey(partition: cell.partition, nid: cell.nid)] = nil
            cell.nid = new
            cells[CellKey(partition: cell.partition, nid: new)] = cell
        }
        nid = new
    }

    private mutating func changePartitionTable(_ change: DatabaseJob.PartitionTableChange) throws {
        let recording = try CellRecording(change, cells: cells.values, nid: nid, backupTID: backupTID) { partition in
            largest(partitions[partition]?.transactions.last?.key, partitions[partition]?.lastRecordTID)
        }
        for cell in recording.removed { cells[CellKey(partition: cell.partition, nid: cell.nid)] = nil }
        for cell in recording.written { cells[CellKey(partition: cell.partition, nid: cell.nid)] = cell }
        ptid = change.ptid
        replicas = change.replicas
    }

    private mutating func updateOwnCell(_ partition: PartitionID, _ update: (inout StoredCell) -> Void) {
        guard let nid, var cell = cells[CellKey(partition: partition, nid: nid)] else { return }
        update(&cell)
        cells[CellKey(partition: partition, nid: nid)] = cell
    }

    // MARK: Pack orders

    private mutating func signPackOrders(approved: [TID], rejected: [TID]) -> [TID] {
        var unknown: [TID] = []
        for (ids, value) in [(approved, true), (rejected, false)] {
            for id in ids {
                if packOrders[id] == nil { unknown.append(id) } else { packOrders[id]?.approved = value }
            }
        }
        return unknown
    }
}
