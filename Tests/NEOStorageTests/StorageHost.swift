import NEODatabase
import NEOEngine
import NEOProtocol

@testable import NEOStorage

/// Runs one storage core without sockets, clock or threads. The test plays its master and its clients.
struct StorageHost {
    /// When the writer works.
    enum Writer {
        /// After each event.
        case immediate
        /// Only when the test says so.
        case manual
    }

    /// What a peer receives.
    enum Received: Hashable {
        case frame(Frame)
        case closed
    }

    static let master = NodeAddress(host: "127.0.0.1", port: 10)
    static let address = NodeAddress(host: "127.0.0.1", port: 2000)

    let address: NodeAddress
    var core: StorageCore
    let database: any StorageDatabase
    var writer: Writer
    var now = Instant(nanoseconds: 1_000_000_000)
    private var random = SplitMix64(seed: 1)
    private(set) var jobs: [DatabaseJob] = []
    /// How many of the last jobs a host may keep for a moment.
    private(set) var keptJobs = 0
    private(set) var masterID: ConnectionID?
    private(set) var exitStatus: Int32?
    private(set) var logs: [String] = []
    private(set) var timers: [TimerID: UInt64] = [:]
    private(set) var open: Set<ConnectionID> = []
    /// Connections to other storages that were asked for, in order.
    private(set) var connecting: [(ConnectionID, NodeAddress)] = []
    /// Connections whose peer has still to read what was sent.
    private(set) var unwritten: [ConnectionID] = []
    private var received: [ConnectionID: [Received]] = [:]
    private var nextFrameID: [ConnectionID: UInt32] = [:]
    private var lastIncoming: UInt32 = 0
    private var questions: [ConnectionID: UInt32] = [:]

    init(
        _ database: any StorageDatabase,
        writer: Writer = .immediate,
        cluster: String = "differential",
        address: NodeAddress = Self.address,
        limits: StorageLimits = StorageLimits(),
        replication: ReplicationOptions = ReplicationOptions(),
        reservedBytes: UInt64 = 0,
        configure: (inout StorageConfiguration) -> Void = { _ in }
    ) throws {
        self.address = address
        self.database = database
        self.writer = writer
        var configuration = StorageConfiguration(
            cluster: cluster,
            masters: [Self.master],
            bind: NodeAddress(host: "127.0.0.1", port: 0),
            topologyPath: ["host", database.device],
            reservedBytes: reservedBytes,
            limits: limits,
            replication: replication
        )
        configure(&configuration)
        core = StorageCore(configuration, reader: try database.makeReader())
        var context = CoreContext<DatabaseJob>(now: now, wallTime: 0, random: random)
        core.start(&context)
        try carryOut(context.effects)
    }

    // MARK: Events

    mutating func handle(_ event: Event<DatabaseJobResult>) throws {
        var context = CoreContext<DatabaseJob>(now: now, wallTime: 0, random: random)
        core.handle(event, &context)
        random = context.random
        try carryOut(context.effects)
        if writer == .immediate { try completeJobs() }
    }

    private mutating func carryOut(_ effects: [Effect<DatabaseJob>]) throws {
        for effect in effects {
            switch effect {
            case .listen: try handle(.listening(address))
            case .connect(let id, let address) where address != Self.master: connecting.append((id, address))
            case .connect(let id, _):
                masterID = id
                open.insert(id)
                nextFrameID[id] = 0
                try handle(.connected(id))
            case .send(let id, let frame):
                guard open.contains(id) else { continue }
                received[id, default: []].append(.frame(frame))
                if frame.packet.payload is any RequestPayload { questions[id] = frame.id }
            case .notifyWhenWritten(let id): unwritten.append(id)
            case .close(let id), .closeAfterFlush(let id):
                connecting.removeAll { $0.0 == id }
                if open.remove(id) != nil { received[id, default: []].append(.closed) }
            case .submit(let job):
                jobs.append(job)
                keptJobs = 0
            case .submitLater(let job):
                jobs.append(job)
                keptJobs += 1
            case .hurry: keptJobs = 0
            case .startTimer(let timer, let milliseconds): timers[timer] = milliseconds
            case .cancelTimer(let timer): timers[timer] = nil
            case .log(_, let message): logs.append(message)
            case .exit(let status): exitStatus = exitStatus ?? status
            }
        }
    }

    /// Has the writer apply the oldest jobs in one batch, then tells the core about each of them.
    mutating func completeJobs(_ count: Int = .max) throws {
        while !jobs.isEmpty {
            let batch = Array(jobs.prefix(count))
            jobs.removeFirst(batch.count)
            for result in try database.writer.perform(batch) { try handle(.jobCompleted(result)) }
            if count != .max { return }
        }
    }

    mutating func advance(milliseconds: UInt64) {
        now = Instant(nanoseconds: now.nanoseconds + milliseconds * 1_000_000)
    }

    mutating func fire(_ timer: TimerID) throws {
        guard timers.removeValue(forKey: timer) != nil else { return }
        try handle(.timerFired(timer))
    }

    /// Tells that all that was sent was read.
    mutating func writeAll() throws {
        while !unwritten.isEmpty {
            let id = unwritten.removeFirst()
            if open.contains(id) { try handle(.written(id)) }
        }
    }

    // MARK: Peers

    /// The outcome of a connection to another storage.
    mutating func connect(_ id: ConnectionID, succeeds: Bool = true) throws {
        guard connecting.contains(where: { $0.0 == id }) else { return }
        connecting.removeAll { $0.0 == id }
        guard succeeds else { return try handle(.connectFailed(id, reason: "connection refused")) }
        open.insert(id)
        nextFrameID[id] = 0
        try handle(.connected(id))
    }

    mutating func accept() throws -> ConnectionID {
        lastIncoming += 1
        let id = ConnectionID(.incoming, lastIncoming)
        open.insert(id)
        nextFrameID[id] = 0
        try handle(.accepted(id, from: NodeAddress(host: "127.0.0.1", port: UInt16(30000 + lastIncoming))))
        return id
    }

    /// - Returns: the id of the packet.
    @discardableResult
    mutating func send(_ packet: Packet, on connection: ConnectionID) throws -> UInt32 {
        let id = nextFrameID[connection] ?? 0
        nextFrameID[connection] = id &+ 1
        try send(Frame(id: id, packet), on: connection)
        return id
    }

    mutating func send(_ frame: Frame, on connection: ConnectionID) throws {
        guard open.contains(connection) else { return }
        try handle(.received(connection, frame))
    }

    mutating func close(_ connection: ConnectionID) throws {
        guard open.remove(connection) != nil else { return }
        try handle(.closed(connection, .closedByPeer))
    }

    /// The id of the last request that the node sent on a connection.
    func lastQuestion(_ connection: ConnectionID) -> UInt32? { questions[connection] }

    /// What came on a connection since the last call.
    mutating func take(_ connection: ConnectionID) -> [Received] {
        received.removeValue(forKey: connection) ?? []
    }

    /// The packets that came on a connection since the last call.
    mutating func packets(_ connection: ConnectionID) -> [Packet] {
        take(connection).compactMap { if case .frame(let frame) = $0 { frame.packet } else { nil } }
    }
}
