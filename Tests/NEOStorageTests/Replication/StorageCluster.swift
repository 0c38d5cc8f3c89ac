import NEODatabase
import NEOEngine
import NEOProtocol
import NIOCore
import OrderedCollections

@testable import NEOStorage

/// Real storages S1, S2, … that are connected to each other, and a master played by the test.
struct StorageCluster {
    /// The two ends of a connection.
    private struct Link {
        var from: Int
        var fromID: ConnectionID
        var to: Int
        var toID: ConnectionID
    }

    var hosts: [StorageHost] = []
    private var links: [Link] = []
    private(set) var ptid = 1
    private(set) var rows: [[CellRecord]]
    var timestamp = 1.0

    /// The last transaction, as the master knows it, and those in progress.
    var lastTID = TID.zero
    var unfinished: [TTID] = []
    /// The master answers AskUnfinishedTransactions and accepts cells at once.
    var isMasterQuick = true
    /// Storages to which nobody can connect.
    var unreachable: Set<Int> = []
    /// What storages sent to each other and to the master.
    private(set) var trace: [String] = []
    /// Requests of storages to the master that are not answered.
    private(set) var asked: [(storage: Int, request: UInt32, partitions: [PartitionID])] = []
    /// Frames between storages for which it holds are lost with what follows on their connection, which stalls.
    var isStalled: (Packet) -> Bool = { _ in false }

    static func nid(_ number: Int) -> NID { NID(.storage, Int32(number)) }

    /// - Parameter table: a letter for each storage and a word for each partition, as `spec/master.md §10.1`: `U.`, `UO`.
    init(
        _ databases: [any StorageDatabase],
        _ table: [String],
        replication: ReplicationOptions = ReplicationOptions(),
        reservedBytes: UInt64 = 0
    ) throws {
        rows = table.map { row in
            row.enumerated().compactMap { index, letter in
                let state: CellState? =
                    switch letter {
                    case "U": .upToDate
                    case "O": .outOfDate
                    case "F": .feeding
                    case "C": .corrupted
                    default: nil
                    }
                return state.map { CellRecord(nid: Self.nid(index + 1), state: $0) }
            }
        }
        for (index, database) in databases.enumerated() {
            let address = NodeAddress(host: "127.0.0.1", port: UInt16(2001 + index))
            hosts.append(
                try StorageHost(database, address: address, replication: replication, reservedBytes: reservedBytes)
            )
        }
    }

    // MARK: The master

    mutating func tell(_ packet: Packet, to storage: Int) throws {
        guard let id = hosts[storage - 1].masterID else { return }
        try hosts[storage - 1].send(packet, on: id)
    }

    mutating func tellAll(_ packet: Packet) throws {
        for storage in 1...hosts.count { try tell(packet, to: storage) }
    }

    /// Brings all the storages to operation.
    mutating func start() throws {
        try identifyAll()
        try run()
    }

    /// Has all the storages begin operation, and nothing go on yet.
    mutating func identifyAll() throws {
        for storage in 1...hosts.count { try identify(storage) }
        try announce()
        for storage in 1...hosts.count { try operate(storage) }
    }

    mutating func identify(_ storage: Int) throws {
        guard let id = hosts[storage - 1].masterID else { return }
        let accept = AcceptIdentification(type: .master, nid: NID(.master, 1), yourNID: Self.nid(storage))
        try hosts[storage - 1].send(Frame(id: 0, accept.packet), on: id)
    }

    mutating func operate(_ storage: Int) throws {
        try tell(.sendPartitionTable(SendPartitionTable(ptid: ptid, replicas: 1, rows: rows)), to: storage)
        try tell(.startOperation(StartOperation(backup: false)), to: storage)
    }

    /// Tells all the storages, RUNNING, to all.
    mutating func announce(down: Set<Int> = []) throws {
        timestamp += 1
        let nodes = hosts.enumerated().map { index, host in
            NodeRecord(
                type: .storage,
                address: host.address,
                nid: Self.nid(index + 1),
                state: down.contains(index + 1) ? .down : .running,
                idTimestamp: 1
            )
        }
        for storage in 1...hosts.count where !down.contains(storage) {
            try tell(.notifyNodeInformation(NotifyNodeInformation(timestamp: timestamp, nodes: nodes)), to: storage)
        }
    }

