import CNEOClient
import NEOClient
import NEOProtocol
import NIOCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

// The functions of `neo_client.h` about what was committed, and about undo.

/// The identifiers of an array of C.
private func identifiers(_ bytes: UnsafePointer<UInt8>?, _ count: Int64) throws(ClientError) -> [UInt64] {
    guard count > 0 else { return [] }
    let bytes = try required(bytes)
    return (0..<Int(count)).map { read(bytes + 8 * $0) }
}

private func allocation<Value>(_ body: () throws(ClientAllocationError) -> Value) throws(ClientError) -> Value {
    do throws(ClientAllocationError) {
        return try body()
    } catch {
        throw ClientError(.internalError, "no memory for \(error.byteCount) bytes")
    }
}

private func give(
    _ values: [UInt64],
    next: UInt64?,
    to output: UnsafeMutablePointer<neo_identifiers>
) throws(ClientError) {
    var block = try allocation { () throws(ClientAllocationError) in
        try CBlock<UInt64>(count: 0, byteCount: 8 * values.count)
    }
    var result = neo_identifiers()
    result.bytes = block.copy(values)
    result.count = Int64(values.count)
    if let next {
        result.has_next = 1
        write(next, to: &result.next)
    }
    result.owner = block.owner
    output.pointee = result
}

@_cdecl("neo_identifiers_release")
public func identifiersRelease(_ identifiers: UnsafeMutablePointer<neo_identifiers>?) {
    guard let identifiers else { return }
    free(identifiers.pointee.owner)
    identifiers.pointee = neo_identifiers()
}

// MARK: Lists

@_cdecl("neo_tids_from")
public func tidsFrom(
    _ client: OpaquePointer?,
    _ start: UnsafePointer<UInt8>?,
    _ stop: UnsafePointer<UInt8>?,
    _ count: Int64,
    _ tids: UnsafeMutablePointer<neo_identifiers>?
) -> UnsafeMutablePointer<neo_error>? {
    attempt { () throws(ClientError) in
        let output = try required(tids)
        let client = try required(ClientHandle.of(client))
        let found = try client.transactions(
            from: TID(read(start)),
            through: TID(read(try required(stop))),
            count: Int(count)
        )
        try give(found.map(\.rawValue), next: found.last.map { $0.rawValue &+ 1 }, to: output)
    }
}

@_cdecl("neo_tids_newest")
public func tidsNewest(
    _ client: OpaquePointer?,
    _ count: Int64,
    _ tids: UnsafeMutablePointer<neo_identifiers>?
) -> UnsafeMutablePointer<neo_error>? {
    attempt { () throws(ClientError) in
        let output = try required(tids)
        guard count > 0 else { throw ClientError(.invalidArgument, "expected a positive number of tids, got \(count)") }
        let (found, isComplete) = try required(ClientHandle.of(client)).newestTransactions(Int(count))
        try give(found.map(\.rawValue), next: isComplete ? nil : found.last.map { $0.rawValue &- 1 }, to: output)
    }
}

@_cdecl("neo_oids_from")
public func oidsFrom(
    _ client: OpaquePointer?,
    _ tid: UnsafePointer<UInt8>?,
    _ start: UnsafePointer<UInt8>?,
    _ count: Int64,
    _ oids: UnsafeMutablePointer<neo_identifiers>?
) -> UnsafeMutablePointer<neo_error>? {
    attempt { () throws(ClientError) in
        let output = try required(oids)
        let client = try required(ClientHandle.of(client))
        let tid = TID(read(try required(tid)))
        let (found, next) = try client.objects(at: tid, from: OID(read(start)), count: Int(count))
        try give(found.map(\.rawValue), next: next?.rawValue, to: output)
    }
}

// MARK: Transactions

@_cdecl("neo_transactions_load")
public func transactionsLoad(
    _ client: OpaquePointer?,
    _ tids: UnsafePointer<UInt8>?,
    _ count: Int64,
    _ maximumBytes: Int64,
    _ transactions: UnsafeMutablePointer<neo_transactions>?
) -> UnsafeMutablePointer<neo_error>? {
    attempt { () throws(ClientError) in
        let output = try required(transactions)
        let wanted = try identifiers(tids, count).map { TID($0) }
        let found = try required(ClientHandle.of(client)).information(
            about: wanted[...],
            maximumBytes: Int(maximumBytes)
        )
        try give(found, to: output)
    }
}

