import NEOEngine
import NEOProtocol
import NEOTopology
import NIOCore
import OrderedCollections

// What the program asks about transactions (`spec/client.md §11`).
extension ClientCore {
    /// Begins a transaction; gives its TTID.
    /// - Parameter tid: the TID that it must get; nil: the master chooses.
    public mutating func begin(
        _ operation: OperationID,
        _ id: TransactionID,
        user: ByteBuffer,
        description: ByteBuffer,
        extensionData: ByteBuffer,
        tid: TID? = nil,
        pack: PackRequest? = nil,
        _ context: inout CoreContext<Never>
    ) {
        if configuration.isReadOnly { return fail(operation, Self.readOnly) }
        guard transactions[id] == nil else {
            return fail(operation, ClientError(.transactionState, "the transaction has begun already"))
        }
        if let tid, let lastTID, tid <= lastTID {
            let message = "expected a TID after the last one, \(lastTID), got \(tid)"
            return fail(operation, ClientError(.invalidArgument, message))
        }
        transactions[id] = Transaction(
            id: id,
            operation: operation,
            user: user,
            description: description,
            extensionData: extensionData,
            pack: pack
        )
        whenMaster(.begin(id, tid), &context)
    }

    mutating func askBegin(_ id: TransactionID, _ tid: TID?, on master: ConnectionID, _ context: inout Context) {
        guard transactions[id] != nil else { return }
        transactions[id]?.master = master
        connections.ask(master, AskBeginTransaction(tid: tid), then: .begin(id), &context)
    }

    mutating func began(_ id: TransactionID, _ ttid: TTID, on master: ConnectionID, _ context: inout Context) {
        guard case .beginning(let operation)? = transactions[id]?.phase else {
            // Aborted meanwhile: the master must not wait for it.
            return connections.notify(master, AbortTransaction(ttid: ttid, nids: []), &context)
        }
        transactions[id]?.ttid = ttid
        transactions[id]?.phase = .open
        complete(operation, .began(ttid))
    }

    mutating func beginFailed(_ id: TransactionID, _ error: ClientError) {
        guard let transaction = transactions.removeValue(forKey: id) else { return }
        if case .beginning(let operation) = transaction.phase { fail(operation, error) }
    }

    /// Stores an object, without waiting for the storages; `record` nil: deletes it.
    ///
    /// - Parameters:
    ///   - base: the revision that the change started from, zero for a new object.
    ///   - stored: the record as it travels: see ``prepare(_:_:)``.
    ///   - dataTID: for an undo, the revision that has the same data.
    ///   - isRestored: whether it was committed elsewhere: `base` is only a guess, and nothing conflicts with it.
    ///   - isKept: whether the record is kept to be merged if there is a conflict, and for the cache.
    public mutating func store(
        _ operation: OperationID,
        _ id: TransactionID,
        _ oid: OID,
        base: TID,
        record: ByteBuffer?,
        stored: StoredData,
        dataTID: TID? = nil,
        isRestored: Bool = false,
        isKept: Bool = true,
        _ context: inout CoreContext<Never>
    ) {
        let content: Transaction.Content =
            switch record {
            case nil: .deleted
            case let record? where isKept: .data(record)
            case let record?: .unkept(byteCount: record.readableBytes)
            }
        let waiting = Transaction.WaitingStore(
            operation: operation,
            oid: oid,
            base: base,
            content: content,
            stored: stored,
            dataTID: dataTID,
            isRestored: isRestored
        )
        if stored.data.readableBytes > ClientConfiguration.maximumRecordBytes {
            let size = "\(stored.data.readableBytes) bytes after compression"
            let limit = "expected a record of at most \(ClientConfiguration.maximumRecordBytes)"
            return fail(operation, ClientError(.invalidArgument, "\(limit), got \(size)", oid: oid))
        }
        add(waiting, to: id, &context)
    }

    /// The form of a record that travels: to be computed by the calling thread, out of the core.
    public static func prepare(_ record: ByteBuffer?, _ compression: CompressionPolicy) -> StoredData {
        record.map { StoredData(record: $0, policy: compression) }
            ?? StoredData(compression: 0, checksum: .zero, data: ByteBuffer())
    }

    /// Has the commit fail if the object is not at `serial` any more (`spec/client.md §11.4`).
    public mutating func checkCurrentSerial(
        _ operation: OperationID,
        _ id: TransactionID,
        _ oid: OID,
        _ serial: TID,
        _ context: inout CoreContext<Never>
    ) {
        if let transaction = transactions[id], let base = transaction.base(of: oid) {
            // Redundant (`§20.24`).
            if base == serial { return complete(operation, .stored([])) }
            let message = "\(oid) was read at \(serial) and changed from \(base) by one transaction"
            return fail(operation, ClientError(.readConflict, message, oid: oid, serial: base, base: serial))
        }
        let waiting = Transaction.WaitingStore(
            operation: operation,
            oid: oid,
            base: serial,
            content: .checked,
            stored: StoredData(compression: 0, checksum: .zero, data: ByteBuffer()),
            dataTID: nil
        )
        add(waiting, to: id, &context)
    }