    /// - Parameter late: storages that are not told yet.
    /// - Returns: what they are to be told.
    @discardableResult
    mutating func change(
        _ cells: [(partition: PartitionID, storage: Int, state: CellState)],
        late: Set<Int> = []
    ) throws -> Packet {
        ptid += 1
        let changes = cells.map { CellChange(partition: $0.partition, nid: Self.nid($0.storage), state: $0.state) }
        for change in changes {
            rows[change.partition].removeAll { $0.nid == change.nid }
            if change.state != .discarded { rows[change.partition].append(.init(nid: change.nid, state: change.state)) }
        }
        let packet = Packet.notifyPartitionChanges(NotifyPartitionChanges(ptid: ptid, replicas: 1, cells: changes))
        for storage in 1...hosts.count where !late.contains(storage) { try tell(packet, to: storage) }
        return packet
    }

    /// Answers what storages asked about unfinished transactions.
    mutating func answerUnfinished(_ count: Int = .max) throws {
        for _ in 0..<min(count, asked.count) {
            let (storage, request, _) = asked.removeFirst()
            guard let id = hosts[storage - 1].masterID else { continue }
            let answer = AnswerUnfinishedTransactions(lastTID: lastTID, ttids: unfinished)
            try hosts[storage - 1].send(Frame(id: request, answer.packet), on: id)
        }
    }

    private mutating func handle(_ frame: Frame, from storage: Int) throws {
        switch frame.packet {
        case .askUnfinishedTransactions(let ask):
            trace.append("S\(storage) AskUnfinishedTransactions \(ask.partitions)")
            asked.append((storage, frame.id, ask.partitions))
            if isMasterQuick { try answerUnfinished() }
        case .notifyReplicationDone(let done):
            trace.append("S\(storage) NotifyReplicationDone \(done.partition) \(short(done.tid))")
            if isMasterQuick { try change([(done.partition, storage, .upToDate)]) }
        case .askPackOrders(let ask): trace.append("S\(storage) AskPackOrders \(short(ask.min))")
        case .notifyPartitionCorrupted(let corrupted):
            let nids = corrupted.nids.map { "\($0)" }.joined(separator: " ")
            trace.append("S\(storage) NotifyPartitionCorrupted \(corrupted.partition) \(nids)")
        default: break
        }
    }

    func state(_ partition: PartitionID, _ storage: Int) -> CellState? {
        rows[partition].first { $0.nid == Self.nid(storage) }?.state
    }

    // MARK: Motion

    /// Lets everything go on until nothing moves: no timer of a second or more is waited for.
    mutating func run() throws {
        for _ in 0..<Self.maximumSteps where try !stepOnce() { return }
        throw EndlessMotion()
    }

    /// Lets everything go on until a storage did something, and no further.
    /// - Parameter line: the beginning of a line of ``trace``.
    mutating func run(until line: String) throws {
        for _ in 0..<Self.maximumSteps {
            for index in hosts.indices {
                _ = try step(index)
                if trace.contains(where: { $0.hasPrefix(line) }) { return }
            }
        }
        throw EndlessMotion()
    }

    /// Storages that do something again and again, and would never rest.
    struct EndlessMotion: Error {}

    private static let maximumSteps = 2000

    /// - Returns: whether something moved.
    mutating func stepOnce() throws -> Bool {
        var isMoving = false
        for index in hosts.indices { isMoving = try step(index) || isMoving }
        return isMoving
    }

