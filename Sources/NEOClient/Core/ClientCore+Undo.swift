import NEOEngine
import NEOProtocol
import OrderedCollections

// What an undo needs of a transaction (`spec/client.md §12`). The rest is ``Client/Transaction/undo(_:)``.
extension ClientCore {
    /// Waits until every store of the transaction is answered; gives `stored`, or `conflicts` to be resolved before
    /// draining again.
    public mutating func drain(_ operation: OperationID, _ id: TransactionID, _ context: inout CoreContext<Never>) {
        guard var transaction = transactions.removeValue(forKey: id) else {
            return fail(operation, ClientError(.transactionState, "unknown transaction"))
        }
        defer { transactions[id] = transaction }
        guard transaction.acceptsStores else {
            return fail(operation, ClientError(.transactionState, "the transaction does not accept changes"))
        }
        transaction.phase = .draining(operation, votes: false)
        advance(&transaction, &context)
    }

    /// What ``Client/Transaction/undo(_:)`` has to know of its transaction before it asks anything.
    struct UndoSnapshot: Sendable {
        var ttid: TTID
        /// Excluded bound of what the undo takes into account.
        var limit: TID
    }

    /// Begins an undo in a transaction that has nothing on its way: from now on, what it writes is kept.
    mutating func beginUndo(_ id: TransactionID) -> Result<UndoSnapshot, ClientError> {
        guard let transaction = transactions[id], transaction.acceptsStores else {
            return .failure(ClientError(.transactionState, "the transaction does not accept changes"))
        }
        if let failure = transaction.failure { return .failure(failure) }
        guard transaction.pending.isEmpty, transaction.resolving.isEmpty else {
            return .failure(ClientError(.transactionState, "expected all stores to be answered before an undo"))
        }
        transactions[id]?.keepsWritten = true
        return .success(UndoSnapshot(ttid: transaction.ttid, limit: TID((lastTID ?? .zero).rawValue &+ 1)))
    }

    /// Nil if there is no such transaction.
    func ttid(of id: TransactionID) -> TTID? { transactions[id]?.ttid }

    /// The record that the transaction wrote for an object; nil if it deleted it, or does not have it any more.
    func writtenRecord(_ oid: OID, of id: TransactionID) -> Transaction.Content? {
        transactions[id]?.written[oid]?.content
    }
}
