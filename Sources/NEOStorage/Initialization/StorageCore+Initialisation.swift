import NEODatabase
import NEOEngine
import NEOProtocol
import NEOTopology
import OrderedCollections

/// What a master asks and tells before operation (`spec/storage.md §3.4, §18`).
///
/// Each question is answered from the database once all the jobs in front of it are applied.
extension StorageCore {
    mutating func initialisation(
        _ id: ConnectionID,
        _ request: UInt32,
        _ packet: Packet,
        _ context: inout Context
    ) throws {
        switch packet {
        case .askRecovery:
            if waitsForDatabase(request, packet) { return }
            let recorded = try reader.configuration()
            let answer = AnswerRecovery(
                ptid: table?.ptid,
                backupTID: recorded.backupTID,
                truncateTID: recorded.truncateTID
            )
            connections.answer(id, to: request, answer, &context)
        case .askPartitionTable:
            let answer = AnswerPartitionTable(
                ptid: table?.ptid,
                replicas: table?.replicas ?? 0,
                rows: table?.rows ?? []
            )
            connections.answer(id, to: request, answer, &context)
        case .sendPartitionTable(let table): try load(table, from: id, request, &context)
        case .truncate(let order):
            guard order.tid <= .max else {
                try violation(id, request, "expected a TID up to \(TID.max), got \(order.tid)", &context)
                return
            }
            context.log(.warning, "ordered to truncate after \(order.tid)")
            backupTID = nil
            submit(.orderTruncation(order.tid), &context)
        case .askLockedTransactions:
            if waitsForDatabase(request, packet) { return }
            var locked: OrderedDictionary<TTID, TID?> = [:]
            for transaction in try reader.unfinishedTransactions() {
                locked.updateValue(transaction.tid, forKey: transaction.ttid)
            }
            connections.answer(id, to: request, AnswerLockedTransactions(transactions: locked), &context)
        case .validateTransaction(let validated):
            guard validated.ttid <= validated.tid, validated.tid <= .max else {
                let message = "expected a final TID for \(validated.ttid), got \(validated.tid)"
                try violation(id, request, message, &context)
                return
            }
            submit(.validate(validated.ttid, validated.tid), &context)
        case .askLastIDs:
            if waitsForDatabase(request, packet) { return }
            if try truncates(before: request, packet, &context) { return }
            try answerLastIDs(request, &context)
        case .startOperation(let start):
            if waitsForDatabase(request, packet) { return }
            // Without readable cells, the others were verified without this node. An order that it kept would be taken for one of the
            // whole cluster, once it is readable again, by a master that recovers.
            if !readable.contains(true), try truncates(before: request, packet, &context) { return }
            try startOperation(backup: start.backup, id, request, &context)
        case .checkPartition(let order):
            // A reference master orders it in any state (`spec/master.md §14.7`).
            context.log(.error, "partition \(order.partition) cannot be checked: this node is not in operation")
        default: try common(id, request, packet, &context)
        }
    }

    /// Executes one more slice of the truncation that was ordered (`spec/storage.md §18.4`), and then the packet again.
    /// - Returns: false if none was ordered, or all is done.
    private mutating func truncates(
        before request: UInt32,
        _ packet: Packet,
        _ context: inout Context
    ) throws -> Bool {
        guard try reader.configuration().truncateTID != nil else { return false }
        // Nobody is served meanwhile.
        let budget = WorkBudget(rows: 100_000, milliseconds: 200)
        closeGate(until: submit(.truncate(budget), then: .truncated(before: request, packet), &context))
        return true
    }

    /// `spec/storage.md §18.5`
    private mutating func answerLastIDs(_ request: UInt32, _ context: inout Context) throws {
        guard case .connected(let id) = link else { return }
        if !configuration.disablesPack, let packed = try smallestPackID() {
            completedPackID = packed
            connections.notify(id, NotifyPackCompleted(tid: packed), &context)
        }
        let partitions = readable.indices.filter { readable[$0] }
        let last = try reader.lastIDs(in: partitions)
        let answer = AnswerLastIDs(
            lastTID: last.tid,
            lastOID: last.oid,
            firstTID: try reader.firstTID(in: partitions) ?? .max
        )
        connections.answer(id, to: request, answer, &context)
    }

    /// `spec/storage.md §3.5`. The database is complete up to here.
    private mutating func startOperation(
        backup: Bool,
        _ id: ConnectionID,
        _ request: UInt32,
        _ context: inout Context
    ) throws {
        guard table != nil, nid != nil else {
            try violation(id, request, "expected a partition table before StartOperation, got none", &context)
            return
        }
        if let job = try setBackup(backup, then: .operationReady(backup: backup), &context) {
            closeGate(until: job)
        } else {
            try beginOperation(backup: backup, &context)
        }
    }

    /// Records the mode of the cluster: in backup mode, up to where this node is complete.
    /// - Returns: the job; nil if nothing changes.
    mutating func setBackup(
        _ backup: Bool,
        then continuation: Continuation,
        _ context: inout Context
    ) throws -> DatabaseJob.ID? {
        var target: TID?
        if backup {
            target = try backupTID ?? reader.lastIDs(in: readable.indices.filter { readable[$0] }).tid ?? .zero
        }
        guard target != backupTID else { return nil }
        backupTID = target
        return submit(.setBackupTID(target), then: continuation, &context)
    }

    /// The switch itself, in one turn: whatever is sent to this node next is served by the rules of operation, and what it
    /// writes is in the writer's queue behind the drop of unfinished data (`spec/README.md`, atomicity rule 3).
    mutating func beginOperation(backup: Bool, _ context: inout Context) throws {
        guard case .connected(let id) = link, let table, let nid else { return }
        phase = .operation
        connections.notify(id, NotifyReady(), &context)
        let outdated = table.cells(at: nid).filter { $0.state == .outOfDate }.map(\.partition)
        if !outdated.isEmpty { replicate(outdated, &context) }
        submit(.dropUnfinished, &context)
        try advanceBackground(&context)
        try reportPack(&context)
        try evaluatePack(&context)
        context.log(.info, "in operation with \(readable.count { $0 }) readable cells")
    }
}
