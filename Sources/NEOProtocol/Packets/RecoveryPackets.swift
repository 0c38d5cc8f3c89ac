import MessagePack
import OrderedCollections

// Recovery, verification, start and stop of a storage (`spec/protocol.md §13`).

/// What a storage, or a cluster, knows of its state.
public struct AskRecovery: RequestPayload {
    public typealias Answer = AnswerRecovery

    public static var code: PacketCode { .askRecovery }

    public init() {}

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(0)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(0)
    }

    public var packet: Packet { .askRecovery(self) }
}

/// The answer to ``AskRecovery``.
public struct AnswerRecovery: AnswerPayload {
    public static var code: PacketCode { .answerRecovery }

    /// Nil: empty database.
    public var ptid: Int?
    /// Nil: not in backup mode.
    public var backupTID: TID?
    /// A truncation that was ordered and is not done.
    public var truncateTID: TID?

    public init(ptid: Int?, backupTID: TID?, truncateTID: TID?) {
        self.ptid = ptid
        self.backupTID = backupTID
        self.truncateTID = truncateTID
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(3)
        ptid = try .init(from: &reader)
        backupTID = try .init(from: &reader)
        truncateTID = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(3)
        ptid.encode(into: &writer)
        backupTID.encode(into: &writer)
        truncateTID.encode(into: &writer)
    }

    public var packet: Packet { .answerRecovery(self) }
}

/// The greatest ids in use.
public struct AskLastIDs: RequestPayload {
    public typealias Answer = AnswerLastIDs

    public static var code: PacketCode { .askLastIDs }

    public init() {}

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(0)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(0)
    }

    public var packet: Packet { .askLastIDs(self) }
}

/// The answer to ``AskLastIDs``.
public struct AnswerLastIDs: AnswerPayload {
    public static var code: PacketCode { .answerLastIDs }

    public var lastTID: TID?
    public var lastOID: OID?
    /// `TID.max` if there is no transaction.
    public var firstTID: TID

    public init(lastTID: TID?, lastOID: OID?, firstTID: TID) {
        self.lastTID = lastTID
        self.lastOID = lastOID
        self.firstTID = firstTID
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(3)
        lastTID = try .init(from: &reader)
        lastOID = try .init(from: &reader)
        firstTID = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(3)
        lastTID.encode(into: &writer)
        lastOID.encode(into: &writer)
        firstTID.encode(into: &writer)
    }

    public var packet: Packet { .answerLastIDs(self) }
}

/// The partition table that a storage has on disk.
public struct AskPartitionTable: RequestPayload {
    public typealias Answer = AnswerPartitionTable

    public static var code: PacketCode { .askPartitionTable }

    public init() {}

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(0)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(0)
    }

    public var packet: Packet { .askPartitionTable(self) }
}

/// The answer to ``AskPartitionTable``.
public struct AnswerPartitionTable: AnswerPayload {
    public static var code: PacketCode { .answerPartitionTable }

    public var ptid: Int?
    public var replicas: Int
    /// One row a partition.
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

    public var packet: Packet { .answerPartitionTable(self) }
}

/// The whole partition table: replaces everything.
public struct SendPartitionTable: NotificationPayload {
    public static var code: PacketCode { .sendPartitionTable }

    /// Nil: there is no table yet.
    public var ptid: Int?
    public var replicas: Int
    /// One row a partition.
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

    public var packet: Packet { .sendPartitionTable(self) }
}

/// A change of the partition table.
public struct NotifyPartitionChanges: NotificationPayload {
    public static var code: PacketCode { .notifyPartitionChanges }

    /// The previous one + 1.
    public var ptid: Int
    public var replicas: Int
    public var cells: [CellChange]

    public init(ptid: Int, replicas: Int, cells: [CellChange]) {
        self.ptid = ptid
        self.replicas = replicas
        self.cells = cells
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(3)
        ptid = try .init(from: &reader)
        replicas = try .init(from: &reader)
        cells = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(3)
        ptid.encode(into: &writer)
        replicas.encode(into: &writer)
        cells.encode(into: &writer)
    }

