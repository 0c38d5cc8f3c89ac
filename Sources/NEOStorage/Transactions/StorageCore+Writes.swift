import NEODatabase
import NEOEngine
import NEOProtocol
import NIOCore

/// Stores, checks and relocks (`spec/storage.md §9.3-9.6`).
extension StorageCore {
    /// Longer stores are written at once, while the client sends others.
    private static let keptStoreBytes = 16 << 10

    /// A request of a client, as it arrives. What is registered or released here is not done again by a retry
    /// (`spec/README.md`, atomicity rules 5 and 8).
    mutating func write(
        _ packet: DelayedWrite,
        for id: ConnectionID,
        _ nid: NID,
        _ request: UInt32,
        _ context: inout Context
    ) throws {
        if let message = defect(of: packet, from: nid) {
            try violation(id, request, message, &context)
            return
        }
        if case .relock(let relock) = packet {
            guard transactions[relock.ttid]?.writes[relock.oid] != nil else {
                connections.answer(id, to: request, AnswerRelockObject(conflict: nil), &context)
                return
            }
            transactions.release(relock.oid, of: relock.ttid)
            try retryWrites(&context)
            // The passes may have ended this connection's business.
            guard connections.isOpen(id) else { return }
        } else if transactions[packet.ttid] == nil {
            guard try register(packet.ttid, for: id, nid, request, &context) else { return }
        }
        if try attempt(packet, for: id, request, &context) == .blocked {
            context.hurry()
            try delay(packet, for: id, request, &context)
        }
    }

    /// - Returns: false, and the connection is over, if there are too many.
    mutating func register(
        _ ttid: TTID,
        for id: ConnectionID,
        _ nid: NID,
        _ request: UInt32,
        _ context: inout Context
    ) throws -> Bool {
        guard transactions.count < configuration.limits.pendingTransactions else {
            let message = "expected at most \(configuration.limits.pendingTransactions) pending transactions"
            try violation(id, request, message, &context)
            return false
        }
        transactions.register(ttid, owner: nid, now: context.now)
        return true
    }

    /// What makes a request impossible, whatever the locks.
    private func defect(of packet: DelayedWrite, from nid: NID) -> String? {
        let ttid = packet.ttid
        guard ttid <= .max else { return "expected a TTID up to \(TID.max), got \(ttid)" }
        guard packet.oid.rawValue <= TID.max.rawValue else {
            return "expected an OID up to \(TID.max), got \(packet.oid)"
        }
        let transaction = transactions[ttid]
        if let transaction {
            guard transaction.owner == nid else { return "transaction \(ttid) belongs to \(transaction.owner)" }
            guard !transaction.isVoted else { return "transaction \(ttid) is already voted" }
        }
        switch packet {
        case .store(let store):
            guard store.compression == 0 || store.compression == 1 else {
                return "invalid compression value: expected 0 or 1, got \(store.compression)"
            }
            guard store.serial <= .max, store.dataTID ?? .zero <= .max else {
                return "expected serials up to \(TID.max), got \(store.serial) and \(store.dataTID ?? .zero)"
            }
            if store.data.readableBytes > 0 || store.checksum != .zero {
                guard Checksum(of: store.data) == store.checksum else { return "invalid checksum of \(store.oid)" }
            }
        case .check(let check):
            guard check.serial <= .max else { return "expected a serial up to \(TID.max), got \(check.serial)" }
            guard transaction?.writes[check.oid] == nil else {
                return "object \(check.oid) is already written by \(ttid)"
            }
        case .relock(let relock):
            if let write = transaction?.writes[relock.oid], !write.isDeadlockNotified {
                return "expected a relock after NotifyDeadlock, got one for \(relock.oid) of \(ttid)"
            }
        }
        if case .relock = packet { return nil }
        guard let transaction, transaction.writes[packet.oid] == nil else { return nil }
        guard transaction.writes.count + transaction.delayedCount < configuration.limits.objectsPerTransaction else {
            return "expected at most \(configuration.limits.objectsPerTransaction) objects in \(ttid)"
        }
        return nil
    }

    private mutating func delay(
        _ packet: DelayedWrite,
        for id: ConnectionID,
        _ request: UInt32,
        _ context: inout Context
    ) throws {
        guard try charge(id, request, bytes: packet.bytes, &context) else { return }
        delayedWrites.append(
            packet,
            from: id,
            request,
            key: packet.ttid,
            bytes: packet.bytes,
            received: context.now
        )
        transactions.update(packet.ttid) { $0.delayedCount += 1 }
    }

    /// Counts a request that has to wait.
    /// - Returns: false, and the connection is over, if there are too many.
    mutating func charge(
        _ id: ConnectionID,
        _ request: UInt32,
        bytes: Int,
        _ context: inout Context
    ) throws -> Bool {
        let limits = configuration.limits
        guard let peer = peers[id], peer.delayedCount < limits.delayedRequestsPerConnection,
            peer.delayedBytes + bytes <= limits.delayedBytesPerConnection,
            delayedReads.count + delayedWrites.count < limits.delayedRequests,
            delayedWrites.bytes + bytes <= limits.delayedBytes
        else {
            try violation(id, request, "expected fewer requests that wait for locks", &context)
            return false
        }
        peers[id]?.delayedCount += 1
        peers[id]?.delayedBytes += bytes
        return true
    }

