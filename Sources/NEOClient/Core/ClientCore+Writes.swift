import NEOEngine
import NEOProtocol
import NEOTopology
import NIOCore
import OrderedCollections

// Stores and checks on their way, and their answers (`spec/client.md §11.3 – §11.7`).
extension ClientCore {
    func canSend(_ store: Transaction.WaitingStore, _ transaction: Transaction) -> Bool {
        if transaction.isBarrierPending { return false }
        if transaction.pending[store.oid] != nil { return transaction.conflicts[store.oid] != nil }
        let maximumBytes =
            switch store.content {
            case .unkept: ClientConfiguration.maximumUnkeptBytes
            case .data, .forgotten, .deleted, .checked: configuration.maximumPendingBytes
            }
        // All the transactions have one budget, and each a minimum, so that it goes on (`§20.41`).
        let others = transactions.values.reduce(0) { $0 + $1.pendingBytes }
        return transaction.pendingBytes + others < maximumBytes
            || transaction.pendingBytes < ClientConfiguration.minimumPendingBytes || transaction.outstandingCount == 0
            || !transaction.conflicts.isEmpty
    }

    /// Bytes that a transaction may keep for the cache: all of them have one budget.
    private func keepableBytes(_ transaction: Transaction) -> Int {
        let kept = transactions.values.reduce(0) { $0 + $1.writtenBytes }
        let finishing = finishes.values.reduce(0) { $0 + $1.writtenBytes }
        return max(0, configuration.cacheBytes - kept - finishing)
    }

    /// Does what the transaction waits for, as far as possible.
    mutating func advance(_ transaction: inout Transaction, _ context: inout Context) {
        if let failure = transaction.failure {
            if let operation = transaction.waitingOperation { fail(operation, failure) }
            transaction.waitingStore = nil
            transaction.phase = .open
            return
        }
        if let store = transaction.waitingStore, canSend(store, transaction) {
            transaction.waitingStore = nil
            if transaction.pending[store.oid] != nil {
                // Overtaken: what is new is what will be merged, from the same base.
                var replacement = store
                replacement.base = transaction.pending[store.oid]?.base ?? store.base
                transaction.addPending(replacement, awaited: [])
            } else {
                send(store, &transaction, &context)
            }
            return endStore(store.operation, &transaction, &context)
        }
        switch transaction.phase {
        case .draining(let operation, let votes):
            if !transaction.conflicts.isEmpty {
                transaction.phase = .open
                do throws(ClientError) {
                    complete(operation, .conflicts(try takeConflicts(&transaction, &context)))
                } catch {
                    transaction.failure = error
                    fail(operation, error)
                }
            } else if transaction.outstandingCount == 0 {
                if transaction.pending.isEmpty, transaction.resolving.isEmpty {
                    if votes { return sendVotes(operation, &transaction, &context) }
                    transaction.phase = .open
                    complete(operation, .stored([]))
                } else {
                    transaction.phase = .open
                    let error = ClientError(.unavailable, "could not store/check all oids")
                    transaction.failure = error
                    fail(operation, error)
                }
            }
        case .voting(let operation):
            if transaction.outstandingCount == 0 { judge(operation, &transaction, &context) }
        case .beginning, .open, .reporting, .voted: break
        }
    }

    /// Tells the program that a store is on its way, and what conflicts were found.
    mutating func endStore(_ operation: OperationID, _ transaction: inout Transaction, _ context: inout Context) {
        if let failure = transaction.failure { return fail(operation, failure) }
        do throws(ClientError) {
            complete(operation, .stored(try takeConflicts(&transaction, &context)))
        } catch {
            transaction.failure = error
            fail(operation, error)
        }
    }

    /// Sends a store or a check to all the cells of its partition.
    mutating func send(
        _ store: Transaction.WaitingStore,
        _ transaction: inout Transaction,
        _ context: inout Context
    ) {
        guard let partitions else {
            transaction.failure = masterLost
            return
        }
        let partition = partitions.partition(of: store.oid)
        var base = store.base
        // The base of a second store is that of the first one (`§20.5`).
        if let previous = transaction.written[store.oid], transaction.resolved[store.oid] != store.base {
            base = previous.nextBase
        }
        var sent = store
        sent.base = base
        transaction.holds[store.oid] = nil
        transaction.addPending(sent, awaited: [])
        let write: Transaction.Write
        if case .checked = store.content {
            let request = AskCheckCurrentSerial(ttid: transaction.ttid, oid: store.oid, serial: base)
            write = .check(request, attempt: transaction.attempts)
        } else {
            let request = AskStoreObject(
                oid: store.oid,
                serial: base,
                compression: store.stored.compression,
                checksum: store.stored.checksum,
                data: store.stored.data,
                dataTID: store.dataTID,
                ttid: transaction.ttid
            )
            write = .store(request, attempt: transaction.attempts)
        }
        let nids = self.write(write, to: partition, &transaction, &context)
        transaction.pending[store.oid]?.awaited = nids
        transaction.partitions[partition, default: []].formUnion(nids)
        if nids.isEmpty { transaction.failure = notWritable(partition) }
    }

