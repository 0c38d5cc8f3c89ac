import DequeModule
import NEOEngine
import NEOProtocol
import NEOTopology
import OrderedCollections

// The end of a transaction (`spec/client.md §11.8 – §11.10`).
extension ClientCore {
    // MARK: Vote

    /// All stores are answered and no conflict is left: asks all the nodes to make the transaction durable.
    mutating func sendVotes(_ operation: OperationID, _ transaction: inout Transaction, _ context: inout Context) {
        transaction.isStored = true
        transaction.phase = .voting(operation)
        guard let partitions else {
            transaction.failure = masterLost
            return advance(&transaction, &context)
        }
        guard transaction.written.count <= ClientConfiguration.maximumObjects else {
            let message =
                "expected at most \(ClientConfiguration.maximumObjects) objects, got \(transaction.written.count)"
            transaction.failure = ClientError(.invalidArgument, message)
            return advance(&transaction, &context)
        }
        let partition = partitions.partition(of: transaction.ttid)
        let request = AskStoreTransaction(
            ttid: transaction.ttid,
            user: transaction.user,
            description: transaction.description,
            extensionData: transaction.extensionData,
            oids: transaction.writtenOIDs,
            pack: transaction.pack
        )
        let nids = write(.transaction(request), to: partition, &transaction, &context)
        guard !nids.isEmpty else {
            transaction.failure = notWritable(partition)
            return advance(&transaction, &context)
        }
        for nid in Array(transaction.nodes.keys) where !nids.contains(nid) {
            _ = send(.vote(AskVoteTransaction(ttid: transaction.ttid)), to: nid, &transaction, &context)
        }
    }

    mutating func voteAnswered(_ id: TransactionID, _ nid: NID, _ context: inout Context) {
        guard var transaction = transactions.removeValue(forKey: id) else { return }
        defer { transactions[id] = transaction }
        transaction.count(nid, -1)
        advance(&transaction, &context)
    }

    /// All votes are answered: decides whether the failed nodes can be done without (`§11.8` step 6), and whether some node
    /// looked for conflicts in each partition. Without a failure, this is missing if a cell was filled, and the one that looks
    /// for conflicts until then was given up, while a store was on its way to it: none of those that were asked did.
    mutating func judge(_ operation: OperationID, _ transaction: inout Transaction, _ context: inout Context) {
        let failed = transaction.nodes.compactMap { nid, use -> NID? in
            if case .failed = use { nid } else { nil }
        }
        guard !failed.isEmpty || !transaction.lockless.isEmpty else { return voted(operation, &transaction) }
        guard let partitions, masterConnection == transaction.master else {
            transaction.failure = masterLost
            return advance(&transaction, &context)
        }
        for (partition, nids) in transaction.partitions {
            // A node that did not look for conflicts cannot answer for the partition. One that did, and gave up its cell since,
            // left its locks to those that have the partition now; but only they are there when others are disconnected.
            let locked = nids.subtracting(failed).subtracting(transaction.lockless[partition] ?? [])
            let isLocked =
                failed.isEmpty
                ? !locked.isEmpty : partitions.cells(of: partition).contains { locked.contains($0.nid) }
            guard isLocked else {
                transaction.failure = notLocked(partition)
                return advance(&transaction, &context)
            }
        }
        let reported = failed.filter(nodes.isRunning)
        guard !reported.isEmpty else { return voted(operation, &transaction) }
        transaction.phase = .reporting(operation)
        let request = FailedVote(ttid: transaction.ttid, nids: reported)
        connections.ask(transaction.master, request, then: .failedVote(transaction.id), &context)
    }

    mutating func failuresReported(_ id: TransactionID, _ context: inout Context) {
        guard case .reporting(let operation)? = transactions[id]?.phase,
            var transaction = transactions.removeValue(forKey: id)
        else { return }
        voted(operation, &transaction)
        transactions[id] = transaction
    }

    private mutating func voted(_ operation: OperationID, _ transaction: inout Transaction) {
        transaction.phase = .voted
        complete(operation, .voted(transaction.resolvedConflicts))
    }

    // MARK: Finish

    /// Commits a voted transaction; gives its TID, after ``ClientDelivery/finished(_:_:)`` was delivered.
    ///
    /// From now on the transaction cannot be aborted.
    public mutating func finish(_ operation: OperationID, _ id: TransactionID, _ context: inout CoreContext<Never>) {
        guard let transaction = transactions[id], transaction.phase == .voted else {
            return fail(operation, ClientError(.transactionState, "the transaction is not voted"))
        }
        guard masterConnection == transaction.master else {
            return fail(operation, transaction.failure ?? masterLost)
        }
        if let failure = transaction.failure { return fail(operation, failure) }
        transactions[id] = nil
        var stored: [OID] = []
        var deleted: [OID] = []
        var checked: OrderedSet<PartitionID> = []
        let partitions = partitions
        for (oid, written) in transaction.written {
            switch written.content {
            case .data, .forgotten, .unkept: stored.append(oid)
            case .deleted: deleted.append(oid)
            case .checked: if let partitions { checked.append(partitions.partition(of: oid)) }
            }
        }
        var deletedPartitions: OrderedSet<PartitionID> = []
        if deleted.count <= Self.maximumAnnouncedDeletions {
            // So that other clients learn of them (`§20.27`).
            stored += deleted
        } else if let partitions {
            for oid in deleted { deletedPartitions.append(partitions.partition(of: oid)) }
        }
        finishes[operation] = Finish(
            operation: operation,
            ttid: transaction.ttid,
            written: transaction.written,
            writtenBytes: transaction.writtenBytes
        )
        let request = AskFinishTransaction(
            ttid: transaction.ttid,
            stored: stored,
            deleted: Array(deletedPartitions),
            checked: Array(checked),
            pack: transaction.pack
        )
        connections.ask(transaction.master, request, then: .finish(operation), &context)
    }