    /// One round of a storage: connections, frames, timers.
    mutating func step(_ index: Int) throws -> Bool {
        var isMoving = false
        // Those that come of these have to wait: a storage that tries again at once would never let others go on.
        for (id, address) in hosts[index].connecting {
            isMoving = true
            guard let to = hosts.firstIndex(where: { $0.address == address }), !unreachable.contains(to + 1) else {
                try hosts[index].connect(id, succeeds: false)
                continue
            }
            let toID = try hosts[to].accept()
            links.append(Link(from: index, fromID: id, to: to, toID: toID))
            try hosts[index].connect(id)
        }
        if let master = hosts[index].masterID {
            for case .frame(let frame) in hosts[index].take(master) {
                isMoving = true
                try handle(frame, from: index + 1)
            }
        }
        for link in links {
            if link.from == index { isMoving = try pass(index, link.fromID, link.to, link.toID) || isMoving }
            if link.to == index { isMoving = try pass(index, link.toID, link.from, link.fromID) || isMoving }
        }
        try hosts[index].writeAll()
        for (timer, delay) in hosts[index].timers.sorted(by: { $0.key.rawValue < $1.key.rawValue }) where delay < 1000 {
            isMoving = true
            try hosts[index].fire(timer)
        }
        return isMoving
    }

    private mutating func pass(_ index: Int, _ id: ConnectionID, _ other: Int, _ otherID: ConnectionID) throws -> Bool {
        let received = hosts[index].take(id)
        for item in received {
            switch item {
            case .frame(let frame):
                if isStalled(frame.packet) { return true }
                if let line = brief(frame.packet) { trace.append("S\(index + 1)→S\(other + 1) \(line)") }
                try hosts[other].send(frame, on: otherID)
            case .closed: try hosts[other].close(otherID)
            }
        }
        return !received.isEmpty
    }

    /// A storage loses its master, finds it again, and is told to begin operation.
    mutating func restartOperation(_ storage: Int) throws {
        guard let master = hosts[storage - 1].masterID else { return }
        try hosts[storage - 1].close(master)
        hosts[storage - 1].advance(milliseconds: 1000)
        try hosts[storage - 1].fire(StorageCore.Timer.search)
        try identify(storage)
        try announce()
        try operate(storage)
    }

    /// Breaks all the connections between two storages.
    mutating func disconnect(_ a: Int, _ b: Int) throws {
        for link in links where Set([link.from + 1, link.to + 1]) == [a, b] {
            try hosts[link.from].close(link.fromID)
            try hosts[link.to].close(link.toID)
        }
    }

    /// Lets time pass at a storage, and fires a timer.
    mutating func pass(milliseconds: UInt64, _ timer: TimerID, at storage: Int) throws {
        hosts[storage - 1].advance(milliseconds: milliseconds)
        try hosts[storage - 1].fire(timer)
        try run()
    }

    mutating func takeTrace() -> [String] {
        defer { trace = [] }
        return trace
    }

    // MARK: Text

    private func brief(_ packet: Packet) -> String? {
        switch packet {
        case .askFetchTransactions(let ask):
            "AskFetchTransactions \(ask.partition) \(ask.length) \(short(ask.min)) \(short(ask.max)) "
                + "[\(ask.have.map(short).joined(separator: " "))] \(ask.askPackInfo)"
        case .answerFetchTransactions(let answer):
            "AnswerFetchTransactions \(answer.next.map(short) ?? "nil") "
                + "[\(answer.deleted.map(short).joined(separator: " "))] \(answer.completedPack.map(short) ?? "nil")"
        case .askFetchObjects(let ask):
            "AskFetchObjects \(ask.partition) \(ask.length) \(short(ask.min)) \(short(ask.max)) "
                + "\(ask.minOID.rawValue) [\(short(ask.have))]"
        case .answerFetchObjects(let answer):
            "AnswerFetchObjects \(answer.nextTID.map(short) ?? "nil") \(answer.nextOID.map { "\($0.rawValue)" } ?? "nil") "
                + "[\(short(answer.deleted))]"
        case .addTransaction(let packet): "AddTransaction \(short(packet.tid))"
        case .addObject(let packet): "AddObject \(packet.oid.rawValue)@\(short(packet.serial))"
        case .error(let error): "Error \(error.code.name) \(error.message)"
        case .closeClient: "CloseClient"
        default: nil
        }
    }

