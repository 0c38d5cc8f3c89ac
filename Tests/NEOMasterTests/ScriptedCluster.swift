import MessagePack
import NEOEngine
import NEOProtocol
import NEOTopology
import OrderedCollections

@testable import NEOMaster

/// A master, and peers that do what the test says. What the master does is read as lines of text:
/// `S1 < AskRecovery`, `C1 closed`.
struct ScriptedCluster {
    var core: MasterCore
    /// Seconds since the Unix epoch.
    var wallTime = 1_700_000_000.0
    private var milliseconds: UInt64 = 0
    private var random = SplitMix64(seed: 1)
    private var lastIncoming: UInt32 = 0
    private(set) var names: OrderedDictionary<ConnectionID, String> = [:]
    private var requestIDs: [ConnectionID: UInt32] = [:]
    /// Requests of the master that the peer did not answer.
    private var unanswered: [ConnectionID: [(id: UInt32, packet: Packet)]] = [:]
    /// All that was sent to each peer.
    private(set) var sent: [String: [Frame]] = [:]
    private(set) var timers: [TimerID: UInt64] = [:]
    private(set) var exitStatus: Int32?
    private(set) var logs: [String] = []

    static let address = NodeAddress(host: "127.0.0.1", port: 10_000)

    init(
        partitions: Int = 2,
        replicas: Int = 0,
        autostart: Int = 0,
        masters: [NodeAddress] = [],
        change: (inout MasterConfiguration) -> Void = { _ in }
    ) {
        var configuration = MasterConfiguration(
            cluster: "test",
            bind: Self.address,
            masters: masters,
            partitions: partitions,
            replicas: replicas,
            autostart: autostart
        )
        change(&configuration)
        core = MasterCore(configuration)
        _ = run { $0.start(&$1) }
        _ = event(.listening(Self.address))
    }

    // MARK: Running

    private mutating func run(_ body: (inout MasterCore, inout CoreContext<Never>) -> Void) -> [String] {
        var context = CoreContext<Never>(
            now: Instant(nanoseconds: milliseconds * 1_000_000),
            wallTime: wallTime,
            random: random
        )
        body(&core, &context)
        random = context.random
        var lines: [String] = []
        for effect in context.effects {
            switch effect {
            case .send(let id, let frame):
                let name = names[id] ?? "\(id)"
                sent[name, default: []].append(frame)
                if frame.packet.code.answer != nil { unanswered[id, default: []].append((frame.id, frame.packet)) }
                lines.append("\(name) < \(brief(frame.packet))")
            case .close(let id), .closeAfterFlush(let id):
                lines.append("\(names[id] ?? "\(id)") closed")
                names[id] = nil
            case .connect(let id, let address):
                names[id] = "to \(address)"
                lines.append("connect \(address)")
            case .startTimer(let timer, let delay): timers[timer] = delay
            case .cancelTimer(let timer): timers[timer] = nil
            case .exit(let status):
                exitStatus = status
                lines.append("exit \(status)")
            case .log(_, let text): logs.append(text)
            case .listen, .submit, .submitLater, .hurry, .notifyWhenWritten: break
            }
        }
        wallTime += 0.01
        milliseconds += 10
        return lines
    }

    mutating func event(_ event: Event<Never>) -> [String] {
        if case .connectFailed(let id, reason: _) = event { names[id] = nil }
        return run { $0.handle(event, &$1) }
    }

    mutating func advance(seconds: UInt64) {
        wallTime += Double(seconds)
        milliseconds += seconds * 1000
    }

    mutating func fire(_ timer: TimerID) -> [String] {
        timers[timer] = nil
        return event(.timerFired(timer))
    }

    // MARK: Peers

    func connection(_ name: String) -> ConnectionID? {
        names.first { $0.value == name }?.key
    }

    /// A peer connects, without a word.
    mutating func accept(_ name: String) -> [String] {
        lastIncoming += 1
        let id = ConnectionID(.incoming, lastIncoming)
        names[id] = name
        return event(.accepted(id, from: NodeAddress(host: "127.0.0.1", port: 50_000)))
    }

    /// The peer sends a request or a notification.
    @discardableResult
    mutating func send(_ name: String, _ payload: some PacketPayload) -> [String] {
        guard let id = connection(name) else { return ["\(name) is not connected"] }
        let request = requestIDs[id, default: 0]
        requestIDs[id] = request + 1
        return event(.received(id, Frame(id: request, payload.packet)))
    }

    /// The peer answers the oldest request for which this is an answer.
    @discardableResult
    mutating func answer(_ name: String, _ payload: some AnswerPayload) -> [String] {
        guard let id = connection(name) else { return ["\(name) is not connected"] }
        guard
            let index = unanswered[id, default: []].firstIndex(where: { $0.packet.code.answer == payload.packet.code }),
            let request = unanswered[id]?.remove(at: index)
        else { return ["\(name) was not asked for \(payload.packet.code)"] }
        return event(.received(id, Frame(id: request.id, payload.packet)))
    }

