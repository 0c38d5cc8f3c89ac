import NEOProtocol
import NIOCore

/// The metadata of a committed transaction.
public struct TransactionInformation: Hashable, Sendable {
    public var tid: TID
    public var user: ByteBuffer
    public var description: ByteBuffer
    public var extensionData: ByteBuffer
    /// Whether an import said so; a pack does not change it (`spec/storage.md §15`).
    public var isPacked: Bool
    /// What it stored, deleted, or only checked, in the order of its writes.
    public var oids: [OID]

    init(_ answer: AnswerTransactionInformation) {
        tid = answer.tid
        user = answer.user
        description = answer.description
        extensionData = answer.extensionData
        isPacked = answer.packed
        oids = answer.oids
    }

    /// Bytes that it takes in memory, roughly.
    var byteCount: Int {
        128 + user.readableBytes + description.readableBytes + extensionData.readableBytes + 8 * oids.count
    }
}
