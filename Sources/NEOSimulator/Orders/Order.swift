import NEOEngine

/// What an operator does with a cluster while programs work.
public enum Order: String, CaseIterable, Hashable, Sendable {
    /// Nodes that nobody uses yet are added, and get partitions.
    case grow
    /// Partitions are spread over some of the storages only.
    case shrink
    /// Partitions are spread over all the storages that are there.
    case tweak
    /// As ``tweak``, without doing it.
    case dryRun = "dry run"
    /// Another number of copies.
    case setReplicas = "set replicas"
    /// Replicas are compared.
    case check
    /// A node is told to stop.
    case kill
    /// A node that is down is forgotten for good.
    case drop
    /// Only looks.
    case look
    /// The cluster is started with the storages that are there; see ``Trial/partialStart``.
    case start
    /// What was committed last is given up; see ``Trial/truncation``.
    case truncate

    /// Those that may be given at any time.
    static let atRandom = allCases.filter { $0 != .start && $0 != .truncate }
}

/// Which orders are given in a history, and how often.
public struct OrderPlan: Hashable, Sendable, CustomStringConvertible {
    /// None: there is no operator.
    public var kinds: [Order] = []
    /// Time between two orders, in nanoseconds.
    public var interval: ClosedRange<UInt64> = 20_000_000...1_000_000_000

    public init() {}

    /// All of them.
    public static var all: OrderPlan {
        var plan = OrderPlan()
        plan.kinds = Order.atRandom
        return plan
    }

    public var isEmpty: Bool { kinds.isEmpty }

    public var description: String { kinds.isEmpty ? "no orders" : kinds.map(\.rawValue).joined(separator: ", ") }
}

extension OrderPlan {
    /// In every second history some kinds of orders, rare or frequent.
    public init(_ random: inout SplitMix64) {
        self.init()
        guard Bool.random(using: &random) else { return }
        kinds = Order.atRandom.filter { _ in Int.random(in: 0..<3, using: &random) > 0 }
        let longest = [100_000_000, 500_000_000, 2_000_000_000].randomElement(using: &random) ?? 500_000_000
        interval = 10_000_000...UInt64(longest)
    }
}
