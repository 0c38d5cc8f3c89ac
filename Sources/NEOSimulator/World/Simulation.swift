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
    /// What cores do to themselves.
    public var mischief: Mischief = []
    var listeners: [NodeAddress: SimulatedNode] = [:]
    var links: [Link] = []
    /// Pairs of nodes between which nothing comes through, by index.
    var cuts: Set<Cut> = []

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

    func schedule(at time: UInt64, _ action: @escaping () -> Void) {
        sequence += 1
        agenda.insert(Occurrence(time: max(time, now), sequence: sequence, action: action))
    }

    /// Lets time pass until `condition` holds.
    ///
    /// - Returns: false if it did not hold within `nanoseconds` of virtual time.
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

    /// Nothing happens any more: what is planned, and holds the world, is let go.
    func end() {
        agenda = Heap()
        links = []
    }

    // MARK: Chance

    public func draw(_ range: ClosedRange<UInt64>) -> UInt64 { UInt64.random(in: range, using: &random) }

    /// True once in `times`; never if it is 0.
    public func happens(onceIn times: Int) -> Bool {
        times > 0 && Int.random(in: 0..<times, using: &random) == 0
    }

    public func pick<Element>(_ elements: [Element]) -> Element? { elements.randomElement(using: &random) }

    // MARK: Nodes

    /// Adds a node; it is down until ``SimulatedNode/start()``.
    public func add(_ node: SimulatedNode) {
        node.join(self, index: nodes.count, clockSkew: Double.random(in: settings.clockSkew, using: &random))
        nodes.append(node)
    }

    func listen(_ node: SimulatedNode, at address: NodeAddress) {
        listeners[address] = node
    }
}
