import NEOEngine
import NEOProtocol
import NIOCore
import OrderedCollections

/// How an operation of ``ClientCore`` ended.
public enum OperationResult: Sendable {
    case failed(ClientError)
    /// Nothing to give back.
    case done
    /// A load; nil: the object exists and has no revision before the one asked.
    case record(Record?)
    case lastTransaction(TID)
    case newOID(OID)
    case began(TTID)
    /// The data are on their way; conflicts found so far are to be resolved.
    case stored([Conflict])
    /// The vote waits for these conflicts to be resolved: resolve, ``ClientCore/resolve``, and vote again.
    case conflicts([Conflict])
    /// The transaction is ready to be finished: the objects whose conflicts were resolved, and the last revision that
    /// each was resolved against.
    case voted([ResolvedConflict])
    case finished(TID)
    /// Of each question of ``ClientCore/read(_:_:seeing:_:)``.
    case answers([Result<Packet, ClientError>])
    case packOrders([PackOrder])
    case lastOID(OID?)
}

/// A change that another transaction overtook; nothing but the program can merge both (`spec/client.md §11.6`).
public struct Conflict: Hashable, Sendable {
    public var oid: OID
    /// The current revision.
    public var serial: TID
    /// The revision that the change started from.
    public var base: TID
    /// The change.
    public var data: ByteBuffer

    public init(oid: OID, serial: TID, base: TID, data: ByteBuffer) {
        self.oid = oid
        self.serial = serial
        self.base = base
        self.data = data
    }
}

public struct ResolvedConflict: Hashable, Sendable {
    public var oid: OID
    public var serial: TID

    public init(oid: OID, serial: TID) {
        self.oid = oid
        self.serial = serial
    }
}

/// What the program must be told, in order, before it sees the transactions it is about (`spec/client.md §3.9`).
public enum ClientDelivery: Hashable, Sendable {
    /// Another client changed these objects.
    case invalidate(TID, [OID])
    /// Transactions up to this one may have been missed: nothing that the program keeps is known to be current.
    case invalidateAll(TID)
    /// The transaction of this ``ClientCore/finish(_:_:_:)`` is committed.
    case finished(OperationID, TID)
}
