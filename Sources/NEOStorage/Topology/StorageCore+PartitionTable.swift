import NEODatabase
import NEOEngine
import NEOProtocol
import NEOTopology

/// Changes of the partition table (`spec/storage.md §14`).
extension StorageCore {
    /// Replaces the table in memory.
    mutating func setTable(_ table: PartitionTable?) {
        self.table = table
        guard let table, let nid else {
            readable = []
            isAlone = false
            return
        }
        readable = (0..<table.partitions).map { table.isReadable($0, at: nid) }
        isAlone = table.nids == [nid]
    }

    func isReadable(_ partition: PartitionID) -> Bool { readable.indices.contains(partition) && readable[partition] }

    /// `SendPartitionTable` (`spec/storage.md §14.1`).
    mutating func load(
        _ packet: SendPartitionTable,
        from id: ConnectionID,
        _ request: UInt32,
        _ context: inout Context
    ) throws {
        let table: PartitionTable
        do {
            table = try PartitionTable(ptid: packet.ptid, replicas: packet.replicas, rows: packet.rows)
        } catch {
            try violation(id, request, "\(error)", &context)
            return
        }
        guard let ptid = table.ptid, let nid, table.isFilled else {
            try violation(id, request, "expected a cell in each partition, got a partial table", &context)
            return
        }
        if let recorded = self.table?.ptid, recorded > ptid {
            context.log(
                .warning,
                "partition table \(recorded) of this node is newer than \(ptid) of the cluster: "
                    + "what was committed with it, and the others lack, is lost"
            )
        }
        setTable(table)
        let cells = table.rows.enumerated().flatMap { partition, row in
            row.map { CellChange(partition: partition, nid: $0.nid, state: $0.state) }
        }
        submit(
            .changePartitionTable(
                DatabaseJob.PartitionTableChange(
                    ptid: ptid,
                    replicas: table.replicas,
                    cells: cells,
                    isComplete: true,
                    lastPackID: lastPackID
                )
            ),
            &context
        )
        // Data may remain of cells that were discarded while this node was away.
        let unassigned = (0..<table.partitions).filter { table.state(of: $0, at: nid) == nil }
        dropQueue.replace(unassigned)
        try reportKeptPartitions(unassigned, &context)
    }

    /// `NotifyPartitionChanges` (`spec/storage.md §14.3`).
    mutating func apply(
        _ packet: NotifyPartitionChanges,
        from id: ConnectionID,
        _ request: UInt32,
        _ context: inout Context
    ) throws {
        guard var table, let ptid = table.ptid, packet.ptid == ptid &+ 1, let nid else {
            let expected = table?.ptid.map { "\($0 &+ 1)" } ?? "a whole table"
            try violation(id, request, "wrong partition table id: expected \(expected), got \(packet.ptid)", &context)
            return
        }
        let previous = table
        do {
            try table.apply(ptid: packet.ptid, replicas: packet.replicas, cells: packet.cells)
        } catch {
            try violation(id, request, "\(error)", &context)
            return
        }
        setTable(table)
        submit(
            .changePartitionTable(
                DatabaseJob.PartitionTableChange(
                    ptid: packet.ptid,
                    replicas: packet.replicas,
                    cells: packet.cells,
                    isComplete: false,
                    lastPackID: lastPackID
                )
            ),
            &context
        )
        let own = packet.cells.filter { $0.nid == nid }
        for cell in own {
            if cell.state == .discarded {
                dropQueue.insert(cell.partition)
            } else {
                dropQueue.remove(cell.partition)
            }
        }
        try reportKeptPartitions(own.filter { $0.state == .discarded }.map(\.partition), &context)
        guard phase == .operation else { return }
        for cell in own where cell.state != .upToDate { try stopPacking(cell.partition, &context) }
        let lost = Set(own.filter { $0.state == .discarded || $0.state == .corrupted }.map(\.partition))
        let outdated = own.filter { $0.state == .outOfDate && previous.state(of: $0.partition, at: nid) != .outOfDate }
        stopReplicating(own.filter(\.state.isReadable).map(\.partition), &context)
        if !outdated.isEmpty { replicate(outdated.map(\.partition).sorted(), &context) }
        if !lost.isEmpty { try discard(lost, of: table, &context) }
        if !own.isEmpty {
            try reportPack(&context)
            try evaluatePack(&context)
        }
        try advanceBackground(&context)
        // A source may have come.
        try replicateNext(&context)
    }

    /// Forgets what pending transactions do in partitions that are not ours any more (`spec/storage.md §10.5`): stores
    /// that wait are answered, nothing is committed there.
    private mutating func discard(
        _ partitions: Set<PartitionID>,
        of table: PartitionTable,
        _ context: inout Context
    ) throws {
        stopReplicating(partitions.sorted(), &context)
        transactions.discard { partitions.contains(table.partition(of: $0)) }
        submit(.discardUnfinished(partitions.sorted()), &context)
        try retryWrites(&context)
        try retryReads(&context)
    }
}