    /// Sends a request to all the cells of a partition, whatever their states.
    /// - Returns: the nodes that it was sent to, or will be.
    mutating func write(
        _ write: Transaction.Write,
        to partition: PartitionID,
        _ transaction: inout Transaction,
        _ context: inout Context
    ) -> [NID] {
        var nids: [NID] = []
        for cell in partitions?.cells(of: partition) ?? [] {
            if send(write, to: cell.nid, &transaction, &context) { nids.append(cell.nid) }
        }
        return nids
    }

    mutating func send(
        _ write: Transaction.Write,
        to nid: NID,
        _ transaction: inout Transaction,
        _ context: inout Context
    ) -> Bool {
        if transaction.nodes[nid] == nil {
            switch link(to: nid, &context) {
            case .ready(let connection): transaction.nodes[nid] = .connected(connection)
            case .pending:
                transaction.nodes[nid] = .connecting([])
                links[nid]?.transactions.append(transaction.id)
            case .unavailable: transaction.nodes[nid] = .failed
            }
        }
        switch transaction.nodes[nid] {
        case .connected(let connection):
            ask(write, transaction.id, nid, on: connection, &context)
            transaction.count(nid, 1)
            return true
        case .connecting(var writes):
            transaction.nodes[nid] = nil
            writes.append(write)
            transaction.nodes[nid] = .connecting(writes)
            transaction.count(nid, 1)
            return true
        case .failed, nil: return false
        }
    }

    private mutating func ask(
        _ write: Transaction.Write,
        _ id: TransactionID,
        _ nid: NID,
        on connection: ConnectionID,
        _ context: inout Context
    ) {
        switch write {
        case .store(let request, let attempt):
            let pending = Pending.write(id, nid, request.oid, attempt: attempt)
            connections.ask(connection, request, then: pending, &context)
        case .check(let request, let attempt):
            let pending = Pending.write(id, nid, request.oid, attempt: attempt)
            connections.ask(connection, request, then: pending, &context)
        case .transaction(let request): connections.ask(connection, request, then: .vote(id, nid), &context)
        case .vote(let request): connections.ask(connection, request, then: .vote(id, nid), &context)
        }
    }

    /// The connection that writes waited for is established.
    mutating func flushWrites(_ id: TransactionID, to nid: NID, on connection: ConnectionID, _ context: inout Context) {
        guard case .connecting(let writes)? = transactions[id]?.nodes[nid] else { return }
        transactions[id]?.nodes[nid] = .connected(connection)
        for write in writes { ask(write, id, nid, on: connection, &context) }
    }

    /// The connection with a node is lost: the transaction does not use the node any more.
    mutating func nodeFailed(_ nid: NID, in id: TransactionID, _ context: inout Context) {
        switch transactions[id]?.nodes[nid] {
        case nil, .failed: return
        case .connecting, .connected: break
        }
        guard var transaction = transactions.removeValue(forKey: id) else { return }
        defer { transactions[id] = transaction }
        transaction.fail(nid)
        for oid in transaction.pending.keys.sorted() where transaction.conflicts[oid] == nil {
            acknowledge(oid, nid, isAccepted: false, &transaction)
        }
        advance(&transaction, &context)
    }

    /// A node answered, or will not: the object is written once all have.
    private func acknowledge(_ oid: OID, _ nid: NID, isAccepted: Bool, _ transaction: inout Transaction) {
        guard var store = transaction.pending[oid], let index = store.awaited.firstIndex(of: nid) else { return }
        store.awaited.remove(at: index)
        store.isAccepted = store.isAccepted || isAccepted
        transaction.pending[oid] = store
        guard store.awaited.isEmpty, transaction.conflicts[oid] == nil else { return }
        if !store.isAccepted, let partitions {
            transaction.failure = transaction.failure ?? notWritable(partitions.partition(of: oid))
        }
        transaction.setWritten(oid, maximumBytes: keepableBytes(transaction))
    }

