import DequeModule
import NEODatabase
import NEOEngine
import NEOProtocol

/// The way to the database and back.
extension StorageCore {
    /// - Parameters:
    ///   - bytes: of object data in it.
    ///   - isUrgent: somebody waits for its end. Others may be kept for a moment by the host, so that they need no commit of
    ///     their own.
    @discardableResult
    mutating func submit(
        _ operation: DatabaseJob.Operation,
        then continuation: Continuation = .none,
        bytes: Int = 0,
        isUrgent: Bool = true,
        _ context: inout Context
    ) -> DatabaseJob.ID {
        let id = jobs.add(continuation, period: period, bytes: bytes)
        if operation.isDurable {
            unflushedSince = nil
        } else if case .unlock = operation, unflushedSince == nil {
            unflushedSince = context.now
            if !isFlushTimerRunning {
                isFlushTimerRunning = true
                let delay = Self.flushMilliseconds * (context.buggify(.lateFlush) ? 10 : 1)
                context.startTimer(Timer.flush, milliseconds: delay)
            }
        }
        let job = DatabaseJob(id: id, operation: operation)
        if isUrgent { context.submit(job) } else { context.submitLater(job) }
        return id
    }

    /// Commits what was unlocked a second ago and that no later commit took along (`spec/storage.md §9.9`). The deadline
    /// is that of the oldest unlock, so that a steady flow of unlocks does not put it off (`§22.5`).
    mutating func flushIfLate(_ context: inout Context) {
        isFlushTimerRunning = false
        guard let since = unflushedSince else { return }
        let elapsed = context.now.milliseconds(since: since)
        if elapsed >= Self.flushMilliseconds {
            submit(.flush, &context)
        } else {
            isFlushTimerRunning = true
            context.startTimer(Timer.flush, milliseconds: Self.flushMilliseconds - elapsed)
        }
    }

    /// A job is over: a turn of its own.
    mutating func completed(_ result: DatabaseJobResult, _ context: inout Context) throws {
        guard let entry = jobs.complete(result.id) else {
            throw DatabaseFailure(.invalidJob, "job \(result.id) completed out of order")
        }
        if entry.period == period || entry.continuation.concernsNode {
            try resume(entry.continuation, result.outcome, &context)
        }
        if let gate, gate <= result.id { try openGate(&context) }
    }

    private mutating func resume(
        _ continuation: Continuation,
        _ outcome: DatabaseJobResult.Outcome,
        _ context: inout Context
    ) throws {
        switch continuation {
        case .none: break
        case .answer(let id, let request, let packet):
            if connections.isOpen(id) { context.effects.append(.send(id, Frame(id: request, packet))) }
        case .stored(let id, let request, let ttid, let oid, let conflict, let replaced):
            stored(id, request, ttid, oid, conflict, replaced, outcome, &context)
        case .unstored(let id, let request, let ttid, let oid, let serial, let current):
            var data: StoredData?
            if case .unstored(let stored) = outcome { data = stored }
            let conflict = RelockConflict(serial: serial, current: current, data: data)
            try unstored(id, request, ttid, oid, conflict, &context)
        case .unlocked(let ttid): try ended(ttid, &context)
        case .truncated(let request, let packet):
            guard case .connected(let id) = link else { return }
            try initialisation(id, request, packet, &context)
        case .dropped(let partition):
            if case .slice(let isFinished) = outcome { try dropped(partition, isFinished: isFinished, &context) }
        case .packed(let partition):
            if case .packed(let next) = outcome { try packed(partition, next: next, &context) }
        case .recordedPack(let partition): try recordedPack(partition, &context)
        case .searchedOrphans:
            if case .orphans(let count, let next) = outcome { try searchedOrphans(count, next: next, &context) }
        case .replicationPrepared(let round): try prepared(round, &context)
        case .replicated: try replicated(&context)
        case .identified: try beginInitialisation(&context)
        case .operationReady(let backup): try beginOperation(backup: backup, &context)
        case .exit(let status): context.exit(status: status)
        }
    }

    // MARK: Packets of the master that wait for the database

    /// Stops reading what the master sends until a job is over. What is behind was sent in the knowledge of what is
    /// in front, and the phase may change with the job (`spec/README.md`, atomicity rules 2 and 22).
    mutating func closeGate(until id: DatabaseJob.ID) {
        gate = id
    }

    mutating func postpone(_ frame: Frame, from id: ConnectionID, _ context: inout Context) throws {
        guard backlog.count < configuration.limits.masterBacklog else {
            try violation(
                id,
                frame.id,
                "expected fewer packets while the database works, got \(backlog.count)",
                &context
            )
            return
        }
        backlog.append(frame)
    }

    private mutating func openGate(_ context: inout Context) throws {
        gate = nil
        while gate == nil, case .connected(let id) = link, let frame = backlog.popFirst() {
            try dispatch(id, frame, &context)
        }
    }

    /// Has the packet processed again once the database has done all that was asked.
    /// - Returns: whether it has to wait.
    mutating func waitsForDatabase(_ request: UInt32, _ packet: Packet) -> Bool {
        guard !jobs.isEmpty else { return false }
        backlog.prepend(Frame(id: request, packet))
        closeGate(until: jobs.last)
        return true
    }
}
