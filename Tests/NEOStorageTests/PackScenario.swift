import MessagePack
import NEODatabase
import NEOEngine
import NEOProtocol
import NIOCore
import Testing

@testable import NEOStorage

/// ``StorageScenario`` with a history to pack: objects 4 and 8, in partition 0, at 1004, 1014 and 1024 (hexadecimal).
struct PackScenario {
    var base: StorageScenario
    private let isManual: Bool
    private var ptid = 1
    private var timestamp = 900.0

    init(
        writer: StorageHost.Writer = .immediate,
        disablesPack: Bool = false,
        disablesDropPartitions: Bool = false
    ) throws {
        isManual = writer == .manual
        let database = try MemoryDatabase.open(MemoryDisk(), OpenOptions(clusterName: "differential"))
        base = try StorageScenario(database, writer) { configuration in
            configuration.disablesPack = disablesPack
            configuration.disablesDropPartitions = disablesDropPartitions
        }
    }

    static func order(_ id: UInt64, through tid: UInt64, oids: [UInt64]? = nil) -> PackOrder {
        PackOrder(
            id: TID(id),
            approved: true,
            isPartial: oids != nil,
            oids: oids.map { OIDList($0.map { OID($0) }) },
            tid: TID(tid)
        )
    }

    /// The orders as they come from a storage of the reference: all OIDs of a list in one string of bytes.
    static func asReferencesGiveThem(_ orders: [PackOrder]) throws -> [PackOrder] {
        let items = orders.map { order in
            let oids = order.oids.map { list in ByteBuffer(bytes: list.oids.flatMap { bytes(of: $0.rawValue) }) }
            return MessagePackValue.array([
                .binary(ByteBuffer(bytes: bytes(of: order.id.rawValue))), order.approved.map { .bool($0) } ?? .nil,
                .bool(order.isPartial), oids.map { .binary($0) } ?? .nil,
                .binary(ByteBuffer(bytes: bytes(of: order.tid.rawValue))),
            ])
        }
        var writer = MessagePackWriter()
        writer.write(
            .array([.integer(0), .integer(Int64(PacketCode.answerPackOrders.rawValue)), .array([.array(items)])])
        )
        guard case .answerPackOrders(let answer) = try Frame(decoding: writer.buffer).packet else { return [] }
        return answer.orders
    }

    private static func bytes(of id: UInt64) -> [UInt8] { withUnsafeBytes(of: id.bigEndian, Array.init) }

    mutating func commitHistory() throws {
        var serials: [UInt64: UInt64] = [:]
        for ttid in [0x1000, 0x1010, 0x1020] as [UInt64] {
            for oid in [4, 8] as [UInt64] {
                try base.store(oid, on: serials[oid] ?? 0, ttid, text: "\(ttid)", by: base.a)
            }
            try base.vote(ttid, [4, 8], by: base.a)
            try base.host.completeJobs()
            try base.lock(ttid, at: ttid + 4)
            try base.host.completeJobs()
            try base.unlock(ttid)
            try base.host.completeJobs()
            serials = [4: ttid + 4, 8: ttid + 4]
        }
        _ = packets()
        _ = base.host.take(base.a)
    }

    mutating func change(_ partition: PartitionID, to state: CellState) throws {
        ptid += 1
        let cell = CellChange(partition: partition, nid: StorageScenario.own, state: state)
        try base.tell(.notifyPartitionChanges(NotifyPartitionChanges(ptid: ptid, replicas: 0, cells: [cell])))
    }

    /// All the cells here are readable, without replication.
    mutating func becomeUpToDate() throws {
        try change(2, to: .upToDate)
        if isManual { try base.host.completeJobs() }
    }

    mutating func sign(_ ids: UInt64...) throws {
        try base.tell(.notifyPackSigned(NotifyPackSigned(approved: ids.map { TID($0) }, rejected: [])))
    }

    /// Answers the question about orders that is open.
    mutating func answer(_ orders: [PackOrder], completing: Bool = true) throws {
        let question = base.host.lastQuestion(base.master)
        try base.host.send(Frame(id: try #require(question), AnswerPackOrders(orders: orders).packet), on: base.master)
        if completing, isManual { try base.host.completeJobs() }
    }

    mutating func packets() -> [Packet] { base.host.packets(base.master) }

    /// A client, after operation began again.
    mutating func connectAgain() throws -> ConnectionID {
        let nid = NID(.client, 7)
        timestamp += 1
        let node = NodeRecord(type: .client, address: nil, nid: nid, state: .running, idTimestamp: 7)
        try base.tell(.notifyNodeInformation(NotifyNodeInformation(timestamp: timestamp, nodes: [node])))
        return try base.connect(nid, 7)
    }

    func revisions(_ oid: UInt64) throws -> [UInt64] {
        let reader = try base.host.database.makeReader()
        return try reader.history(of: OID(oid), in: Int(oid % 4), skip: 0, limit: 99).map(\.tid.rawValue).sorted()
    }

    /// What each own cell completed.
    func packed() throws -> [PartitionID: UInt64] {
        let cells = try base.host.database.makeReader().cells().filter { $0.nid == StorageScenario.own }
        return Dictionary(uniqueKeysWithValues: cells.map { ($0.partition, $0.packed?.rawValue ?? .max) })
    }
}