    /// An answer to a store or a check (`spec/client.md §11.5`).
    mutating func writeAnswered(
        _ id: TransactionID,
        _ nid: NID,
        _ oid: OID,
        _ attempt: Int,
        _ conflict: TID?,
        _ context: inout Context
    ) {
        guard var transaction = transactions.removeValue(forKey: id) else { return }
        defer { transactions[id] = transaction }
        transaction.count(nid, -1)
        let store = transaction.pending[oid]
        let isCurrent = store?.attempt == attempt && store?.awaited.contains(nid) ?? false
        switch conflict {
        case nil:
            // An answer to an earlier store says nothing of the newer one, whose answer is still to come.
            if isCurrent { acknowledge(oid, nid, isAccepted: true, &transaction) }
        case TID.zero?:
            guard isCurrent, let partitions else { break }
            transaction.lockless[partitions.partition(of: oid), default: []].insert(nid)
            if transaction.conflicts[oid] == nil { acknowledge(oid, nid, isAccepted: true, &transaction) }
        case let serial?:
            guard store != nil || transaction.resolving[oid] != nil else { break }
            if let resolved = transaction.resolved[oid], serial <= resolved { break }
            if var restored = store?.restored {
                // An answer to an earlier attempt tells nothing new.
                guard isCurrent, serial > restored.base else { break }
                restored.base = serial
                send(restored, &transaction, &context)
                break
            }
            transaction.conflicts[oid] = max(serial, transaction.conflicts[oid] ?? .zero)
            holdAgain(oid, from: serial, &transaction, &context)
        }
        advance(&transaction, &context)
    }

    // MARK: Deadlocks

    /// An older transaction waits for a lock of ours: gives it up and asks for it again (`spec/client.md §11.7`).
    ///
    /// Decided at once, whatever the program is doing (`§20.39`).
    mutating func relock(
        _ notification: NotifyDeadlock,
        at nid: NID,
        on connection: ConnectionID,
        _ context: inout Context
    ) {
        guard let transaction = transactions.values.first(where: { $0.ttid == notification.ttid }),
            !transaction.isStored, transaction.failure == nil, case .connected(connection)? = transaction.nodes[nid]
        else { return }
        let request = AskRelockObject(ttid: notification.ttid, oid: notification.oid)
        connections.ask(connection, request, then: .relock(transaction.id, nid, notification.oid), &context)
        transactions[transaction.id]?.count(nid, 1)
    }

    mutating func relockAnswered(
        _ id: TransactionID,
        _ nid: NID,
        _ oid: OID,
        _ conflict: RelockConflict?,
        _ context: inout Context
    ) {
        guard var transaction = transactions.removeValue(forKey: id) else { return }
        defer { transactions[id] = transaction }
        transaction.count(nid, -1)
        if let conflict {
            if let written = transaction.written.removeValue(forKey: oid) {
                transaction.writtenBytes -= written.content.byteCount
                var content = written.content
                if let saved = conflict.data {
                    do throws(CompressionError) {
                        guard saved.isIntact else { throw CompressionError(.corrupted, "wrong checksum") }
                        content = .data(try saved.record())
                    } catch {
                        let message = "\(nid) gave back \(oid) damaged: \(error)"
                        transaction.failure = ClientError(.wrongChecksum, message, oid: oid, serial: conflict.serial)
                    }
                }
                transaction.attempts += 1
                transaction.pendingBytes += content.byteCount
                transaction.pending[oid] = Transaction.PendingStore(
                    content: content,
                    base: conflict.serial,
                    order: written.order,
                    awaited: [],
                    attempt: transaction.attempts
                )
                transaction.conflicts[oid] = conflict.current
            } else if transaction.pending[oid] != nil || transaction.resolving[oid] != nil {
                let isKnown =
                    transaction.resolved[oid].map { conflict.current <= $0 } ?? false
                    || transaction.conflicts[oid].map { conflict.serial <= $0 } ?? false
                if !isKnown {
                    transaction.conflicts[oid] = conflict.current
                    holdAgain(oid, from: conflict.current, &transaction, &context)
                }
            }
        }
        advance(&transaction, &context)
    }

    // MARK: Failures

    /// The transaction cannot be committed any more; the program learns it from the call in progress, or the next one.
    mutating func failTransaction(_ id: TransactionID, _ error: ClientError, _ context: inout Context) {
        guard var transaction = transactions.removeValue(forKey: id) else { return }
        if case .beginning(let operation) = transaction.phase {
            transactions[id] = nil
            return fail(operation, error)
        }
        transaction.failure = transaction.failure ?? error
        transaction.isBarrierPending = false
        advance(&transaction, &context)
        transactions[id] = transaction
    }
}
