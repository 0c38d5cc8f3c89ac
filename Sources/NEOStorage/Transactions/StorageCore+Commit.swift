import NEODatabase
import NEOEngine
import NEOProtocol
import NEOTopology

/// Vote, lock, unlock and abort (`spec/storage.md §9.7-9.10`).
///
/// Each changes what this node knows in the turn of its packet, and is answered once the database has it.
extension StorageCore {
    /// `AskStoreTransaction`: the vote on the nodes that keep the metadata.
    mutating func vote(
        _ packet: AskStoreTransaction,
        for id: ConnectionID,
        _ nid: NID,
        _ request: UInt32,
        _ context: inout Context
    ) throws {
        let limit = 1 << 21
        guard packet.ttid <= .max, packet.oids.count < limit, packet.pack?.oids?.oids.count ?? 0 < limit,
            packet.pack?.tid ?? .zero <= .max
        else {
            let message = "expected fewer than \(limit) objects and TIDs up to \(TID.max) in \(packet.ttid)"
            try violation(id, request, message, &context)
            return
        }
        if transactions[packet.ttid] == nil {
            guard try register(packet.ttid, for: id, nid, request, &context) else { return }
        }
        let metadata = TransactionMetadata(
            user: packet.user,
            description: packet.description,
            extensionData: packet.extensionData,
            oids: packet.oids,
            pack: packet.pack
        )
        try vote(packet.ttid, metadata, AnswerStoreTransaction().packet, for: id, nid, request, &context)
    }

    /// `AskVoteTransaction`: the vote on other nodes.
    mutating func vote(
        _ ttid: TTID,
        for id: ConnectionID,
        _ nid: NID,
        _ request: UInt32,
        _ context: inout Context
    ) throws {
        try vote(ttid, nil, AnswerVoteTransaction().packet, for: id, nid, request, &context)
    }

    private mutating func vote(
        _ ttid: TTID,
        _ metadata: TransactionMetadata?,
        _ answer: Packet,
        for id: ConnectionID,
        _ nid: NID,
        _ request: UInt32,
        _ context: inout Context
    ) throws {
        guard let transaction = transactions[ttid] else {
            try violation(id, request, "unknown ttid \(ttid)", &context)
            return
        }
        guard transaction.owner == nid, !transaction.isVoted, transaction.delayedCount == 0 else {
            let message = "expected one vote for \(ttid), of its owner, after all its stores were answered"
            try violation(id, request, message, &context)
            return
        }
        // Of a storage that is alone, the lock is the only promise: who loses the vote in a crash loses the lock, which is
        // synced with it, and no other storage has one (docs/maintainers/performance.md).
        let isDurable = !isAlone || metadata == nil || nodes.all(of: .storage).count > 1
        let vote = DatabaseJob.Operation.vote(ttid, metadata, isDurable: isDurable)
        let job = submit(vote, then: .answer(id, request: request, answer), &context)
        // From now on it is voted, whatever happens to the client.
        transactions.update(ttid) {
            $0.stage = .voted(hasMetadata: metadata != nil)
            $0.voteJob = job
        }
    }

    /// `AskLockInformation`
    mutating func lock(
        _ packet: AskLockInformation,
        from id: ConnectionID,
        _ request: UInt32,
        _ context: inout Context
    ) throws {
        let ttid = packet.ttid
        guard let transaction = transactions[ttid], case .voted(let hasMetadata) = transaction.stage,
            ttid <= packet.tid, packet.tid <= .max
        else {
            let state = transactions[ttid].map { "\($0.stage)" } ?? "unknown"
            let message = "cannot lock \(ttid) at \(packet.tid): expected a voted transaction, it is \(state)"
            try violation(id, request, message, &context)
            return
        }
        // Before any client can know the TID: its objects are not read until they are visible.
        transactions.lock(ttid, at: packet.tid, hasMetadata: hasMetadata)
        let answer = AnswerInformationLocked(ttid: ttid)
        if hasMetadata {
            submit(
                .lock(ttid, packet.tid, approvesPack: packet.pack),
                then: .answer(id, request: request, answer.packet),
                &context
            )
        } else if jobs.isPending(transaction.voteJob ?? jobs.last) {
            submit(.flush, then: .answer(id, request: request, answer.packet), &context)
        } else {
            connections.answer(id, to: request, answer, &context)
        }
    }

    /// `NotifyUnlockInformation`
    mutating func unlock(
        _ ttid: TTID,
        from id: ConnectionID,
        _ request: UInt32,
        _ context: inout Context
    ) throws {
        guard let transaction = transactions[ttid], case .locked(let tid, _) = transaction.stage else {
            let state = transactions[ttid].map { "\($0.stage)" } ?? "unknown"
            try violation(id, request, "cannot unlock \(ttid): expected a locked transaction, it is \(state)", &context)
            return
        }
        transactions.update(ttid) { $0.stage = .unlocking(tid) }
        let isAwaited = delayedReads.count > 0 || delayedWrites.count > 0
        submit(.unlock(ttid, tid), then: .unlocked(ttid), isUrgent: isAwaited, &context)
    }

    /// Forgets a transaction unless it is locked: only an unlock ends it then (`spec/storage.md §9.10`).
    mutating func abort(_ ttid: TTID, _ context: inout Context) throws {
        guard let transaction = transactions[ttid], !transaction.isLocked else { return }
        submit(.abort(ttid), &context)
        try ended(ttid, &context)
    }

    /// The end of a transaction: what waited for its locks goes on, reads first, before anything else is processed.
    mutating func ended(_ ttid: TTID, _ context: inout Context) throws {
        transactions.end(ttid)
        try endReplications(&context)
        try retryReads(&context)
        try retryWrites(&context)
        continueServing(rest: 0, &context)
        try askChecked(&context)
    }

    /// `AskFinalTID` (`spec/storage.md §9.12`).
    func answerFinalTID(
        of ttid: TTID,
        to id: ConnectionID,
        _ request: UInt32,
        _ context: inout Context
    ) throws {
        if let transaction = transactions[ttid] {
            connections.answer(id, to: request, AnswerFinalTID(tid: transaction.tid), &context)
            return
        }
        let partition = readable.isEmpty ? 0 : ttid.partition(of: readable.count)
        guard isReadable(partition) else {
            connections.fail(id, to: request, .nonReadableCell, "", &context)
            return
        }
        connections.answer(id, to: request, AnswerFinalTID(tid: try reader.finalTID(of: ttid, in: partition)), &context)
    }
}