    private func short(_ tid: TID) -> String { String(tid.rawValue, radix: 16) }

    private func short(_ keys: OrderedDictionary<TID, [OID]>) -> String {
        keys.flatMap { tid, oids in oids.map { "\($0.rawValue)@\(short(tid))" } }.joined(separator: " ")
    }
}

// MARK: Databases

/// A database that has some history, for tests of replication.
func history(
    _ partitions: Int,
    _ transactions: [(tid: UInt64, oids: [UInt64])],
    data: (_ oid: UInt64, _ tid: UInt64) -> ByteBuffer? = { ByteBuffer(string: "\($0)@\($1)") }
) throws -> any StorageDatabase {
    let database = try MemoryDatabase.open(MemoryDisk(), OpenOptions(clusterName: "differential"))
    try fill(database, partitions, transactions, data: data)
    return database
}

func fill(
    _ database: any StorageDatabase,
    _ partitions: Int,
    _ transactions: [(tid: UInt64, oids: [UInt64])],
    data: (_ oid: UInt64, _ tid: UInt64) -> ByteBuffer? = { ByteBuffer(string: "\($0)@\($1)") }
) throws {
    var chunks = (0..<partitions).map { DatabaseJob.ReplicationChunk(partition: $0) }
    for (tid, oids) in transactions {
        chunks[TID(tid).partition(of: partitions)].transactions.append(
            TransactionRecord(
                tid: TID(tid),
                ttid: TID(tid),
                user: ByteBuffer(string: "user"),
                description: ByteBuffer(string: "transaction \(tid)"),
                extensionData: ByteBuffer(),
                packed: false,
                oids: oids.map { OID($0) },
                pack: nil
            )
        )
        for oid in oids {
            let stored = data(oid, tid).map { StoredData(compression: 0, checksum: Checksum(of: $0), data: $0) }
            chunks[OID(oid).partition(of: partitions)].objects.append(
                ReplicatedObject(oid: OID(oid), tid: TID(tid), data: stored, dataTID: nil)
            )
        }
    }
    let jobs = chunks.enumerated().map { DatabaseJob(id: .init(rawValue: UInt64($0)), operation: .replicate($1)) }
    _ = try database.writer.perform(jobs)
}

/// Records the partition table, so that cells begin with a state and a TID.
func record(
    _ database: any StorageDatabase,
    nid: NID,
    ptid: Int = 1,
    _ cells: [(partition: PartitionID, nid: NID, state: CellState)]
) throws {
    let change = DatabaseJob.PartitionTableChange(
        ptid: ptid,
        replicas: 1,
        cells: cells.map { CellChange(partition: $0.partition, nid: $0.nid, state: $0.state) },
        isComplete: true
    )
    let jobs = [DatabaseJob.Operation.setNID(nid), .changePartitionTable(change)]
    _ = try database.writer.perform(
        jobs.enumerated().map { DatabaseJob(id: .init(rawValue: UInt64($0)), operation: $1) }
    )
}

/// All that is in a partition, as text.
func content(_ database: any StorageDatabase, _ partition: PartitionID) throws -> [String] {
    let reader = try database.makeReader()
    var lines: [String] = []
    for tid in try reader.tids(in: partition, .zero ... .max, limit: .max) {
        let transaction = try reader.transaction(tid, in: partition, includeLocked: false)
        lines.append("\(tid) \(transaction.map { "\($0.ttid) \($0.oids) \(String(buffer: $0.description))" } ?? "")")
    }
    for key in try reader.objectRecords(in: partition, from: .zero, oid: .zero, through: .max, limit: .max) {
        let revision = try reader.revision(of: key.oid, at: key.tid, in: partition)
        let data = revision?.data.map { String(buffer: $0.data) } ?? "nil"
        lines.append("\(key.oid)@\(key.tid) \(data) \(revision?.dataTID.map { "\($0)" } ?? "")")
    }
    return lines
}