    // MARK: Retries

    /// `spec/storage.md §8`
    mutating func retryWrites(_ context: inout Context) throws {
        guard delayedWrites.beginPass() else { return }
        while let event = delayedWrites.next() {
            guard try attempt(event.packet, for: event.connection, event.request, &context) == .done else { continue }
            // It is gone already if its connection was closed for it.
            guard delayedWrites.remove(event) else { continue }
            peers[event.connection]?.delayedCount -= 1
            peers[event.connection]?.delayedBytes -= event.bytes
            transactions.update(event.key) { $0.delayedCount -= 1 }
            let waited = context.now.milliseconds(since: event.received)
            if waited > Self.slowStoreMilliseconds {
                context.log(.info, "object \(event.packet.oid) of \(event.key) waited \(waited) ms for its lock")
            }
        }
    }

    /// One evaluation of the lock, from its first step.
    private mutating func attempt(
        _ packet: DelayedWrite,
        for id: ConnectionID,
        _ request: UInt32,
        _ context: inout Context
    ) throws -> Verdict {
        let ttid = packet.ttid
        guard let transaction = transactions[ttid] else {
            // Aborted meanwhile: nobody uses the answer, and nothing may be registered again.
            answer(packet, conflict: .zero, to: id, request, &context)
            return .done
        }
        // The client may have learnt of the conflict from another cell, and stored again. It must not be told that the new
        // value is stored before it was told that the old one was refused.
        guard !transaction.givenBack.contains(packet.oid) else { return .blocked }
        let serial: TID
        switch packet {
        case .store(let store): serial = store.serial
        case .check(let check): serial = check.serial
        case .relock(let relock):
            guard let write = transaction.writes[relock.oid] else {
                answer(packet, conflict: nil, to: id, request, &context)
                return .done
            }
            serial = write.serial
        }
        guard !transaction.isVoted else {
            try violation(id, request, "transaction \(ttid) was voted before \(packet.oid) was locked", &context)
            return .done
        }
        let partition = packet.oid.partition(of: readable.count)
        let outcome = try evaluate(packet.oid, basedOn: serial, for: ttid, in: partition)
        switch outcome {
        case .blocked(let holder, let owner):
            if let owner, let connection = attached[owner] {
                connections.notify(connection, NotifyDeadlock(ttid: holder, oid: packet.oid), &context)
            }
            return .blocked
        case .available: try accept(packet, for: id, request, isLockless: false, partition, &context)
        case .lockless: try accept(packet, for: id, request, isLockless: true, partition, &context)
        case .conflict(let current): conflict(packet, current, for: id, request, &context)
        case .nonReadable: answer(packet, conflict: .zero, to: id, request, &context)
        case .invalid(let message): try violation(id, request, message, &context)
        }
        return .done
    }

    mutating func evaluate(
        _ oid: OID,
        basedOn serial: TID,
        for ttid: TTID,
        in partition: PartitionID
    ) throws -> TransactionTable.LockOutcome {
        let isKnown = isReadable(partition) || transactions.replicated[partition] != nil
        // Taken out so that the closure, which reads this node, does not overlap its change.
        var transactions = TransactionTable()
        swap(&transactions, &self.transactions)
        defer { swap(&transactions, &self.transactions) }
        return try transactions.evaluate(oid, basedOn: serial, for: ttid, in: partition) {
            // The lock of a transaction is kept until readers see what it did: nothing newer can be on its way.
            isKnown ? .revision(try reader.lastTID(of: oid, in: partition)) : .nonReadable
        }
    }

    // MARK: Outcomes

    private mutating func accept(
        _ packet: DelayedWrite,
        for id: ConnectionID,
        _ request: UInt32,
        isLockless: Bool,
        _ partition: PartitionID,
        _ context: inout Context
    ) throws {
        let ttid = packet.ttid
        switch packet {
        case .store(let store):
            try accept(store, for: id, request, isLockless: isLockless, partition, &context)
            return
        case .check(let check):
            transactions.update(ttid) {
                $0.writes[check.oid] = Transaction.Write(serial: check.serial, store: nil, isLockless: isLockless)
            }
        case .relock: break
        }
        if !isLockless { transactions.take(packet.oid, for: ttid) }
        answer(packet, conflict: isLockless ? .zero : nil, to: id, request, &context)
    }

