import MessagePack
import NIOCore

// Records inside packets (`spec/protocol.md §6.3, §13`).

/// What is known of a node (`spec/protocol.md §6.3`).
public struct NodeRecord: WireValue {
    public var type: NodeType
    /// Nil: clients, and storages that never gave one.
    public var address: NodeAddress?
    /// Nil: masters known only by address.
    public var nid: NID?
    public var state: NodeState
    /// Identifies an incarnation of the node, compared by its bits.
    public var idTimestamp: Double?

    public init(type: NodeType, address: NodeAddress?, nid: NID?, state: NodeState, idTimestamp: Double?) {
        self.type = type
        self.address = address
        self.nid = nid
        self.state = state
        self.idTimestamp = idTimestamp
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(5)
        type = try .init(from: &reader)
        address = try .init(from: &reader)
        nid = try .init(from: &reader)
        state = try .init(from: &reader)
        idTimestamp = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(5)
        type.encode(into: &writer)
        address.encode(into: &writer)
        nid.encode(into: &writer)
        state.encode(into: &writer)
        idTimestamp.encode(into: &writer)
    }
}

/// A cell in a row of the partition table.
public struct CellRecord: WireValue {
    public var nid: NID
    public var state: CellState

    public init(nid: NID, state: CellState) {
        self.nid = nid
        self.state = state
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(2)
        nid = try .init(from: &reader)
        state = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(2)
        nid.encode(into: &writer)
        state.encode(into: &writer)
    }
}

/// A cell that changes.
public struct CellChange: WireValue {
    public var partition: PartitionID
    public var nid: NID
    /// ``CellState/discarded`` removes the cell.
    public var state: CellState

    public init(partition: PartitionID, nid: NID, state: CellState) {
        self.partition = partition
        self.nid = nid
        self.state = state
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(3)
        partition = try .init(from: &reader)
        nid = try .init(from: &reader)
        state = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(3)
        partition.encode(into: &writer)
        nid.encode(into: &writer)
        state.encode(into: &writer)
    }
}

/// A pack order attached to a transaction.
public struct PackRequest: WireValue {
    /// Nil: the whole database.
    public var oids: OIDList?
    /// History before it is dropped.
    public var tid: TID

    public init(oids: OIDList?, tid: TID) {
        self.oids = oids
        self.tid = tid
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(2)
        oids = try .init(from: &reader)
        tid = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(2)
        oids.encode(into: &writer)
        tid.encode(into: &writer)
    }
}

/// A pack order that comes with a fetched transaction.
public struct ReplicatedPack: WireValue {
    /// Nil: not signed yet.
    public var approved: Bool?
    public var isPartial: Bool
    /// Nil: the whole database.
    public var oids: OIDList?
    /// History before it is dropped.
    public var tid: TID

    public init(approved: Bool?, isPartial: Bool, oids: OIDList?, tid: TID) {
        self.approved = approved
        self.isPartial = isPartial
        self.oids = oids
        self.tid = tid
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(4)
        approved = try .init(from: &reader)
        isPartial = try .init(from: &reader)
        oids = try .init(from: &reader)
        tid = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(4)
        approved.encode(into: &writer)
        isPartial.encode(into: &writer)
        oids.encode(into: &writer)
        tid.encode(into: &writer)
    }
}

/// A pack order (`spec/protocol.md §13`, packs).
public struct PackOrder: WireValue {
    /// The transaction that carries it.
    public var id: TID
    /// Nil: not signed yet.
    public var approved: Bool?
    public var isPartial: Bool
    /// Nil: the whole database.
    public var oids: OIDList?
    /// History before it is dropped.
    public var tid: TID

    public init(id: TID, approved: Bool?, isPartial: Bool, oids: OIDList?, tid: TID) {
        self.id = id
        self.approved = approved
        self.isPartial = isPartial
        self.oids = oids
        self.tid = tid
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(5)
        id = try .init(from: &reader)
        approved = try .init(from: &reader)
        isPartial = try .init(from: &reader)
        oids = try .init(from: &reader)
        tid = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(5)
        id.encode(into: &writer)
        approved.encode(into: &writer)
        isPartial.encode(into: &writer)
        oids.encode(into: &writer)
        tid.encode(into: &writer)
    }
}

extension StoredData: WireValue {
    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(3)
        compression = try .init(from: &reader)
        checksum = try .init(from: &reader)
        data = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(3)
        compression.encode(into: &writer)
        checksum.encode(into: &writer)
        data.encode(into: &writer)
    }
}

/// The object changed while its lock was released.
public struct RelockConflict: WireValue {
    /// Base revision of the stored data.
    public var serial: TID
    /// The current revision.
    public var current: TID
    /// What was stored; nil: a check, an undo or a deletion.
    public var data: StoredData?

    public init(serial: TID, current: TID, data: StoredData?) {
        self.serial = serial
        self.current = current
        self.data = data
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(3)
        serial = try .init(from: &reader)
        current = try .init(from: &reader)
        data = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(3)
        serial.encode(into: &writer)
        current.encode(into: &writer)
        data.encode(into: &writer)
    }
}

/// A revision of an object.
public struct HistoryRecord: WireValue {
    public var tid: TID
    /// Bytes of the stored data, 0 if there is none.
    public var size: Int

    public init(tid: TID, size: Int) {
        self.tid = tid
        self.size = size
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(2)
        tid = try .init(from: &reader)
        size = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(2)
        tid.encode(into: &writer)
        size.encode(into: &writer)
    }
}

/// What to store in order to undo a revision of an object.
public struct UndoRecord: WireValue {
    /// Revision that the undoing transaction sees.
    public var current: TID
    /// Revision with the data to restore; nil: the object did not exist.
    public var undo: TID?
    /// The undone revision is still the current one.
    public var isCurrent: Bool

    public init(current: TID, undo: TID?, isCurrent: Bool) {
        self.current = current
        self.undo = undo
        self.isCurrent = isCurrent
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(3)
        current = try .init(from: &reader)
        undo = try .init(from: &reader)
        isCurrent = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(3)
        current.encode(into: &writer)
        undo.encode(into: &writer)
        isCurrent.encode(into: &writer)
    }
}

/// Where a partition is read from.
public struct ReplicationSource: WireValue {
    /// Empty: the own cluster.
    public var cluster: String
    /// Nil: none.
    public var address: NodeAddress?

    public init(cluster: String, address: NodeAddress?) {
        self.cluster = cluster
        self.address = address
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(2)
        cluster = try .init(from: &reader)
        address = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(2)
        cluster.encode(into: &writer)
        address.encode(into: &writer)
    }
}
