import HeapModule
import NEOEngine
import NEOProtocol
import NIOCore

/// A world of nodes in one thread: virtual time, a virtual network, and all that is random drawn from one seed.
///
/// ```
///   agenda ──▶ next occurrence ──▶ node (core) ──effects──▶ network, timers, disks ──▶ agenda
/// ```
public final class Simulation {
    /// Virtual time in nanoseconds.
    public private(set) var now: UInt64 = 0
    public var random: SplitMix64
    public var log: EventLog
    public let settings: SimulationSettings
    public let seed: UInt64
    /// What true time is when the simulation begins, in seconds since the Unix epoch.
    public let epoch = 1_800_000_000.0

    private var agenda = Heap<Occurrence>()
    private var sequence: UInt64 = 0
    public private(set) var nodes: [SimulatedNode] = []
    private var listeners: [NodeAddress: SimulatedNode] = [:]
    private var links: [Link] = []

    public init(seed: UInt64, settings: SimulationSettings = .init(), keepsText: Bool = false) {
        self.seed = seed
        self.settings = settings
        random = SplitMix64(seed: seed)
        log = EventLog(keepsText: keepsText)
    }

    // MARK: Time

    /// Something that will happen; at one time, in the order of scheduling.
    private struct Occurrence: Comparable {
        let time: UInt64
        let sequence: UInt64
        let action: () -> Void

        static func < (left: Occurrence, right: Occurrence) -> Bool {
            (left.time, left.sequence) < (right.time, right.sequence)
        }

        static func == (left: Occurrence, right: Occurrence) -> Bool { left.sequence == right.sequence }
    }

    public func schedule(after delay: UInt64, _ action: @escaping () -> Void) {
        schedule(at: now + delay, action)
    }

    private func schedule(at time: UInt64, _ action: @escaping () -> Void) {
        sequence += 1
        agenda.insert(Occurrence(time: max(time, now), sequence: sequence, action: action))
    }

    /// Lets time pass until `condition` holds.
    ///
    /// - Returns: false if it did not hold within `nanoseconds` of virtual time, or if nothing happens any more.
    @discardableResult
    public func run(for nanoseconds: UInt64, until condition: () -> Bool = { false }) -> Bool {
        let end = now + nanoseconds
        while !condition() {
            guard let next = agenda.min, next.time <= end else {
                now = end
                return condition()
            }
            _ = agenda.popMin()
            now = next.time
            next.action()
        }
        return true
    }

    public func draw(_ range: ClosedRange<UInt64>) -> UInt64 { UInt64.random(in: range, using: &random) }

    // MARK: Nodes

    /// Adds a node; it is down until ``SimulatedNode/start()``.
    public func add(_ node: SimulatedNode) {
        node.join(self, index: nodes.count, clockSkew: Double.random(in: settings.clockSkew, using: &random))
        nodes.append(node)
    }

    func listen(_ node: SimulatedNode, at address: NodeAddress) {
        listeners[address] = node
    }

    /// A node is gone: everything that it was connected to notices.
    func vanish(_ node: SimulatedNode) {
        listeners = listeners.filter { $0.value !== node }
        for link in links where link.joins(node) { reset(link) }
    }

    // MARK: Network

    func connect(_ node: SimulatedNode, _ id: ConnectionID, to address: NodeAddress) {
        let life = node.life
        schedule(after: latency()) { [self] in
            guard node.life == life, node.wants(id) else { return }
            guard let listener = listeners[address], listener.isUp else {
                node.deliver(.connectFailed(id, reason: "connection refused"))
                return
            }
            let link = Link(
                near: Link.End(node: node, id: id),
                far: Link.End(node: listener, id: listener.nextIncoming())
            )
            links.append(link)
            node.attach(link, id)
            listener.attach(link, link.far.id)
            listener.deliver(.accepted(link.far.id, from: NodeAddress(host: "10.1.0.\(node.index)", port: 1)))
            if !link.isOver { node.deliver(.connected(id)) }
        }
    }

    /// Sends encoded frames, in order with those sent before from the same end.
    func send(_ bytes: ByteBuffer, on link: Link, from node: SimulatedNode, _ id: ConnectionID) {
        let destination = link.opposite(of: id, node)
        transmit(on: link, to: destination) { destination.node.receive(bytes, destination.id) }
    }

    /// Ends a link from one end: what it sent before arrives, if `isFlushed`, then the other end sees the closure.
    func close(_ link: Link, from node: SimulatedNode, _ id: ConnectionID, isFlushed: Bool) {
        let destination = link.opposite(of: id, node)
        link.end(of: id, node).isClosed = true
        guard !destination.isClosed else { return }
        if !isFlushed, Bool.random(using: &random) { destination.epoch += 1 }
        transmit(on: link, to: destination) { [self] in
            link.isOver = true
            destination.isClosed = true
            destination.node.detach(destination.id, .closedByPeer)
            links.removeAll { $0 === link }
        }
    }

    /// Breaks a link: what is on its way is lost, both ends see it.
    public func reset(_ link: Link) {
        guard !link.isOver else { return }
        link.isOver = true
        links.removeAll { $0 === link }
        for end in [link.near, link.far] where !end.isClosed {
            end.isClosed = true
            end.epoch += 1
            let life = end.node.life
            schedule(after: latency()) { [end] in
                if end.node.life == life { end.node.detach(end.id, .failed("connection reset")) }
            }
        }
    }

    /// Breaks one link at random.
    public func resetAnyLink() {
        guard let link = links.randomElement(using: &random) else { return }
        log.write("\(now) reset \(link.near.node.name) - \(link.far.node.name)")
        reset(link)
    }

    private func transmit(on link: Link, to destination: Link.End, _ arrival: @escaping () -> Void) {
        var delay = latency()
        if settings.lateFrameEvery > 0, Int.random(in: 0..<settings.lateFrameEvery, using: &random) == 0 {
            delay += draw(settings.lateness)
        }
        let time = max(now + delay, destination.lastArrival + 1)
        destination.lastArrival = time
        let life = destination.node.life
        let epoch = destination.epoch
        schedule(at: time) {
            guard !destination.isClosed, destination.epoch == epoch, destination.node.life == life else { return }
            arrival()
        }
    }

    private func latency() -> UInt64 { draw(settings.latency) }
}
