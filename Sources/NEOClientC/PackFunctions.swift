import CNEOClient
import NEOClient
import NEOProtocol

// The functions of `neo_client.h` about packs.

@_cdecl("neo_transaction_set_pack_order")
public func transactionSetPackOrder(
    _ transaction: OpaquePointer?,
    _ tid: UnsafePointer<UInt8>?,
    _ oids: UnsafePointer<UInt8>?,
    _ count: Int
) -> UnsafeMutablePointer<neo_error>? {
    attempt { () throws(ClientError) in
        var list: [OID]?
        if let oids {
            list = (0..<max(0, count)).map { OID(read(oids + 8 * $0)) }
        }
        try required(TransactionHandle.of(transaction)).setPackOrder(through: TID(read(tid)), oids: list)
    }
}

@_cdecl("neo_wait_for_pack")
public func waitForPack(
    _ client: OpaquePointer?,
    _ order: UnsafePointer<UInt8>?,
    _ tid: UnsafePointer<UInt8>?
) -> UnsafeMutablePointer<neo_error>? {
    attempt { () throws(ClientError) in
        try required(ClientHandle.of(client)).waitForPack(TID(read(order)), through: tid.map { TID(read($0)) })
    }
}
