import NEOProtocol
import NIOCore

/// Metadata that a client gives with its vote (`spec/storage.md §9.7`).
public struct TransactionMetadata: Hashable, Sendable {
    public var user: ByteBuffer
    public var description: ByteBuffer
    public var extensionData: ByteBuffer
    /// In the order given by the client.
    public var oids: [OID]
    /// A pack order that the transaction carries.
    public var pack: PackRequest?

    public init(
        user: ByteBuffer,
        description: ByteBuffer,
        extensionData: ByteBuffer,
        oids: [OID],
        pack: PackRequest? = nil
    ) {
        self.user = user
        self.description = description
        self.extensionData = extensionData
        self.oids = oids
        self.pack = pack
    }
}

/// A committed transaction.
public struct TransactionRecord: Hashable, Sendable {
    public var tid: TID
    public var ttid: TTID
    public var user: ByteBuffer
    public var description: ByteBuffer
    public var extensionData: ByteBuffer
    public var packed: Bool
    public var oids: [OID]
    public var pack: ReplicatedPack?

    public init(
        tid: TID,
        ttid: TTID,
        user: ByteBuffer,
        description: ByteBuffer,
        extensionData: ByteBuffer,
        packed: Bool,
        oids: [OID],
        pack: ReplicatedPack?
    ) {
        self.tid = tid
        self.ttid = ttid
        self.user = user
        self.description = description
        self.extensionData = extensionData
        self.packed = packed
        self.oids = oids
        self.pack = pack
    }
}

/// A transaction that is voted and not unlocked.
public struct UnfinishedTransaction: Hashable, Sendable {
    public var ttid: TTID
    /// The final TID, if it is locked and its metadata are here.
    public var tid: TID?

    public init(ttid: TTID, tid: TID?) {
        self.ttid = ttid
        self.tid = tid
    }
}

/// A record that was fetched from another storage.
public struct ReplicatedObject: Hashable, Sendable {
    public var oid: OID
    public var tid: TID
    /// Nil: a deletion.
    public var data: StoredData?
    public var dataTID: TID?

    public init(oid: OID, tid: TID, data: StoredData?, dataTID: TID?) {
        self.oid = oid
        self.tid = tid
        self.data = data
        self.dataTID = dataTID
    }
}

/// Digest of a range of transactions.
public struct TransactionDigest: Hashable, Sendable {
    public var count: Int
    public var checksum: Checksum
    public var lastTID: TID
}

/// Digest of a range of object records.
public struct ObjectDigest: Hashable, Sendable {
    public var count: Int
    public var tidChecksum: Checksum
    public var lastTID: TID
    public var oidChecksum: Checksum
    public var lastOID: OID
}
