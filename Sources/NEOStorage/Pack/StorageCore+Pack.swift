import NEODatabase
import NEOEngine
import NEOProtocol
import NEOTopology

/// Execution of pack orders (`spec/storage.md §15`, `spec/replication.md §6`).
extension StorageCore {
    // MARK: Orders

    /// `NotifyPackSigned` (`spec/storage.md §15.2`).
    mutating func signed(_ packet: NotifyPackSigned, _ context: inout Context) throws {
        if !configuration.disablesPack, !(packet.approved.isEmpty && packet.rejected.isEmpty) {
            submit(.signPackOrders(approved: packet.approved, rejected: packet.rejected), &context)
        }
        guard let last = packet.approved.max(), last > lastPackID, last <= .max else { return }
        lastPackID = last
        try reportPack(&context)
        try evaluatePack(&context)
    }

    /// Begins the next order that some of our cells did not execute, if there is one.
    mutating func evaluatePack(_ context: inout Context) throws {
        guard phase == .operation, !configuration.disablesPack, case .connected(let id) = link, let table, let nid
        else { return }
        let cells = try ownCells().filter { table.state(of: $0.partition, at: nid) == .upToDate }
        switch packing.evaluate(cells, last: lastPackID, isEligible: isReplicated) {
        case .none: break
        case .ask(let min):
            connections.ask(
                id,
                AskPackOrders(min: min),
                then: .packOrders(after: TID(min.rawValue - 1), period: period),
                &context
            )
        case .work:
            if let order = packing.order {
                let what = order.objects.map { "\($0.values.reduce(0) { $0 + $1.count }) objects" } ?? "all objects"
                context.log(.info, "pack order \(order.id): packing \(what) up to \(order.tid)")
            }
            try advanceBackground(&context)
        }
    }

    /// In a backup cluster, a pack must not take what the replication of a cell is still to bring.
    private func isReplicated(_ partition: PartitionID, to id: TID) -> Bool {
        backupTID.map { $0 >= id } ?? true
    }

    mutating func receivedPackOrders(
        _ answer: AnswerPackOrders,
        after packed: TID,
        period: UInt64,
        _ context: inout Context
    ) throws {
        guard period == self.period, let table,
            packing.received(answer.orders, after: packed, partitions: table.partitions)
        else { return }
        try evaluatePack(&context)
    }

    // MARK: Execution

    mutating func packSlice(_ budget: WorkBudget) -> (DatabaseJob.Operation, Continuation)? {
        guard phase == .operation, let next = packing.nextSlice() else { return nil }
        return (.pack(next.partition, next.slice, budget), .packed(next.partition))
    }

    mutating func packed(_ partition: PartitionID, next: OID?, _ context: inout Context) throws {
        switch packing.packed(partition, next: next) {
        case .next: break
        case .record(let order):
            // All the slices before it are made durable with it.
            submit(.setPacked(partition, order), then: .recordedPack(partition), &context)
        case .end: try endPack(&context)
        }
        try completedSlice(&context)
    }

    mutating func recordedPack(_ partition: PartitionID, _ context: inout Context) throws {
        if packing.recorded(partition) {
            if let order = packing.order { context.log(.info, "pack order \(order.id) is executed") }
            try endPack(&context)
        } else {
            try advanceBackground(&context)
        }
    }

    /// A cell is not up to date any more.
    mutating func stopPacking(_ partition: PartitionID, _ context: inout Context) throws {
        let wasWorking = packing.state != .idle
        packing.remove(partition)
        if wasWorking, packing.state == .idle { try endPack(&context) }
    }

    /// No cell is left of those that were to be packed.
    private mutating func endPack(_ context: inout Context) throws {
        try reportPack(&context)
        try evaluatePack(&context)
    }

    // MARK: Completion

    /// The cells of this node, with what they recorded.
    private func ownCells() throws -> [Packing.Cell] {
        guard let table, let nid else { return [] }
        return try reader.cells().compactMap { cell in
            guard cell.nid == nid, table.state(of: cell.partition, at: nid) != nil else { return nil }
            return Packing.Cell(partition: cell.partition, packed: cell.packed ?? .zero)
        }
    }

    /// The last order that all our cells completed; nil: there is no cell. Cells that will be discarded are not packed, and
    /// must not hold the others back (`spec/replication.md §10.22`).
    func smallestPackID() throws -> TID? {
        guard let table, let nid else { return nil }
        let cells = try ownCells()
        let lasting = cells.filter { table.state(of: $0.partition, at: nid) != .feeding }
        return lasting.map(\.packed).min() ?? (cells.isEmpty ? nil : lastPackID)
    }

    /// Tells the master what this node completed, if it changed (`spec/storage.md §15.5`). A node that does not pack must
    /// not make the others wait.
    ///
    /// A master does not count nodes that said nothing (`spec/master.md §13.5`): one that joins a cluster in operation says
    /// that it completed nothing as soon as it knows of an order, or clients would be told that all is done.
    mutating func reportPack(_ context: inout Context) throws {
        guard phase == .operation, case .connected(let id) = link else { return }
        guard let completed = configuration.disablesPack ? lastPackID : try smallestPackID(),
            completed != completedPackID, completed > .zero || lastPackID > .zero
        else { return }
        completedPackID = completed
        connections.notify(id, NotifyPackCompleted(tid: completed), &context)
    }
}
