import NEOProtocol
import NIOCore

/// One revision of an object, as storages keep it.
public struct StoredRevision: Sendable {
    public var oid: OID
    public var tid: TID
    /// As it travels; nil: the object was deleted, or its creation undone.
    public var stored: StoredData?
    /// For an undo, the revision with the same data: informative, it may have been packed.
    public var dataTID: TID?

    init(_ answer: AnswerObject) {
        oid = answer.oid
        tid = answer.serial
        stored = answer.isDeletion ? nil : answer.storedData
        dataTID = answer.dataTID
    }

    /// The record as the program stored it; nil if there is none.
    /// - Parameter ignoresDamage: gives an empty record for one that cannot be decompressed.
    public func record(ignoresDamage: Bool = false) throws(ClientError) -> ByteBuffer? {
        guard let stored else { return nil }
        do throws(CompressionError) {
            return try stored.record()
        } catch {
            if ignoresDamage { return ByteBuffer() }
            let message = "cannot decompress \(oid) at \(tid): \(error)"
            throw ClientError(.wrongChecksum, message, oid: oid, serial: tid)
        }
    }
}
