import NEODatabase
import NEOEngine
import NEOProtocol
import NEOTopology

/// Brings the out-of-date cells of this node up to date (`spec/replication.md §4`).
extension StorageCore {
    /// Out-of-date cells receive what is written from now on, without lock; what was in progress before is fetched once it
    /// is finished (`spec/storage.md §10.1`).
    mutating func replicate(_ partitions: [PartitionID], _ context: inout Context) {
        guard case .connected(let id) = link else { return }
        transactions.replicating.formUnion(partitions)
        let request = replicator.add(partitions)
        connections.ask(
            id,
            AskUnfinishedTransactions(partitions: partitions),
            then: .unfinishedTransactions(partitions, request: request),
            &context
        )
    }

    mutating func answered(
        _ answer: AnswerUnfinishedTransactions,
        _ partitions: [PartitionID],
        request: UInt64,
        from id: ConnectionID,
        _ context: inout Context
    ) throws {
        guard answer.lastTID <= .max, answer.ttids.allSatisfy({ $0 <= .max }) else {
            try violation(id, 0, "expected TIDs up to \(TID.max) in the list of unfinished transactions", &context)
            return
        }
        replicator.answered(partitions, request: request, answer)
        // All that has not ended is in the list. What a client told this node before the master counted on it was committed
        // without it, or aborted: it is fetched if need be, and nobody tells its end again.
        let listed = Set(answer.ttids)
        for ttid in transactions.ttids(where: { !$0.isLocked }) where ttid <= answer.lastTID && !listed.contains(ttid) {
            try abort(ttid, &context)
        }
        try replicateNext(&context)
    }

    /// The end of a transaction, as the master tells it (`spec/replication.md §4.6`).
    mutating func ended(_ ttid: TTID, at tid: TID?, _ context: inout Context) throws {
        // A transaction that is known here and committed without this node may be incomplete here: it is fetched.
        try abort(ttid, &context)
        if let tid, tid > .max { return }
        for partition in replicator.ended(ttid, at: tid) {
            try replicated(partition, through: tid ?? ttid, &context)
        }
        try replicateNext(&context)
    }

    /// Cells that changed hands.
    mutating func stopReplicating(_ partitions: some Sequence<PartitionID>, _ context: inout Context) {
        for partition in partitions {
            let source = replicator[partition]?.round?.source
            replicator.forget(partition)
            replicationQueue.removeAll(of: partition)
            if let source { release(source, &context) }
            transactions.replicating.remove(partition)
            transactions.replicated[partition] = nil
        }
    }

    // MARK: Rounds

    /// Begins as many rounds as are allowed. To be called whenever a cell or a source may have become available.
    mutating func replicateNext(_ context: inout Context) throws {
        guard phase == .operation, case .connected = link else { return }
        var wait: UInt64?
        for partition in replicator.ordered {
            guard replicator.roundCount < configuration.replication.parallelCells else { break }
            switch source(of: partition, &context) {
            case .available(let source):
                guard let round = replicator.begin(partition, from: source) else { continue }
                try prepare(round, &context)
            case .later(let milliseconds): wait = min(wait ?? .max, milliseconds)
            case .none: break
            }
        }
        if let wait { context.startTimer(Timer.replication, milliseconds: wait) }
    }

    private enum SourceChoice {
        case available(NID)
        /// All those that there are have failed a moment ago.
        case later(milliseconds: UInt64)
        /// Nobody can serve the partition now: the master will tell when that changes.
        case none
    }

    /// At random, which spreads the load and changes the source after a failure (`spec/replication.md §4.7`).
    private func source(of partition: PartitionID, _ context: inout Context) -> SourceChoice {
        guard let table else { return .none }
        let sources = table.cells(of: partition)
            .filter { cell in
                guard cell.state.isReadable, cell.nid != nid, let node = nodes[cell.nid] else { return false }
                return node.state == .running && node.address != nil
            }
            .map { ($0.nid, replicator.penalties.delay($0.nid, partition, now: context.now)) }
        guard let soonest = sources.map(\.1).min() else { return .none }
        guard soonest == 0 else { return .later(milliseconds: soonest) }
        let available = sources.filter { $0.1 == 0 }.map(\.0)
        return available.randomElement(using: &context.random).map { .available($0) } ?? .none
    }

