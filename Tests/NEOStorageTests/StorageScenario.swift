import NEODatabase
import NEOEngine
import NEOProtocol
import NIOCore
import OrderedCollections
import Testing

@testable import NEOStorage

/// A storage in operation, S1, with a master and two clients:
///
///     partition 0, 1   up to date here
///     partition 2      out of date here
///     partition 3      not here
struct StorageScenario {
    static let clientA = NID(.client, 1)
    static let clientB = NID(.client, 2)
    static let own = NID(.storage, 1)
    static let other = NID(.storage, 2)

    var host: StorageHost
    let master: ConnectionID
    var a: ConnectionID
    var b: ConnectionID
    var timestamp = 100.0

    init(_ writer: StorageHost.Writer = .manual, limits: StorageLimits = StorageLimits()) throws {
        let database = try MemoryDatabase.open(MemoryDisk(), OpenOptions(clusterName: "differential"))
        try self.init(database, writer, limits: limits)
    }

    /// - Parameter interrupted: what the storage tells that it locked before, and the verification commits.
    init(
        _ database: any StorageDatabase,
        _ writer: StorageHost.Writer = .manual,
        limits: StorageLimits = StorageLimits(),
        reservedBytes: UInt64 = 0,
        interrupted: [TTID: TID] = [:],
        configure: (inout StorageConfiguration) -> Void = { _ in }
    ) throws {
        host = try StorageHost(
            database,
            writer: writer,
            limits: limits,
            reservedBytes: reservedBytes,
            configure: configure
        )
        master = try #require(host.masterID)
        a = master
        b = master
        try verify()
        try validate(interrupted)
        try tell(.startOperation(StartOperation(backup: false)))
        try host.completeJobs()
        try announce([(Self.clientA, .running, 1), (Self.clientB, .running, 2)])
        a = try connect(Self.clientA, 1)
        b = try connect(Self.clientB, 2)
        for connection in [master, a, b] { _ = host.take(connection) }
    }

    /// The master's part up to StartOperation.
    private mutating func verify() throws {
        let accept = AcceptIdentification(type: .master, nid: NID(.master, 1), yourNID: Self.own)
        try host.send(Frame(id: 0, accept.packet), on: master)
        try host.completeJobs()
        let storage = NodeRecord(
            type: .storage,
            address: StorageHost.address,
            nid: Self.own,
            state: .running,
            idTimestamp: 1
        )
        try tell(.notifyNodeInformation(NotifyNodeInformation(timestamp: 1, nodes: [storage])))
        let up = CellRecord(nid: Self.own, state: .upToDate)
        let elsewhere = CellRecord(nid: Self.other, state: .upToDate)
        let rows = [[up], [up], [CellRecord(nid: Self.own, state: .outOfDate), elsewhere], [elsewhere]]
        try tell(.sendPartitionTable(SendPartitionTable(ptid: 1, replicas: 0, rows: rows)))
        try host.completeJobs()
    }

    private mutating func validate(_ interrupted: [TTID: TID]) throws {
        _ = host.take(master)
        try tell(.askLockedTransactions(AskLockedTransactions()))
        guard case .answerLockedTransactions(let answer)? = host.packets(master).first else { return }
        #expect(answer.transactions.count == interrupted.count)
        for (ttid, tid) in interrupted {
            #expect(answer.transactions[ttid] == tid)
            try tell(.validateTransaction(ValidateTransaction(ttid: ttid, tid: tid)))
        }
        try host.completeJobs()
    }

    @discardableResult
    mutating func tell(_ packet: Packet) throws -> UInt32 { try host.send(packet, on: master) }

    mutating func announce(_ clients: [(NID, NodeState, Double)]) throws {
        timestamp += 1
        let nodes = clients.map {
            NodeRecord(type: .client, address: nil, nid: $0.0, state: $0.1, idTimestamp: $0.2)
        }
        try tell(.notifyNodeInformation(NotifyNodeInformation(timestamp: timestamp, nodes: nodes)))
    }

    mutating func connect(_ nid: NID, _ timestamp: Double) throws -> ConnectionID {
        let connection = try host.accept()
        let request = RequestIdentification(
            type: .client,
            nid: nid,
            address: nil,
            cluster: "differential",
            idTimestamp: timestamp,
            extra: Properties()
        )
        try host.send(request.packet, on: connection)
        return connection
    }

    // MARK: Requests

    mutating func store(
        _ oid: UInt64,
        on serial: UInt64 = 0,
        _ ttid: UInt64,
        text: String = "x",
        by client: ConnectionID
    ) throws {
        let data = ByteBuffer(string: text)
        let packet = AskStoreObject(
            oid: OID(oid),
            serial: TID(serial),
            compression: 0,
            checksum: Checksum(of: data),
            data: data,
            dataTID: nil,
            ttid: TID(ttid)
        )
        try host.send(packet.packet, on: client)
    }

    mutating func vote(
        _ ttid: UInt64,
        _ oids: [UInt64],
        pack: PackRequest? = nil,
        by client: ConnectionID
    ) throws {
        let packet = AskStoreTransaction(
            ttid: TID(ttid),
            user: ByteBuffer(),
            description: ByteBuffer(),
            extensionData: ByteBuffer(),
            oids: oids.map { OID($0) },
            pack: pack
        )
        try host.send(packet.packet, on: client)
    }

    mutating func lock(_ ttid: UInt64, at tid: UInt64) throws {
        try tell(.askLockInformation(AskLockInformation(ttid: TID(ttid), tid: TID(tid), pack: false)))
    }

    mutating func unlock(_ ttid: UInt64) throws {
        try tell(.notifyUnlockInformation(NotifyUnlockInformation(ttid: TID(ttid))))
    }

    /// A whole transaction of one object.
    mutating func commit(
        _ oid: UInt64,
        on serial: UInt64 = 0,
        _ ttid: UInt64,
        at tid: UInt64,
        text: String = "x",
        by client: ConnectionID
    ) throws {
        try store(oid, on: serial, ttid, text: text, by: client)
        try vote(ttid, [oid], by: client)
        try host.completeJobs()
        try lock(ttid, at: tid)
        try host.completeJobs()
        try unlock(ttid)
        try host.completeJobs()
        for connection in [master, client] { _ = host.take(connection) }
    }

    mutating func load(_ oid: UInt64, before: UInt64? = nil, by client: ConnectionID) throws {
        try host.send(.askObject(AskObject(oid: OID(oid), at: nil, before: before.map { TID($0) })), on: client)
    }
}

/// What matters of packets, as text.
func brief(_ packets: [Packet]) -> [String] {
    packets.map { packet in
        switch packet {
        case .error(let error): "Error \(error.code.name)"
        case .answerStoreObject(let answer): "stored \(answer.conflict.map { String($0.rawValue, radix: 16) } ?? "nil")"
        case .answerObject(let answer):
            "object \(String(answer.serial.rawValue, radix: 16))"
                + " next \(answer.nextSerial.map { String($0.rawValue, radix: 16) } ?? "nil")"
        default: packet.code.name
        }
    }
}
