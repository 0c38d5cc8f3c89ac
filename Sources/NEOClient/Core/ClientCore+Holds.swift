import NEOEngine
import NEOProtocol
import NEOTopology
import NIOCore
import OrderedCollections

// Objects that others change faster than the program resolves conflicts (`spec/client.md §20.31`).
//
// Nothing is locked while a conflict is resolved, so what is resolved may be overtaken again, for ever. From its second
// conflict on, an object is locked first: the change is stored as it is, as if it started from the newest revision, and what
// the program resolves replaces it.
//
//   store ──conflict──▶ resolve ──store──▶ conflict ──store to lock──▶ resolve ──store──▶ vote
//                                                        ▲     │
//                                                        └─────┘ overtaken once more: at once, the program still resolves
//
// The vote waits for what is resolved: what was stored to lock is never committed.
extension ClientCore {
    /// The conflicts found, for the program to resolve.
    /// - Throws: the error that ends the transaction if one cannot be resolved.
    mutating func takeConflicts(
        _ transaction: inout Transaction,
        _ context: inout Context
    ) throws(ClientError) -> [Conflict] {
        let (all, repeated) = try transaction.takeConflicts()
        for conflict in repeated {
            // One may have been sent already, by `holdAgain`.
            if let hold = transaction.holds[conflict.oid], hold.base >= conflict.serial { continue }
            let stored = StoredData(compression: 0, checksum: Checksum(of: conflict.data), data: conflict.data)
            guard stored.data.readableBytes <= ClientConfiguration.maximumRecordBytes else { continue }
            hold(conflict.oid, Transaction.Hold(base: conflict.serial, stored: stored), &transaction, &context)
        }
        return all
    }

    /// What locks an object was overtaken itself.
    mutating func holdAgain(
        _ oid: OID,
        from serial: TID,
        _ transaction: inout Transaction,
        _ context: inout Context
    ) {
        guard transaction.resolving[oid] != nil, var hold = transaction.holds[oid], hold.base < serial else { return }
        hold.base = serial
        self.hold(oid, hold, &transaction, &context)
    }

    private mutating func hold(
        _ oid: OID,
        _ hold: Transaction.Hold,
        _ transaction: inout Transaction,
        _ context: inout Context
    ) {
        guard let partitions else { return }
        transaction.attempts += 1
        transaction.holds[oid] = hold
        let request = AskStoreObject(
            oid: oid,
            serial: hold.base,
            compression: hold.stored.compression,
            checksum: hold.stored.checksum,
            data: hold.stored.data,
            dataTID: nil,
            ttid: transaction.ttid
        )
        let partition = partitions.partition(of: oid)
        let nids = write(.store(request, attempt: transaction.attempts), to: partition, &transaction, &context)
        transaction.partitions[partition, default: []].formUnion(nids)
    }
}