    private static var maximumAnnouncedDeletions: Int { 10_000 }

    /// Our transaction is committed: its turn among the invalidations is now (`spec/client.md §10.2`).
    mutating func finished(_ operation: OperationID, _ tid: TID) {
        guard let finish = finishes.removeValue(forKey: operation) else { return }
        for (oid, written) in finish.written {
            if case .checked = written.content { continue }
            cache.invalidate(oid, tid)
            loading[oid]?.invalidations.append(tid)
            savedRecordChanged(oid)
            if case .data(let data) = written.content { cache.store(oid, data, serial: tid, next: nil) }
        }
        lastTID = max(tid, lastTID ?? .zero)
        deliver(.finished(operation, tid), then: lastTID ?? tid)
    }

    // MARK: Recovery of the final TID

    /// The connection was lost before the answer: the next master is asked (`spec/client.md §11.10`).
    ///
    /// One at a time: the answer does not say what it is about, and its id may be that of another request (`§20.33`).
    mutating func askFinalTID(_ operation: OperationID, _ context: inout Context) {
        waitingFinalTIDs.append(operation)
        if !isAskingFinalTID { askNextFinalTID(&context) }
    }

    mutating func askNextFinalTID(_ context: inout Context) {
        isAskingFinalTID = false
        guard let master = masterConnection else { return }
        while let operation = waitingFinalTIDs.popFirst() {
            guard let finish = finishes[operation] else { continue }
            isAskingFinalTID = true
            connections.ask(master, AskFinalTID(ttid: finish.ttid), then: .finalTID(operation), &context)
            return
        }
    }

    /// The master is lost: they are asked to the next one.
    mutating func requeueFinalTIDs() {
        isAskingFinalTID = false
        for operation in waitingFinalTIDs { waitingForMaster.append(.finalTID(operation)) }
        waitingFinalTIDs = []
    }

    mutating func finishFailed(_ operation: OperationID, _ error: ClientError) {
        guard finishes.removeValue(forKey: operation) != nil else { return }
        fail(operation, error)
    }

    mutating func finalTIDFromMaster(_ operation: OperationID, _ tid: TID?, _ context: inout Context) {
        defer { askNextFinalTID(&context) }
        guard let finish = finishes[operation] else { return }
        if tid == .max {
            // The master does not remember: the storages do.
            let request = ReadRequest.finalTID(AskFinalTID(ttid: finish.ttid))
            startRead(request, for: .finish(operation), &context)
        } else {
            resolveFinish(operation, tid, &context)
        }
    }

    mutating func finalTIDFromStorage(_ operation: OperationID, _ answer: ReadAnswer, _ context: inout Context) {
        switch answer {
        case .success(.answerFinalTID(let answer)): resolveFinish(operation, answer.tid, &context)
        case .success(let packet): outcomeUnknown(operation, "unexpected \(packet.code)")
        case .failure(let error) where error.code == .primaryMasterLost: whenMaster(.finalTID(operation), &context)
        case .failure(let error): outcomeUnknown(operation, error.message)
        }
    }

    mutating func outcomeUnknown(_ operation: OperationID, _ reason: String) {
        guard let finish = finishes.removeValue(forKey: operation) else { return }
        let message = "the transaction \(finish.ttid) was being finished when the master was lost: \(reason)"
        fail(operation, ClientError(.outcomeUnknown, message))
    }

    private mutating func resolveFinish(_ operation: OperationID, _ tid: TID?, _ context: inout Context) {
        guard let tid else {
            finishes[operation] = nil
            let message = "the transaction was not committed: the connection to the primary master was lost"
            return fail(operation, ClientError(.unavailable, message))
        }
        if tid <= lastTID ?? .zero { return recovered(operation, tid) }
        // Its invalidation is on its way; what comes before the answer to a ping would have to include it.
        finishes[operation]?.state = .committed(tid)
        guard let master = masterConnection else { return whenMaster(.finalTID(operation), &context) }
        connections.ask(master, Ping(), then: .finalBarrier(operation), &context)
    }

    mutating func finalBarrierPassed(_ operation: OperationID) {
        guard case .committed(let tid)? = finishes[operation]?.state else { return }
        if tid <= lastTID ?? .zero { recovered(operation, tid) } else { finished(operation, tid) }
    }

    /// The cache forgot what was current when the client reconnected: only the program is to be told.
    private mutating func recovered(_ operation: OperationID, _ tid: TID) {
        guard finishes.removeValue(forKey: operation) != nil else { return }
        deliver(.finished(operation, tid), then: lastTID ?? tid)
    }
}