    public var packet: Packet { .notifyPartitionChanges(self) }
}

/// The storage becomes operational.
public struct StartOperation: NotificationPayload {
    public static var code: PacketCode { .startOperation }

    /// The cluster is in backup mode.
    public var backup: Bool

    public init(backup: Bool) {
        self.backup = backup
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(1)
        backup = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(1)
        backup.encode(into: &writer)
    }

    public var packet: Packet { .startOperation(self) }
}

/// The cluster is not operational any more.
public struct StopOperation: NotificationPayload {
    public static var code: PacketCode { .stopOperation }

    public init() {}

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(0)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(0)
    }

    public var packet: Packet { .stopOperation(self) }
}

/// A storage starts to replicate partitions.
public struct AskUnfinishedTransactions: RequestPayload {
    public typealias Answer = AnswerUnfinishedTransactions

    public static var code: PacketCode { .askUnfinishedTransactions }

    /// To be replicated.
    public var partitions: [PartitionID]

    public init(partitions: [PartitionID]) {
        self.partitions = partitions
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(1)
        partitions = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(1)
        partitions.encode(into: &writer)
    }

    public var packet: Packet { .askUnfinishedTransactions(self) }
}

/// The answer to ``AskUnfinishedTransactions``.
public struct AnswerUnfinishedTransactions: AnswerPayload {
    public static var code: PacketCode { .answerUnfinishedTransactions }

    /// Replicate up to there.
    public var lastTID: TID
    /// And wait for these.
    public var ttids: [TTID]

    public init(lastTID: TID, ttids: [TTID]) {
        self.lastTID = lastTID
        self.ttids = ttids
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(2)
        lastTID = try .init(from: &reader)
        ttids = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(2)
        lastTID.encode(into: &writer)
        ttids.encode(into: &writer)
    }

    public var packet: Packet { .answerUnfinishedTransactions(self) }
}

/// The unfinished transactions that a storage has on disk.
public struct AskLockedTransactions: RequestPayload {
    public typealias Answer = AnswerLockedTransactions

    public static var code: PacketCode { .askLockedTransactions }

    public init() {}

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(0)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(0)
    }

    public var packet: Packet { .askLockedTransactions(self) }
}

/// The answer to ``AskLockedTransactions``.
public struct AnswerLockedTransactions: AnswerPayload {
    public static var code: PacketCode { .answerLockedTransactions }

    /// Final TID if locked, nil if only voted.
    public var transactions: OrderedDictionary<TTID, TID?>

    public init(transactions: OrderedDictionary<TTID, TID?>) {
        self.transactions = transactions
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(1)
        transactions = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(1)
        transactions.encode(into: &writer)
    }

    public var packet: Packet { .answerLockedTransactions(self) }
}

/// What became of a transaction.
public struct AskFinalTID: RequestPayload {
    public typealias Answer = AnswerFinalTID

    public static var code: PacketCode { .askFinalTID }

    public var ttid: TTID

    public init(ttid: TTID) {
        self.ttid = ttid
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(1)
        ttid = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(1)
        ttid.encode(into: &writer)
    }

    public var packet: Packet { .askFinalTID(self) }
}

/// The answer to ``AskFinalTID``.
public struct AnswerFinalTID: AnswerPayload {
    public static var code: PacketCode { .answerFinalTID }

    /// Nil: not finished. From a master, `TID.max`: ask a storage.
    public var tid: TID?

    public init(tid: TID?) {
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

    public var packet: Packet { .answerFinalTID(self) }
}

/// Finish this voted transaction with this final TID.
public struct ValidateTransaction: NotificationPayload {
    public static var code: PacketCode { .validateTransaction }

    public var ttid: TTID
    public var tid: TID

    public init(ttid: TTID, tid: TID) {
        self.ttid = ttid
        self.tid = tid
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        try reader.expectArray(2)
        ttid = try .init(from: &reader)
        tid = try .init(from: &reader)
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(2)
        ttid.encode(into: &writer)
        tid.encode(into: &writer)
    }

    public var packet: Packet { .validateTransaction(self) }
}