private func give(
    _ found: [TransactionInformation],
    to output: UnsafeMutablePointer<neo_transactions>
) throws(ClientError) {
    let byteCount = found.reduce(0) {
        $0 + $1.user.readableBytes + $1.description.readableBytes + $1.extensionData.readableBytes + 8 * $1.oids.count
    }
    var block = try allocation { () throws(ClientAllocationError) in
        try CBlock<neo_transaction_information>(count: found.count, byteCount: byteCount)
    }
    for (index, information) in found.enumerated() {
        var value = neo_transaction_information()
        write(information.tid.rawValue, to: &value.tid)
        value.user = block.copy(information.user)
        value.user_length = Int64(information.user.readableBytes)
        value.description = block.copy(information.description)
        value.description_length = Int64(information.description.readableBytes)
        value.extension = block.copy(information.extensionData)
        value.extension_length = Int64(information.extensionData.readableBytes)
        value.is_packed = information.isPacked ? 1 : 0
        value.oids = block.copy(information.oids.map(\.rawValue))
        value.oid_count = Int64(information.oids.count)
        (block.elements + index).initialize(to: value)
    }
    output.pointee = neo_transactions(
        transactions: UnsafePointer(block.elements),
        count: Int64(found.count),
        owner: block.owner
    )
}

@_cdecl("neo_transactions_release")
public func transactionsRelease(_ transactions: UnsafeMutablePointer<neo_transactions>?) {
    guard let transactions else { return }
    free(transactions.pointee.owner)
    transactions.pointee = neo_transactions()
}

// MARK: Revisions

@_cdecl("neo_history_load")
public func historyLoad(
    _ client: OpaquePointer?,
    _ oid: UnsafePointer<UInt8>?,
    _ count: Int64,
    _ history: UnsafeMutablePointer<neo_history>?
) -> UnsafeMutablePointer<neo_error>? {
    attempt { () throws(ClientError) in
        let output = try required(history)
        let client = try required(ClientHandle.of(client))
        let found = try client.history(of: OID(read(try required(oid))), count: Int(count))
        let block = try allocation { () throws(ClientAllocationError) in
            try CBlock<neo_history_entry>(count: found.count, byteCount: 0)
        }
        for (index, revision) in found.enumerated() {
            var value = neo_history_entry()
            write(revision.tid.rawValue, to: &value.tid)
            value.size = Int64(revision.size)
            (block.elements + index).initialize(to: value)
        }
        output.pointee = neo_history(
            entries: UnsafePointer(block.elements),
            count: Int64(found.count),
            owner: block.owner
        )
    }
}

@_cdecl("neo_history_release")
public func historyRelease(_ history: UnsafeMutablePointer<neo_history>?) {
    guard let history else { return }
    free(history.pointee.owner)
    history.pointee = neo_history()
}

@_cdecl("neo_revisions_load")
public func revisionsLoad(
    _ client: OpaquePointer?,
    _ oids: UnsafePointer<UInt8>?,
    _ tids: UnsafePointer<UInt8>?,
    _ count: Int64,
    _ maximumBytes: Int64,
    _ revisions: UnsafeMutablePointer<neo_revisions>?
) -> UnsafeMutablePointer<neo_error>? {
    attempt { () throws(ClientError) in
        let output = try required(revisions)
        let client = try required(ClientHandle.of(client))
        let wanted = zip(try identifiers(oids, count), try identifiers(tids, count)).map {
            (oid: OID($0), tid: TID($1))
        }
        let found = try client.revisions(wanted[...], maximumBytes: Int(maximumBytes))
        var records: [ByteBuffer?] = []
        for revision in found {
            records.append(try revision?.record(ignoresDamage: client.configuration.ignoresWrongChecksum))
        }
        let byteCount = records.reduce(0) { $0 + ($1?.readableBytes ?? 0) }
        var block = try allocation { () throws(ClientAllocationError) in
            try CBlock<neo_revision>(count: found.count, byteCount: byteCount)
        }
        for (index, revision) in found.enumerated() {
            var value = neo_revision()
            let kind = revision == nil ? NEO_REVISION_MISSING : NEO_REVISION_DELETION
            value.kind = Int32(kind)
            if let record = records[index] {
                value.kind = Int32(NEO_REVISION_RECORD)
                value.data = block.copy(record)
                value.length = Int64(record.readableBytes)
            }
            if let dataTID = revision?.dataTID {
                value.has_data_tid = 1
                write(dataTID.rawValue, to: &value.data_tid)
            }
            (block.elements + index).initialize(to: value)
        }
        output.pointee = neo_revisions(
            revisions: UnsafePointer(block.elements),
            count: Int64(found.count),
            owner: block.owner
        )
    }
}