    /// The place to begin at is read once all that was asked from the database before is done: a slice of the deletion of
    /// the partition may be under way, from when it was not ours (`spec/replication.md §4.19`).
    private mutating func prepare(_ id: RoundID, _ context: inout Context) throws {
        if replicator[id.partition]?.position != nil || jobs.isEmpty {
            try prepared(id, &context)
        } else {
            submit(.flush, then: .replicationPrepared(id), &context)
        }
    }

    mutating func prepared(_ id: RoundID, _ context: inout Context) throws {
        guard let round = replicator.round(id), let nid else { return }
        if replicator[id.partition]?.position == nil {
            let cell = try reader.cells().first { $0.partition == id.partition && $0.nid == nid }
            replicator.update(id.partition) { $0.position = .init(after: cell?.tid ?? .zero) }
        }
        replicator.setStage(.connecting, of: id)
        if use(round.source, &context) {
            try sourceConnected(round.source, &context)
        } else if links[round.source] == nil {
            // The master does not tell its address any more.
            abandon(id, &context)
            try replicateNext(&context)
        }
    }

    /// A storage is connected and identified.
    mutating func sourceConnected(_ source: NID, _ context: inout Context) throws {
        for id in replicator.rounds(from: source) {
            guard let round = replicator.round(id), round.stage == .connecting,
                let position = replicator[id.partition]?.position
            else { continue }
            context.log(.info, "replicating partition \(id.partition) from \(source) up to \(round.through)")
            replicator.setStage(.ready(.transactions(from: position.transaction, isFirst: true)), of: id)
        }
        try fetchNext(&context)
    }

    /// The rounds that go on with a source cannot (`spec/replication.md §4.16`).
    mutating func sourceLost(_ source: NID, _ reason: String, _ context: inout Context) throws {
        let rounds = replicator.rounds(from: source)
        guard !rounds.isEmpty else { return }
        replicator.penalties.add(source, nil, now: context.now)
        context.log(.warning, "the replication of \(rounds.count) partitions from \(source) is interrupted: \(reason)")
        for round in rounds { abandon(round, &context) }
        try replicateNext(&context)
    }

    /// A source cannot be used for a partition.
    mutating func sourceFailed(
        _ id: RoundID,
        _ reason: String,
        isLong: Bool = false,
        _ context: inout Context
    ) throws {
        guard let round = replicator.round(id) else { return }
        replicator.penalties.add(round.source, id.partition, isLong: isLong, now: context.now)
        context.log(
            .warning,
            "the replication of partition \(id.partition) from \(round.source) is interrupted: \(reason)"
        )
        abandon(id, &context)
        try replicateNext(&context)
    }

    /// Nothing of what was received is thrown away: the next round only asks for the rest.
    mutating func abandon(_ id: RoundID, _ context: inout Context) {
        guard let round = replicator.round(id) else { return }
        if var fetch = replicator.abandon(id) {
            let (chunk, bytes) = fetch.takeChunk()
            write(chunk, bytes: bytes, &context)
        }
        release(round.source, &context)
    }

    /// All that a round had to bring is in the database (`spec/replication.md §4.12`).
    mutating func completed(_ id: RoundID, _ context: inout Context) throws {
        guard let round = replicator.round(id) else { return }
        context.log(.info, "partition \(id.partition) is replicated up to \(round.through)")
        let isComplete = replicator.complete(id)
        release(round.source, &context)
        if isComplete { try replicated(id.partition, through: round.through, &context) }
        try replicateNext(&context)
    }

    /// A cell has all that was committed before it began to receive what is written.
    private mutating func replicated(
        _ partition: PartitionID,
        through tid: TID,
        _ context: inout Context
    ) throws {
        replicator.forget(partition)
        transactions.replicating.remove(partition)
        transactions.replicated[partition] = .complete(tid)
        if try endReplications(&context) {
            try retryReads(&context)
            try retryWrites(&context)
        }
    }
}
