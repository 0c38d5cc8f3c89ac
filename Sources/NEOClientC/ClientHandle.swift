import CNEOClient
import NEOClient
import NEOEngine
import NEOProtocol
import Synchronization

/// What a `neo_client` points to.
final class ClientHandle: Sendable {
    let client: Client

    init(_ client: Client) {
        self.client = client
    }

    /// The object of a handle, which the caller of the C function keeps alive.
    static func of(_ handle: OpaquePointer?) -> Client? {
        handle.map { Unmanaged<ClientHandle>.fromOpaque(UnsafeRawPointer($0)).takeUnretainedValue().client }
    }
}

/// What a `neo_transaction` points to.
final class TransactionHandle: Sendable {
    let transaction: Client.Transaction

    init(_ transaction: Client.Transaction) {
        self.transaction = transaction
    }

    static func of(_ handle: OpaquePointer?) -> Client.Transaction? {
        handle.map { Unmanaged<TransactionHandle>.fromOpaque(UnsafeRawPointer($0)).takeUnretainedValue().transaction }
    }
}

/// The callbacks of the program.
///
/// Sendable: `neo_client.h` says that they are called by any thread, with a context made for that.
struct Callbacks: @unchecked Sendable {
    let callbacks: neo_callbacks

    func deliver(_ delivery: Client.Delivery) {
        guard let deliver = callbacks.deliver else { return }
        var told = neo_delivery()
        switch delivery {
        case .invalidate(let tid, let oids):
            told.kind = Int32(NEO_DELIVERY_INVALIDATE)
            write(tid.rawValue, to: &told.tid)
            told.oid_count = Int64(oids.count)
            let bytes = oids.map(\.rawValue.bigEndian)
            bytes.withUnsafeBytes { buffer in
                told.oids = buffer.baseAddress?.assumingMemoryBound(to: UInt8.self)
                deliver(callbacks.context, &told)
            }
        case .invalidateAll(let tid):
            told.kind = Int32(NEO_DELIVERY_INVALIDATE_ALL)
            write(tid.rawValue, to: &told.tid)
            deliver(callbacks.context, &told)
        case .finished(let transaction, let tid):
            told.kind = Int32(NEO_DELIVERY_FINISHED)
            write(tid.rawValue, to: &told.tid)
            told.transaction = OpaquePointer(bitPattern: transaction.tag.load(ordering: .acquiring))
            deliver(callbacks.context, &told)
        }
    }

    func isInterrupted() -> Bool { callbacks.interrupted?(callbacks.context) ?? 0 != 0 }

    func log(_ level: LogLevel, _ message: String) {
        let number: Int32 =
            switch level {
            case .debug: 10
            case .info: 20
            case .warning: 30
            case .error: 40
            }
        message.withCString { callbacks.log?(callbacks.context, number, $0) }
    }
}