    private mutating func add(_ store: Transaction.WaitingStore, to id: TransactionID, _ context: inout Context) {
        guard var transaction = transactions.removeValue(forKey: id) else {
            return fail(store.operation, ClientError(.transactionState, "unknown transaction"))
        }
        defer { transactions[id] = transaction }
        guard transaction.acceptsStores else {
            return fail(store.operation, ClientError(.transactionState, "the transaction does not accept changes"))
        }
        if let failure = transaction.failure { return fail(store.operation, failure) }
        guard transaction.resolving[store.oid] == nil else {
            let message = "expected the resolution of the conflict of \(store.oid), got another store"
            return fail(store.operation, ClientError(.transactionState, message, oid: store.oid))
        }
        transaction.waitingStore = store
        if transaction.written[store.oid]?.nextBase ?? store.base > lastTID ?? .zero {
            // A base from the future stops reference storages: what the master has to say first decides (`§20.9`).
            guard let master = masterConnection, master == transaction.master else {
                transaction.waitingStore = nil
                return fail(store.operation, masterLost)
            }
            transaction.isBarrierPending = true
            connections.ask(master, Ping(), then: .storeBarrier(id), &context)
            return
        }
        advance(&transaction, &context)
    }

    mutating func storeBarrierPassed(_ id: TransactionID, _ context: inout Context) {
        guard var transaction = transactions.removeValue(forKey: id) else { return }
        defer { transactions[id] = transaction }
        transaction.isBarrierPending = false
        if let store = transaction.waitingStore,
            transaction.written[store.oid]?.nextBase ?? store.base > lastTID ?? .zero
        {
            transaction.waitingStore = nil
            let message = "the base revision \(store.base) of \(store.oid) is after the last transaction"
            return fail(store.operation, ClientError(.invalidArgument, message, oid: store.oid))
        }
        advance(&transaction, &context)
    }

    /// Sends the result of a conflict resolution; gives the conflicts found since.
    public mutating func resolve(
        _ operation: OperationID,
        _ id: TransactionID,
        _ oid: OID,
        record: ByteBuffer,
        stored: StoredData,
        _ context: inout CoreContext<Never>
    ) {
        guard var transaction = transactions.removeValue(forKey: id) else {
            return fail(operation, ClientError(.transactionState, "unknown transaction"))
        }
        defer { transactions[id] = transaction }
        if let failure = transaction.failure { return fail(operation, failure) }
        guard transaction.phase == .open, let serial = transaction.resolving.removeValue(forKey: oid) else {
            let error = ClientError(.transactionState, "no conflict of \(oid) was to be resolved", oid: oid)
            return fail(operation, error)
        }
        let store = Transaction.WaitingStore(
            operation: operation,
            oid: oid,
            base: serial,
            content: .data(record),
            stored: stored,
            dataTID: nil
        )
        if transaction.conflicts[oid] != nil {
            // Overtaken again while it was resolved: there is no use in sending it.
            transaction.addPending(store, awaited: [])
        } else {
            send(store, &transaction, &context)
        }
        endStore(operation, &transaction, &context)
    }

    /// Gets a transaction ready to be finished: gives `voted`, or `conflicts` to be resolved before voting again.
    public mutating func vote(_ operation: OperationID, _ id: TransactionID, _ context: inout CoreContext<Never>) {
        guard var transaction = transactions.removeValue(forKey: id) else {
            return fail(operation, ClientError(.transactionState, "unknown transaction"))
        }
        defer { transactions[id] = transaction }
        switch transaction.phase {
        case .open:
            transaction.phase = .draining(operation, votes: true)
            advance(&transaction, &context)
        case .voted: complete(operation, .voted(transaction.resolvedConflicts))
        case .beginning, .draining, .voting, .reporting:
            fail(operation, ClientError(.transactionState, "the transaction is being voted"))
        }
    }

    /// Forgets a transaction. Nothing is waited for; ignored if it is unknown (`spec/client.md §11.11`).
    public mutating func abort(_ id: TransactionID, _ context: inout CoreContext<Never>) {
        guard let transaction = transactions.removeValue(forKey: id) else { return }
        if let operation = transaction.waitingOperation {
            fail(operation, ClientError(.transactionState, "the transaction was aborted"))
        }
        guard transaction.ttid != .zero else { return }
        // After the writes on each connection, and before the master tells the storages itself.
        for (_, use) in transaction.nodes {
            guard case .connected(let connection) = use else { continue }
            connections.notify(connection, AbortTransaction(ttid: transaction.ttid, nids: []), &context)
        }
        guard masterConnection == transaction.master else { return }
        let notification = AbortTransaction(ttid: transaction.ttid, nids: Array(transaction.nodes.keys))
        connections.notify(transaction.master, notification, &context)
    }
}
