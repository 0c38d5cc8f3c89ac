import NEOEngine
import NEOProtocol
import OrderedCollections

// Pack orders (`spec/client.md §13.7`).
extension ClientCore {
    /// Attaches a pack order to a transaction that has not voted.
    ///
    /// What the master would refuse is refused here: it would close the connection, which disturbs all the threads.
    public mutating func setPackOrder(_ operation: OperationID, _ id: TransactionID, _ order: PackRequest) {
        guard let transaction = transactions[id], transaction.phase == .open else {
            return fail(operation, ClientError(.transactionState, "a pack order is set between the begin and the vote"))
        }
        guard let last = lastTID, order.tid > .zero, order.tid <= last else {
            let message = "expected to pack up to a TID from 1 to the last one, \(lastTID ?? .zero), got \(order.tid)"
            return fail(operation, ClientError(.invalidArgument, message))
        }
        var order = order
        if let oids = order.oids?.oids {
            // An empty list would be taken for all the objects.
            guard (1..<ClientConfiguration.maximumObjects).contains(oids.count) else {
                let limit = "expected from 1 to \(ClientConfiguration.maximumObjects - 1) objects to pack"
                return fail(operation, ClientError(.invalidArgument, "\(limit), got \(oids.count)"))
            }
            order.oids = OIDList(oids.sorted())
        }
        transactions[id]?.pack = order
        complete(operation, .done)
    }

    /// Forgets the revisions that a pack up to `tid` removed.
    public mutating func forgetPacked(through tid: TID) {
        cache.dropSuperseded(through: tid)
    }
}
