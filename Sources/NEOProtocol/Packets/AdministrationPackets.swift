import MessagePack

// Administration (`spec/protocol.md §13`).

/// neoctl asks for rows of the partition table.
public struct AskPartitionList: RequestPayload {
    public typealias Answer = AnswerPartitionList

    public static var code: PacketCode { .askPartitionList }

    public var min: Int
    /// 0: all.
    public var max: Int
    /// Not used.
    public var nid: NID?

    public init(min: Int, max: Int, nid: NID?) {
        self.min = min
        self.max = max
        self.nid = nid
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(3)
        min = try .init(from: &reader)
        max = try .init(from: &reader)
        nid = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(3)
        min.encode(into: &writer)
        max.encode(into: &writer)
        nid.encode(into: &writer)
    }

    public var packet: Packet { .askPartitionList(self) }
}

/// The answer to ``AskPartitionList``.
public struct AnswerPartitionList: AnswerPayload {
    public static var code: PacketCode { .answerPartitionList }

    public var ptid: Int?
    public var replicas: Int
    public var rows: [[CellRecord]]

    public init(ptid: Int?, replicas: Int, rows: [[CellRecord]]) {
        self.ptid = ptid
        self.replicas = replicas
        self.rows = rows
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(3)
        ptid = try .init(from: &reader)
        replicas = try .init(from: &reader)
        rows = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(3)
        ptid.encode(into: &writer)
        replicas.encode(into: &writer)
        rows.encode(into: &writer)
    }

    public var packet: Packet { .answerPartitionList(self) }
}

/// neoctl asks for the nodes.
public struct AskNodeList: RequestPayload {
    public typealias Answer = AnswerNodeList

    public static var code: PacketCode { .askNodeList }

    /// Nil: all.
    public var type: NodeType?

    public init(type: NodeType?) {
        self.type = type
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(1)
        type = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(1)
        type.encode(into: &writer)
    }

    public var packet: Packet { .askNodeList(self) }
}

/// The answer to ``AskNodeList``.
public struct AnswerNodeList: AnswerPayload {
    public static var code: PacketCode { .answerNodeList }

    public var nodes: [NodeRecord]

    public init(nodes: [NodeRecord]) {
        self.nodes = nodes
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(1)
        nodes = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(1)
        nodes.encode(into: &writer)
    }

    public var packet: Packet { .answerNodeList(self) }
}

/// Kill or drop a node.
public struct SetNodeState: RequestPayload {
    public typealias Answer = ErrorPacket

    public static var code: PacketCode { .setNodeState }

    public var nid: NID
    public var state: NodeState

    public init(nid: NID, state: NodeState) {
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

    public var packet: Packet { .setNodeState(self) }
}

/// Add pending storages to the cluster.
public struct AddPendingNodes: RequestPayload {
    public typealias Answer = ErrorPacket

    public static var code: PacketCode { .addPendingNodes }

    public var nids: [NID]

    public init(nids: [NID]) {
        self.nids = nids
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(1)
        nids = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(1)
        nids.encode(into: &writer)
    }

    public var packet: Packet { .addPendingNodes(self) }
}

/// Balance the partition table.
public struct TweakPartitionTable: RequestPayload {
    public typealias Answer = AnswerTweakPartitionTable

    public static var code: PacketCode { .tweakPartitionTable }

    public var dryRun: Bool
    public var excluded: [NID]

    public init(dryRun: Bool, excluded: [NID]) {
        self.dryRun = dryRun
        self.excluded = excluded
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(2)
        dryRun = try .init(from: &reader)
        excluded = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(2)
        dryRun.encode(into: &writer)
        excluded.encode(into: &writer)
    }

    public var packet: Packet { .tweakPartitionTable(self) }
}

/// The answer to ``TweakPartitionTable``.
public struct AnswerTweakPartitionTable: AnswerPayload {
    public static var code: PacketCode { .answerTweakPartitionTable }

    public var changed: Bool
    public var rows: [[CellRecord]]

    public init(changed: Bool, rows: [[CellRecord]]) {
        self.changed = changed
        self.rows = rows
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(2)
        changed = try .init(from: &reader)
        rows = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(2)
        changed.encode(into: &writer)
        rows.encode(into: &writer)
    }

    public var packet: Packet { .answerTweakPartitionTable(self) }
}

/// Set the number of replicas.
public struct SetNumReplicas: RequestPayload {
    public typealias Answer = ErrorPacket

    public static var code: PacketCode { .setNumReplicas }

    public var replicas: Int

    public init(replicas: Int) {
        self.replicas = replicas
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(1)
        replicas = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(1)
        replicas.encode(into: &writer)
    }

    public var packet: Packet { .setNumReplicas(self) }
}

/// Start, stop, or change the backup mode.
public struct SetClusterState: RequestPayload {
    public typealias Answer = ErrorPacket

    public static var code: PacketCode { .setClusterState }

    public var state: ClusterState

    public init(state: ClusterState) {
        self.state = state
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(1)
        state = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(1)
        state.encode(into: &writer)
    }

    public var packet: Packet { .setClusterState(self) }
}

/// Repair the databases of storages.
public struct Repair: RequestPayload {
    public typealias Answer = ErrorPacket

    public static var code: PacketCode { .repair }

    public var nids: [NID]
    public var dryRun: Bool

    public init(nids: [NID], dryRun: Bool) {
        self.nids = nids
        self.dryRun = dryRun
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(2)
        nids = try .init(from: &reader)
        dryRun = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(2)
        nids.encode(into: &writer)
        dryRun.encode(into: &writer)
    }

    public var packet: Packet { .repair(self) }
}

/// Repair your database.
public struct NotifyRepair: NotificationPayload {
    public static var code: PacketCode { .notifyRepair }

    public var dryRun: Bool

    public init(dryRun: Bool) {
        self.dryRun = dryRun
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(1)
        dryRun = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(1)
        dryRun.encode(into: &writer)
    }

    public var packet: Packet { .notifyRepair(self) }
}

/// The state of the cluster changed.
public struct NotifyClusterInformation: NotificationPayload {
    public static var code: PacketCode { .notifyClusterInformation }

    public var state: ClusterState

    public init(state: ClusterState) {
        self.state = state
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(1)
        state = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(1)
        state.encode(into: &writer)
    }

    public var packet: Packet { .notifyClusterInformation(self) }
}

/// The state of the cluster.
public struct AskClusterState: RequestPayload {
    public typealias Answer = AnswerClusterState

    public static var code: PacketCode { .askClusterState }

    public init() {}

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(0)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(0)
    }

    public var packet: Packet { .askClusterState(self) }
}

/// The answer to ``AskClusterState``.
public struct AnswerClusterState: AnswerPayload {
    public static var code: PacketCode { .answerClusterState }

    public var state: ClusterState?

    public init(state: ClusterState?) {
        self.state = state
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(1)
        state = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(1)
        state.encode(into: &writer)
    }

    public var packet: Packet { .answerClusterState(self) }
}

/// Forget all transactions after `tid`. From a master to a storage it is never answered.
public struct Truncate: RequestPayload {
    public typealias Answer = ErrorPacket

    public static var code: PacketCode { .truncate }

    public var tid: TID

    public init(tid: TID) {
        self.tid = tid
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(1)
        tid = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(1)
        tid.encode(into: &writer)
    }

    public var packet: Packet { .truncate(self) }
}
