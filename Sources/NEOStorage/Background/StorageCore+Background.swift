import NEODatabase
import NEOEngine
import NEOProtocol

/// Works that go on behind the service of clients: dropped partitions, repairs; packs are in `Pack/`.
extension StorageCore {
    /// Has the next task whose turn it is do a slice, unless one is under way.
    mutating func advanceBackground(_ context: inout Context) throws {
        guard background.state == .idle else { return }
        var budget = configuration.backgroundPace.budget(isQuiet: background.isQuiet)
        if context.buggify(.smallSlices) { budget.rows = 1 }
        for task in background.turns {
            let slice: (operation: DatabaseJob.Operation, continuation: Continuation)? =
                switch task {
                case .drop: try dropSlice(budget)
                case .pack: packSlice(budget)
                case .repair: repairSlice(budget)
                }
            guard let slice else { continue }
            background.begin(task, clientRequests: clientRequests, now: context.now)
            submit(slice.operation, then: slice.continuation, &context)
            return
        }
    }

    /// A slice is over, and what follows from it was seen to.
    mutating func completedSlice(_ context: inout Context) throws {
        let pace = configuration.backgroundPace
        switch background.completed(clientRequests: clientRequests, now: context.now, pace) {
        case .proceed: try advanceBackground(&context)
        case .rest(let milliseconds): context.startTimer(Timer.background, milliseconds: milliseconds)
        }
    }

    mutating func rested(_ context: inout Context) throws {
        background.rested()
        try advanceBackground(&context)
    }

    /// The period of operation is over: results of what is under way will not be told.
    mutating func stopBackground(_ context: inout Context) {
        context.cancelTimer(Timer.background)
        background = BackgroundLane()
        dropQueue.pause()
        repair = nil
        packing = Packing()
    }

    // MARK: Dropped partitions

    /// `spec/storage.md §17`
    private mutating func dropSlice(_ budget: WorkBudget) throws -> (DatabaseJob.Operation, Continuation)? {
        guard phase == .operation, !configuration.disablesDropPartitions else { return nil }
        while let partition = dropQueue.next() {
            // What is still to be written must be dropped as well.
            guard jobs.isEmpty, try reader.lastIDs(in: partition) == LastIDs() else {
                return (.dropPartition(partition, budget), .dropped(partition))
            }
            dropQueue.completed(partition, isFinished: true)
        }
        return nil
    }

    mutating func dropped(_ partition: PartitionID, isFinished: Bool, _ context: inout Context) throws {
        if dropQueue.completed(partition, isFinished: isFinished) {
            context.log(.info, "the data of partition \(partition) are dropped")
        }
        try completedSlice(&context)
    }

    /// Says what would be dropped: the option keeps it (`spec/storage.md §17`).
    func reportKeptPartitions(_ partitions: [PartitionID], _ context: inout Context) throws {
        guard configuration.disablesDropPartitions else { return }
        let kept = try partitions.filter { try reader.lastIDs(in: $0) != LastIDs() }
        guard !kept.isEmpty else { return }
        let list = kept.map(String.init).joined(separator: ", ")
        context.log(
            .warning,
            "the data of partitions \(list), not assigned to this node, are kept: dropping is disabled"
        )
    }

    // MARK: Repair

    /// A search for data rows that nothing refers to (`spec/storage.md §16.4`).
    struct Repair: Hashable, Sendable {
        var isDryRun: Bool
        var position: Int64 = -1
        var count = 0
    }

    /// `NotifyRepair`
    mutating func beginRepair(dryRun: Bool, _ context: inout Context) throws {
        guard repair == nil else {
            context.log(.error, "a repair is already in progress")
            return
        }
        repair = Repair(isDryRun: dryRun)
        try advanceBackground(&context)
    }

    private mutating func repairSlice(_ budget: WorkBudget) -> (DatabaseJob.Operation, Continuation)? {
        guard let repair else { return nil }
        return (
            .removeOrphans(after: repair.position, budget, dryRun: repair.isDryRun),
            .searchedOrphans
        )
    }

    mutating func searchedOrphans(_ count: Int, next: Int64?, _ context: inout Context) throws {
        if var repair {
            repair.count += count
            if let next {
                repair.position = next
                self.repair = repair
            } else {
                self.repair = nil
                let found = "repair: \(repair.count) data rows without reference"
                // An operator asked for it: it is to be seen without a log file, too.
                context.log(
                    repair.count > 0 ? .warning : .info,
                    repair.isDryRun ? found : found + " were deleted"
                )
                // Only now is it told: it must be true after a crash, too.
                if !repair.isDryRun, repair.count > 0 { submit(.flush, &context) }
            }
        }
        try completedSlice(&context)
    }
}