    /// The peer says that it is not the primary, whatever it was asked first.
    @discardableResult
    mutating func refuse(_ name: String, _ payload: NotPrimaryMaster) -> [String] {
        guard let id = connection(name), let request = unanswered[id]?.first else {
            return ["\(name) was asked nothing"]
        }
        unanswered[id]?.removeFirst()
        return event(.received(id, Frame(id: request.id, payload.packet)))
    }

    mutating func cut(_ name: String) -> [String] {
        guard let id = connection(name) else { return ["\(name) is not connected"] }
        names[id] = nil
        unanswered[id] = nil
        return event(.closed(id, .closedByPeer))
    }

    func isConnected(_ name: String) -> Bool { connection(name) != nil }

    /// The last packet sent to the peer.
    func last(_ name: String) -> Packet? { sent[name]?.last?.packet }

    // MARK: Shortcuts

    @discardableResult
    mutating func storage(
        _ number: Int32,
        nid: NID? = nil,
        extra: Properties = Properties()
    ) -> [String] {
        let name = "S\(number)"
        return accept(name)
            + send(name, identification(.storage, nid: nid, port: 20_000 + UInt16(number), extra: extra))
    }

    @discardableResult
    mutating func client(_ number: Int32, nid: NID? = nil, extra: Properties = Properties()) -> [String] {
        accept("C\(number)") + send("C\(number)", identification(.client, nid: nid, port: nil, extra: extra))
    }

    @discardableResult
    mutating func admin() -> [String] {
        accept("A1") + send("A1", identification(.admin, port: 30_000))
    }

    func identification(
        _ type: NodeType,
        nid: NID? = nil,
        port: UInt16?,
        cluster: String = "test",
        timestamp: Double? = nil,
        extra: Properties = Properties()
    ) -> RequestIdentification {
        RequestIdentification(
            type: type,
            nid: nid,
            address: port.map { NodeAddress(host: "127.0.0.1", port: $0) },
            cluster: cluster,
            idTimestamp: timestamp,
            extra: extra
        )
    }

    /// A cluster of storages S1, S2, … that was just created and is RUNNING.
    static func running(
        storages: Int32 = 2,
        partitions: Int = 2,
        replicas: Int = 0,
        lastTID: TID? = nil,
        change: (inout MasterConfiguration) -> Void = { _ in }
    ) -> ScriptedCluster {
        var cluster = ScriptedCluster(
            partitions: partitions,
            replicas: replicas,
            autostart: Int(storages),
            change: change
        )
        for number in 1...storages {
            cluster.storage(number)
            cluster.answer("S\(number)", AnswerRecovery(ptid: nil, backupTID: nil, truncateTID: nil))
        }
        cluster.verify(storages: 1...storages, lastTID: lastTID)
        return cluster
    }

    /// Storages say that nothing was interrupted, and those of `ready`, all if nil, become ready.
    @discardableResult
    mutating func verify(storages: ClosedRange<Int32>, lastTID: TID? = nil, ready: ClosedRange<Int32>? = nil)
        -> [String]
    {
        var lines: [String] = []
        for number in storages { lines += answer("S\(number)", AnswerLockedTransactions(transactions: [:])) }
        for number in storages {
            lines += answer("S\(number)", AnswerLastIDs(lastTID: lastTID, lastOID: nil, firstTID: lastTID ?? .max))
        }
        for number in storages { lines += answer("S\(number)", AnswerPackOrders(orders: [])) }
        for number in ready ?? storages { lines += send("S\(number)", NotifyReady()) }
        return lines
    }

    /// - Returns: the TTID; zero if the request was not answered with one.
    mutating func begin(_ client: String, _ tid: TID? = nil) -> TTID {
        send(client, AskBeginTransaction(tid: tid))
        guard case .answerBeginTransaction(let answer)? = last(client) else { return .zero }
        return answer.ttid
    }

    @discardableResult
    mutating func finish(
        _ client: String,
        _ ttid: TTID,
        _ oids: [UInt64],
        checked: [PartitionID] = [],
        pack: PackRequest? = nil
    ) -> [String] {
        send(
            client,
            AskFinishTransaction(ttid: ttid, stored: oids.map { OID($0) }, deleted: [], checked: checked, pack: pack)
        )
    }

    @discardableResult
    mutating func lock(_ storage: String, _ ttid: TTID) -> [String] {
        guard let id = connection(storage) else { return ["\(storage) is not connected"] }
        let index = unanswered[id, default: []].firstIndex { request in
            if case .askLockInformation(let lock) = request.packet { lock.ttid == ttid } else { false }
        }
        guard let index, let request = unanswered[id]?.remove(at: index) else {
            return ["\(storage) was not asked to lock"]
        }
        return event(.received(id, Frame(id: request.id, AnswerInformationLocked(ttid: ttid).packet)))
    }

    /// The final TID of the last transaction that the client was told to be finished.
    func finishedTID(_ client: String) -> TID? {
        for frame in (sent[client] ?? []).reversed() {
            if case .answerTransactionFinished(let answer) = frame.packet { return answer.tid }
        }
        return nil
    }

    /// The table in the notation of the specification.
    func tableText(_ nodes: Int32) -> String {
        (0..<core.table.partitions).map { partition in
            String((1...nodes).map { core.table.state(of: partition, at: NID(.storage, $0))?.letter ?? "." })
        }.joined(separator: "|")
    }
}
