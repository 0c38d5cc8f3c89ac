import NEOProtocol

/// The addresses of masters that a node heard of, in the order in which it did: where the primary one is looked for, and what
/// the dynamic list of masters keeps (`spec/master.md §2.10`).
public struct KnownMasters: Hashable, Sendable {
    /// A cluster has a few: a peer cannot fill the memory, nor the file, with others.
    public static let maximumCount = 100

    /// At most ``maximumCount``, each once.
    public private(set) var addresses: [NodeAddress] = []

    public init(_ addresses: some Sequence<NodeAddress>) {
        learn(addresses)
    }

    /// Addresses without a port, and those beyond ``maximumCount``, are left out.
    public mutating func learn(_ learnt: some Sequence<NodeAddress>) {
        for address in learnt where address.port != 0 && !addresses.contains(address) {
            guard addresses.count < Self.maximumCount else { return }
            addresses.append(address)
        }
    }

    /// What the primary master says: masters that it knows, and addresses where none is any more. If none was left, the node would
    /// not find its cluster again: nothing is forgotten then.
    public mutating func update(learning learnt: some Sequence<NodeAddress>, forgetting left: [NodeAddress]) {
        let previous = addresses
        addresses.removeAll { left.contains($0) }
        learn(learnt)
        if addresses.isEmpty { addresses = previous }
    }
}
