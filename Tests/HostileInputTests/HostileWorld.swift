import NEOEngine
import NEOProtocol
import TestVectors

/// A core, and peers that send it anything.
struct HostileWorld<Core: NodeCore> {
    struct Peer {
        let id: ConnectionID
        /// Who it said it is; to learn which packets are not refused from such a peer.
        var role: Int
        /// Requests of the core without an answer.
        var unanswered: [(id: UInt32, code: PacketCode)] = []
        var isConnecting = false
        var lastRequest: UInt32 = 0
    }

    var core: Core
    /// The cluster that peers say they belong to.
    var cluster = "test"
    var random: SplitMix
    private(set) var peers: [Peer] = []
    private(set) var timers: [TimerID] = []
    private(set) var jobs: [Core.Job] = []
    private(set) var exitStatus: Int32?
    var wallTime = 1_700_000_000.0
    var nanoseconds: UInt64 = 1_000_000_000
    private var engineRandom: SplitMix64
    private var lastIncoming: UInt32 = 0
    /// The most effects that one event had.
    private(set) var mostEffects = 0
    private(set) var sent: [(ConnectionID, Frame)] = []
    /// Where the last connections were to.
    private(set) var targets: [ConnectionID: NodeAddress] = [:]

    private let address: NodeAddress

    init(_ core: Core, seed: UInt64, address: NodeAddress = NodeAddress(host: "127.0.0.1", port: 10)) {
        self.core = core
        self.address = address
        random = SplitMix(seed: seed)
        engineRandom = SplitMix64(seed: seed)
        run { $0.start(&$1) }
    }

    // MARK: Events

    mutating func run(_ body: (inout Core, inout CoreContext<Core.Job>) -> Void) {
        var context = CoreContext<Core.Job>(
            now: Instant(nanoseconds: nanoseconds),
            wallTime: wallTime,
            random: engineRandom
        )
        body(&core, &context)
        engineRandom = context.random
        mostEffects = max(mostEffects, context.effects.count)
        var isListening = false
        for effect in context.effects {
            switch effect {
            case .listen: isListening = true
            case .connect(let id, let address):
                targets[id] = address
                peers.append(Peer(id: id, role: 4, isConnecting: true))
            case .send(let id, let frame):
                sent.append((id, frame))
                if sent.count > 400 { sent.removeFirst(200) }
                guard let index = peers.firstIndex(where: { $0.id == id }) else { break }
                if let answer = frame.packet.code.answer { peers[index].unanswered.append((frame.id, answer)) }
            case .close(let id), .closeAfterFlush(let id): peers.removeAll { $0.id == id }
            case .startTimer(let timer, _): if !timers.contains(timer) { timers.append(timer) }
            case .cancelTimer(let timer): timers.removeAll { $0 == timer }
            case .submit(let job), .submitLater(let job): jobs.append(job)
            case .exit(let status): exitStatus = exitStatus ?? status
            case .notifyWhenWritten, .log, .hurry: break
            }
        }
        nanoseconds += 1_000_000
        wallTime += 0.001
        if isListening { handle(.listening(address)) }
    }

    mutating func handle(_ event: Event<Core.JobResult>) {
        run { $0.handle(event, &$1) }
    }

    mutating func takeJobs() -> [Core.Job] {
        defer { jobs = [] }
        return jobs
    }

    // MARK: Peers

    func isOpen(_ id: ConnectionID) -> Bool { peers.contains { $0.id == id } }

    mutating func accept(role: Int = 0) -> ConnectionID {
        lastIncoming += 1
        let id = ConnectionID(.incoming, lastIncoming)
        peers.append(Peer(id: id, role: role))
        handle(.accepted(id, from: NodeAddress(host: "127.0.0.1", port: 50_000)))
        return id
    }

    mutating func identify(
        as type: NodeType,
        nid: NID? = nil,
        port: UInt16? = nil,
        timestamp: Double? = nil
    ) -> ConnectionID {
        let id = accept(role: 1 + Int(type.rawValue))
        let address = port.map { NodeAddress(host: "127.0.0.1", port: $0) }
        send(
            RequestIdentification(
                type: type,
                nid: nid,
                address: address,
                cluster: cluster,
                idTimestamp: timestamp,
                extra: Properties()
            ).packet,
            on: id
        )
        return id
    }

    mutating func send(_ packet: Packet, on id: ConnectionID) {
        guard let index = peers.firstIndex(where: { $0.id == id }) else { return }
        peers[index].lastRequest &+= 1
        handle(.received(id, Frame(id: peers[index].lastRequest, packet)))
    }

    /// Answers the oldest request of the core for which this is an answer, on any connection.
    mutating func answer(_ packet: Packet, on wanted: ConnectionID? = nil) {
        for index in peers.indices where wanted == nil || peers[index].id == wanted {
            guard let request = peers[index].unanswered.firstIndex(where: { $0.code == packet.code }) else { continue }
            let id = peers[index].unanswered.remove(at: request).id
            return handle(.received(peers[index].id, Frame(id: id, packet)))
        }
    }

