import CNEOClient
import NEOClient
import NEOProtocol
import NIOCore
import Synchronization

// The functions of `neo_client.h` about transactions.

@_cdecl("neo_conflicts_release")
public func conflictsRelease(_ conflicts: UnsafeMutablePointer<neo_conflicts>?) {
    guard let conflicts, let owner = conflicts.pointee.owner else { return }
    let array = owner.assumingMemoryBound(to: neo_conflict.self)
    for index in 0..<Int(conflicts.pointee.count) { release(array[index].data) }
    array.deallocate()
    conflicts.pointee = neo_conflicts()
}

@_cdecl("neo_transaction_begin")
public func transactionBegin(
    _ client: OpaquePointer?,
    _ tid: UnsafePointer<UInt8>?,
    _ user: UnsafePointer<UInt8>?,
    _ userLength: Int64,
    _ description: UnsafePointer<UInt8>?,
    _ descriptionLength: Int64,
    _ extensionData: UnsafePointer<UInt8>?,
    _ extensionLength: Int64,
    _ transaction: UnsafeMutablePointer<OpaquePointer?>?
) -> UnsafeMutablePointer<neo_error>? {
    attempt { () throws(ClientError) in
        let output = try required(transaction)
        let begun = try required(ClientHandle.of(client)).begin(
            user: buffer(user, userLength),
            description: buffer(description, descriptionLength),
            extensionData: buffer(extensionData, extensionLength),
            tid: tid.map { TID(read($0)) }
        )
        let handle = Unmanaged.passRetained(TransactionHandle(begun)).toOpaque()
        begun.tag.store(UInt(bitPattern: handle), ordering: .releasing)
        output.pointee = OpaquePointer(handle)
    }
}

@_cdecl("neo_transaction_store")
public func transactionStore(
    _ transaction: OpaquePointer?,
    _ oid: UnsafePointer<UInt8>?,
    _ serial: UnsafePointer<UInt8>?,
    _ data: UnsafePointer<UInt8>?,
    _ length: Int64,
    _ conflicts: UnsafeMutablePointer<neo_conflicts>?
) -> UnsafeMutablePointer<neo_error>? {
    attempt { () throws(ClientError) in
        let transaction = try required(TransactionHandle.of(transaction))
        let record = data.map { buffer($0, length) }
        give(try transaction.store(OID(read(oid)), base: TID(read(serial)), record), to: conflicts)
    }
}

@_cdecl("neo_transaction_restore")
public func transactionRestore(
    _ transaction: OpaquePointer?,
    _ oid: UnsafePointer<UInt8>?,
    _ serial: UnsafePointer<UInt8>?,
    _ data: UnsafePointer<UInt8>?,
    _ length: Int64,
    _ dataTID: UnsafePointer<UInt8>?,
    _ conflicts: UnsafeMutablePointer<neo_conflicts>?
) -> UnsafeMutablePointer<neo_error>? {
    attempt { () throws(ClientError) in
        let transaction = try required(TransactionHandle.of(transaction))
        let record = data.map { buffer($0, length) }
        let dataTID = dataTID.map { TID(read($0)) }
        let found = try transaction.restore(OID(read(oid)), base: TID(read(serial)), record, dataTID: dataTID)
        give(found, to: conflicts)
    }
}

@_cdecl("neo_transaction_store_unkept")
public func transactionStoreUnkept(
    _ transaction: OpaquePointer?,
    _ oid: UnsafePointer<UInt8>?,
    _ serial: UnsafePointer<UInt8>?,
    _ data: UnsafePointer<UInt8>?,
    _ length: Int64,
    _ isRestored: Int32,
    _ conflicts: UnsafeMutablePointer<neo_conflicts>?
) -> UnsafeMutablePointer<neo_error>? {
    attempt { () throws(ClientError) in
        let transaction = try required(TransactionHandle.of(transaction))
        let record = buffer(try required(data), length)
        let found = try transaction.storeUnkept(
            OID(read(oid)),
            base: TID(read(serial)),
            record,
            isRestored: isRestored != 0
        )
        give(found, to: conflicts)
    }
}

@_cdecl("neo_transaction_resolve")
public func transactionResolve(
    _ transaction: OpaquePointer?,
    _ oid: UnsafePointer<UInt8>?,
    _ serial: UnsafePointer<UInt8>?,
    _ data: UnsafePointer<UInt8>?,
    _ length: Int64,
    _ conflicts: UnsafeMutablePointer<neo_conflicts>?
) -> UnsafeMutablePointer<neo_error>? {
    attempt { () throws(ClientError) in
        let transaction = try required(TransactionHandle.of(transaction))
        give(try transaction.resolve(OID(read(oid)), buffer(try required(data), length)), to: conflicts)
    }
}

@_cdecl("neo_transaction_check_current_serial")
public func transactionCheckCurrentSerial(
    _ transaction: OpaquePointer?,
    _ oid: UnsafePointer<UInt8>?,
    _ serial: UnsafePointer<UInt8>?,
    _ conflicts: UnsafeMutablePointer<neo_conflicts>?
) -> UnsafeMutablePointer<neo_error>? {
    attempt { () throws(ClientError) in
        let transaction = try required(TransactionHandle.of(transaction))
        give(try transaction.checkCurrentSerial(OID(read(oid)), TID(read(serial))), to: conflicts)
    }
}

@_cdecl("neo_transaction_vote")
public func transactionVote(
    _ transaction: OpaquePointer?,
    _ conflicts: UnsafeMutablePointer<neo_conflicts>?
) -> UnsafeMutablePointer<neo_error>? {
    attempt { () throws(ClientError) in
        give(try required(TransactionHandle.of(transaction)).vote(), to: conflicts)
    }
}

@_cdecl("neo_transaction_finish")
public func transactionFinish(
    _ transaction: OpaquePointer?,
    _ tid: UnsafeMutablePointer<UInt8>?
) -> UnsafeMutablePointer<neo_error>? {
    attempt { () throws(ClientError) in
        write(try required(TransactionHandle.of(transaction)).finish().rawValue, to: tid)
    }
}

@_cdecl("neo_transaction_abort")
public func transactionAbort(_ transaction: OpaquePointer?) {
    TransactionHandle.of(transaction)?.abort()
}

@_cdecl("neo_transaction_release")
public func transactionRelease(_ transaction: OpaquePointer?) {
    guard let transaction else { return }
    let handle = Unmanaged<TransactionHandle>.fromOpaque(UnsafeRawPointer(transaction)).takeRetainedValue()
    handle.transaction.abort()
}
