import NEOClient
import NEOEngine
import NEOProtocol
import NIOCore
import Testing

// What scripts over the client core have in common: the packets that they look for, and the beginnings of their scenes.

func askObject(_ packet: Packet) -> AskObject? {
    if case .askObject(let request) = packet { request } else { nil }
}

func askStore(_ packet: Packet) -> AskStoreObject? {
    if case .askStoreObject(let request) = packet { request } else { nil }
}

func vote(_ packet: Packet) -> Bool? {
    switch packet {
    case .askStoreTransaction, .askVoteTransaction: true
    default: nil
    }
}

func object(_ oid: OID, _ data: ByteBuffer, at serial: UInt64, next: UInt64? = nil) -> AnswerObject {
    AnswerObject(
        oid: oid,
        serial: TID(serial),
        nextSerial: next.map { TID($0) },
        compression: 0,
        checksum: Checksum(of: data),
        data: data,
        dataTID: nil
    )
}

func record(_ result: OperationResult?) -> Record? {
    if case .record(let record)? = result { record } else { nil }
}

func error(_ result: OperationResult?) -> ClientError.Code? {
    if case .failed(let error)? = result { error.code } else { nil }
}

extension ScriptedCluster {
    /// A cluster with a transaction that has begun and stored an object on both storages, unanswered.
    static func withStore(
        _ oid: OID,
        _ data: ByteBuffer,
        base: UInt64 = 90
    ) -> (ScriptedCluster, TransactionID, [Sent]) {
        var cluster = ScriptedCluster()
        let id = TransactionID(1)
        let begin = cluster.begin(id)
        cluster.connectAll()
        if let (sent, _) = cluster.take({ if case .askBeginTransaction = $0 { true } else { nil } }) {
            cluster.answer(sent, AnswerBeginTransaction(ttid: TID(105)))
        }
        #expect(cluster.results[begin] != nil)
        let store = cluster.call { core, operation, context in
            core.store(
                operation,
                id,
                oid,
                base: TID(base),
                record: data,
                stored: ClientCore.prepare(data, .off),
                &context
            )
        }
        #expect(cluster.results[store] != nil, "a store waits for no answer")
        cluster.connectAll()
        let stores = cluster.takeAll(askStore).map(\.sent)
        #expect(stores.count == 2)
        return (cluster, id, stores)
    }

    /// The program resolves a conflict.
    @discardableResult
    mutating func resolve(_ id: TransactionID, _ oid: OID, _ data: ByteBuffer) -> OperationID {
        call { core, operation, context in
            core.resolve(operation, id, oid, record: data, stored: ClientCore.prepare(data, .off), &context)
        }
    }
}