    private mutating func accept(
        _ store: AskStoreObject,
        for id: ConnectionID,
        _ request: UInt32,
        isLockless: Bool,
        _ partition: PartitionID,
        _ context: inout Context
    ) throws {
        let isReadable = isReadable(partition)
        let conflict: TID? = isLockless ? .zero : nil
        if let target = store.dataTID, isReadable {
            // Before the lock is taken, so that a refusal leaves nothing behind (`spec/storage.md §22.12`).
            guard try reader.hasRevision(of: store.oid, at: target, in: partition) else {
                undoTargetMissing(store.oid, id, request, &context)
                return
            }
        }
        let previous = transactions[store.ttid]?.writes[store.oid]
        let replaced = previous?.store
        transactions.update(store.ttid) {
            $0.writes[store.oid] = Transaction.Write(
                serial: store.serial,
                store: Transaction.Store(dataTID: store.dataTID),
                isLockless: isLockless,
                // The lock is the same one: the relock that the notification asks for may be on its way.
                isDeadlockNotified: previous?.isDeadlockNotified ?? false
            )
        }
        if !isLockless { transactions.take(store.oid, for: store.ttid) }
        var data: StoredData?
        if store.data.readableBytes > 0 || store.checksum != .zero {
            data = StoredData(compression: store.compression, checksum: store.checksum, data: store.data)
        }
        let operation = DatabaseJob.Operation.store(
            store.ttid,
            DatabaseJob.PendingObject(oid: store.oid, data: data, dataTID: store.dataTID),
            undoTargetRequired: isReadable
        )
        let bytes = store.data.readableBytes
        if store.dataTID != nil {
            let continuation = Continuation.stored(
                id,
                request: request,
                store.ttid,
                store.oid,
                conflict: conflict,
                replaced: replaced
            )
            submit(operation, then: continuation, bytes: bytes, &context)
            return
        }
        // The vote is what promises something: until then an answer only lets the client go on.
        let answer = AnswerStoreObject(conflict: conflict)
        if jobs.bytes + bytes <= configuration.limits.unwrittenBytes {
            // It goes with the vote that follows, unless it is long.
            submit(operation, bytes: bytes, isUrgent: bytes > Self.keptStoreBytes, &context)
            connections.answer(id, to: request, answer, &context)
        } else {
            let continuation = Continuation.answer(id, request: request, answer.packet)
            submit(operation, then: continuation, bytes: bytes, &context)
        }
    }

    /// The database knows whether the value to take back was there.
    mutating func stored(
        _ id: ConnectionID,
        _ request: UInt32,
        _ ttid: TTID,
        _ oid: OID,
        _ conflict: TID?,
        _ replaced: Transaction.Store?,
        _ outcome: DatabaseJobResult.Outcome,
        _ context: inout Context
    ) {
        guard outcome == .undoTargetMissing else {
            connections.answer(id, to: request, AnswerStoreObject(conflict: conflict), &context)
            return
        }
        // It was packed since the look-up. The lock is kept: the client is going to abort.
        transactions.update(ttid) { $0.writes[oid]?.store = replaced }
        undoTargetMissing(oid, id, request, &context)
    }

    private func undoTargetMissing(_ oid: OID, _ id: ConnectionID, _ request: UInt32, _ context: inout Context) {
        connections.fail(id, to: request, .undoPackError, "Could not undo for oid \(oid)", &context)
    }

    private mutating func conflict(
        _ packet: DelayedWrite,
        _ current: TID,
        for id: ConnectionID,
        _ request: UInt32,
        _ context: inout Context
    ) {
        guard case .relock(let relock) = packet, let write = transactions[relock.ttid]?.writes[relock.oid] else {
            answer(packet, conflict: current, to: id, request, &context)
            return
        }
        // The value goes back to the client, which may not have it any more.
        transactions.update(relock.ttid) { $0.writes[relock.oid] = nil }
        if write.store == nil {
            let conflict = RelockConflict(serial: write.serial, current: current, data: nil)
            connections.answer(id, to: request, AnswerRelockObject(conflict: conflict), &context)
        } else {
            transactions.update(relock.ttid) { $0.givenBack.insert(relock.oid) }
            let continuation = Continuation.unstored(
                id,
                request: request,
                relock.ttid,
                relock.oid,
                serial: write.serial,
                current: current
            )
            submit(.unstore(relock.ttid, relock.oid), then: continuation, &context)
        }
    }

    /// The database has given the value of a refused store.
    mutating func unstored(
        _ id: ConnectionID,
        _ request: UInt32,
        _ ttid: TTID,
        _ oid: OID,
        _ conflict: RelockConflict,
        _ context: inout Context
    ) throws {
        connections.answer(id, to: request, AnswerRelockObject(conflict: conflict), &context)
        guard transactions[ttid]?.givenBack.contains(oid) == true else { return }
        transactions.update(ttid) { $0.givenBack.remove(oid) }
        try retryWrites(&context)
    }

    private func answer(
        _ packet: DelayedWrite,
        conflict: TID?,
        to id: ConnectionID,
        _ request: UInt32,
        _ context: inout Context
    ) {
        switch packet {
        case .store: connections.answer(id, to: request, AnswerStoreObject(conflict: conflict), &context)
        case .check: connections.answer(id, to: request, AnswerCheckCurrentSerial(conflict: conflict), &context)
        case .relock: connections.answer(id, to: request, AnswerRelockObject(conflict: nil), &context)
        }
    }
}
