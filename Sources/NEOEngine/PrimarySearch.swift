import NEOProtocol

/// Which master to try next, and when, until the primary is found (`spec/protocol.md §10.8`).
///
/// ```
///            ┌──── wait (1 s a master) ◀─┐
///            ▼                           │
///   attempt a master ──closed, refused───┴── told of another one ──▶ attempt that one
/// ```
public struct PrimarySearch: Sendable {
    public enum Action: Hashable, Sendable {
        case connect(NodeAddress)
        /// All the masters were tried less than a second ago.
        case wait(milliseconds: UInt64)
    }

    /// The shortest time between two attempts at one master.
    public static let interval: UInt64 = 1000

    private var known: KnownMasters
    private var attempts: [NodeAddress: Instant] = [:]
    private var announced: NodeAddress?
    private var next = 0

    public init(masters: [NodeAddress]) {
        known = KnownMasters(masters)
    }

    /// Known masters, in the order in which they became known.
    public var masters: [NodeAddress] { known.addresses }

    /// See ``KnownMasters/update(learning:forgetting:)``.
    public mutating func update(learning learnt: some Sequence<NodeAddress>, forgetting left: [NodeAddress]) {
        known.update(learning: learnt, forgetting: left)
    }

    /// A secondary master told where the primary is, or that it knows other masters.
    public mutating func redirect(_ packet: NotPrimaryMaster) {
        known.learn(packet.masters)
        if let index = packet.primaryIndex, packet.masters.indices.contains(index) {
            announced = packet.masters[index]
        }
    }

    public mutating func attempt(now: Instant) -> Action {
        var candidates = (0..<masters.count).map { masters[(next + $0) % masters.count] }
        if let announced, masters.contains(announced) { candidates.insert(announced, at: 0) }
        announced = nil
        guard let address = candidates.first(where: { delay(of: $0, now) == 0 }) else {
            return .wait(milliseconds: candidates.map { delay(of: $0, now) }.min() ?? Self.interval)
        }
        attempts[address] = now
        if let index = masters.firstIndex(of: address) { next = (index + 1) % masters.count }
        return .connect(address)
    }

    /// Milliseconds before `address` may be tried again.
    private func delay(of address: NodeAddress, _ now: Instant) -> UInt64 {
        guard let last = attempts[address] else { return 0 }
        let elapsed = now.milliseconds(since: last)
        return elapsed >= Self.interval ? 0 : Self.interval - elapsed
    }
}