@_cdecl("neo_revisions_release")
public func revisionsRelease(_ revisions: UnsafeMutablePointer<neo_revisions>?) {
    guard let revisions else { return }
    free(revisions.pointee.owner)
    revisions.pointee = neo_revisions()
}

// MARK: Undo

@_cdecl("neo_transaction_drain")
public func transactionDrain(
    _ transaction: OpaquePointer?,
    _ conflicts: UnsafeMutablePointer<neo_conflicts>?
) -> UnsafeMutablePointer<neo_error>? {
    attempt { () throws(ClientError) in
        give(try required(TransactionHandle.of(transaction)).drain(), to: conflicts)
    }
}

@_cdecl("neo_transaction_undo")
public func transactionUndo(
    _ transaction: OpaquePointer?,
    _ tid: UnsafePointer<UInt8>?,
    _ undo: UnsafeMutablePointer<neo_undo>?
) -> UnsafeMutablePointer<neo_error>? {
    attempt { () throws(ClientError) in
        let output = try required(undo)
        let transaction = try required(TransactionHandle.of(transaction))
        let undone = try transaction.undo(TID(read(try required(tid))))
        var block = try allocation { () throws(ClientAllocationError) in
            try CBlock<neo_overtaken>(count: undone.overtaken.count, byteCount: 8 * undone.oids.count)
        }
        for (index, object) in undone.overtaken.enumerated() {
            var value = neo_overtaken()
            write(object.oid.rawValue, to: &value.oid)
            write(object.current.rawValue, to: &value.current)
            write(object.undone.rawValue, to: &value.undone)
            (block.elements + index).initialize(to: value)
        }
        var result = neo_undo()
        result.oids = block.copy(undone.oids.map(\.rawValue))
        result.oid_count = Int64(undone.oids.count)
        result.overtaken = UnsafePointer(block.elements)
        result.overtaken_count = Int64(undone.overtaken.count)
        result.owner = block.owner
        give(undone.conflicts, to: &result.conflicts)
        output.pointee = result
    }
}

@_cdecl("neo_undo_release")
public func undoRelease(_ undo: UnsafeMutablePointer<neo_undo>?) {
    guard let undo else { return }
    free(undo.pointee.owner)
    undo.pointee = neo_undo()
}

@_cdecl("neo_overtaken_load")
public func overtakenLoad(
    _ transaction: OpaquePointer?,
    _ overtaken: UnsafePointer<neo_overtaken>?,
    _ merge: UnsafeMutablePointer<neo_merge>?
) -> UnsafeMutablePointer<neo_error>? {
    attempt { () throws(ClientError) in
        let output = try required(merge)
        let transaction = try required(TransactionHandle.of(transaction))
        let object = try required(overtaken).pointee
        let records = try transaction.records(
            of: Client.OvertakenObject(
                oid: OID(read(object.oid)),
                current: TID(read(object.current)),
                undone: TID(read(object.undone))
            )
        )
        let byteCount = records.committed.readableBytes + records.undone.readableBytes
        var block = try allocation { () throws(ClientAllocationError) in
            try CBlock<UInt8>(count: 0, byteCount: byteCount)
        }
        output.pointee = neo_merge(
            committed: block.copy(records.committed),
            committed_length: Int64(records.committed.readableBytes),
            undone: block.copy(records.undone),
            undone_length: Int64(records.undone.readableBytes),
            owner: block.owner
        )
    }
}

@_cdecl("neo_merge_release")
public func mergeRelease(_ merge: UnsafeMutablePointer<neo_merge>?) {
    guard let merge else { return }
    free(merge.pointee.owner)
    merge.pointee = neo_merge()
}