    mutating func open(_ id: ConnectionID) {
        guard let index = peers.firstIndex(where: { $0.id == id && $0.isConnecting }) else { return }
        peers[index].isConnecting = false
        handle(.connected(id))
    }

    /// The connection that the core opens, or opened, last.
    var outgoing: ConnectionID? { peers.last { $0.id.direction == .outgoing }?.id }

    // MARK: Hostility

    /// Attacks a node that has no jobs, until it leaves or has seen enough.
    /// - Returns: the number of events.
    mutating func attackForLong(_ forge: inout PacketForge, _ lessons: inout Lessons) -> Int {
        for (_, frame) in sent { forge.learn(frame) }
        var events = 0
        while events < 150, exitStatus == nil {
            attack(&forge, &lessons)
            events += 1
        }
        return events
    }

    /// One event that a good peer would not cause.
    mutating func attack(_ forge: inout PacketForge, _ lessons: inout Lessons) {
        for (_, frame) in sent.suffix(3) { forge.learn(frame) }
        switch Int.random(in: 0..<100, using: &random) {
        case ..<60: sendAnything(&forge, &lessons)
        case ..<82: answerAnything(&forge)
        case ..<90: connectAnyone()
        case ..<92: if let peer = peers.randomElement(using: &random) { end(peer) }
        case ..<96:
            if let timer = timers.randomElement(using: &random) {
                timers.removeAll { $0 == timer }
                handle(.timerFired(timer))
            }
        case 96: wallTime += [-1e6, 1e6, 0.5].randomElement(using: &random) ?? 0
        default: nanoseconds &+= 2_000_000_000
        }
        for peer in peers where peer.isConnecting && Int.random(in: 0..<3, using: &random) == 0 {
            if Int.random(in: 0..<8, using: &random) == 0 { end(peer) } else { open(peer.id) }
        }
    }

    private mutating func sendAnything(_ forge: inout PacketForge, _ lessons: inout Lessons) {
        guard let peer = peers.filter({ !$0.isConnecting }).randomElement(using: &random) else { return }
        let code = lessons.choose(peer.role, of: forge.codes, &random)
        guard let packet = forge.packet(code, &random) else { return }
        forge.learn(Frame(id: 0, packet))
        let request = [peer.lastRequest &+ 1, 0, 1, 2, .max].randomElement(using: &random) ?? 0
        if let index = peers.firstIndex(where: { $0.id == peer.id }) { peers[index].lastRequest = request }
        handle(.received(peer.id, Frame(id: request, packet)))
        lessons.note(code, peer.role, isAccepted: isOpen(peer.id))
    }

    private mutating func answerAnything(_ forge: inout PacketForge) {
        guard let index = peers.indices.filter({ !peers[$0].unanswered.isEmpty }).randomElement(using: &random),
            let request = peers[index].unanswered.indices.randomElement(using: &random)
        else { return }
        let (id, code) = peers[index].unanswered[request]
        if Int.random(in: 0..<10, using: &random) > 0 { peers[index].unanswered.remove(at: request) }
        let isError = Int.random(in: 0..<10, using: &random) == 0
        guard let packet = forge.packet(isError ? .error : code, &random) else { return }
        forge.learn(Frame(id: 0, packet))
        handle(.received(peers[index].id, Frame(id: id, packet)))
    }

    private mutating func connectAnyone() {
        guard peers.count < 40 else { return }
        let type = NodeType.allCases.randomElement(using: &random) ?? .client
        let ports: [UInt16?] = [nil, 1, 10, 11, 12, 13]
        let nids = [
            nil, nil, NID(.storage, 1), NID(.storage, 2), NID(type, 1), NID(type, 2), NID(rawValue: 0),
            NID(rawValue: .max), NID(rawValue: .min),
        ]
        _ = identify(
            as: type,
            nid: nids.randomElement(using: &random) ?? nil,
            port: type == .client ? nil : ports.randomElement(using: &random) ?? nil,
            timestamp: [nil, 1, 2, .nan].randomElement(using: &random) ?? nil
        )
    }

    private mutating func end(_ peer: Peer) {
        peers.removeAll { $0.id == peer.id }
        handle(peer.isConnecting ? .connectFailed(peer.id, reason: "refused") : .closed(peer.id, .closedByPeer))
    }
}

/// Which types of packets did not end the connection of which sort of peer: these are worth sending again.
struct Lessons {
    private var accepted: [Int: [PacketCode]] = [:]

    func choose(_ role: Int, of codes: [PacketCode], _ random: inout SplitMix) -> PacketCode {
        if Int.random(in: 0..<10, using: &random) < 8, let code = accepted[role]?.randomElement(using: &random) {
            return code
        }
        return codes.randomElement(using: &random) ?? .ping
    }

    mutating func note(_ code: PacketCode, _ role: Int, isAccepted: Bool) {
        if isAccepted, !accepted[role, default: []].contains(code) { accepted[role, default: []].append(code) }
    }
}
