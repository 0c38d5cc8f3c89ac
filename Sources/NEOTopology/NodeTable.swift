import NEOProtocol

/// The nodes that a master tells to the others: the view of a storage, a client, an admin or a secondary master.
///
/// A node is found by its id or by its address. It never holds two nodes with one id or one address.
public struct NodeTable: Hashable, Sendable {
    private var nodes: [Node] = []
    /// Timestamp of the last list that was applied on the current connection to the master.
    public private(set) var timestamp: Double?

    public init() {}

    public var all: [Node] { nodes }

    public subscript(nid: NID) -> Node? { nodes.first { $0.nid == nid } }

    public subscript(address: NodeAddress) -> Node? { nodes.first { $0.address == address } }

    public func all(of type: NodeType) -> [Node] { nodes.filter { $0.type == type } }

    /// Whether the node is known and running.
    public func isRunning(_ nid: NID) -> Bool { self[nid]?.state == .running }

    /// To be called at each new connection to a master: its timestamps start from anything, and its first list is
    /// complete.
    public mutating func beginSession() {
        timestamp = nil
    }

    /// What applying a list did.
    public struct Update: Hashable, Sendable {
        /// Nodes as they are after the list, in its order, without those that were forgotten.
        public var changed: [Node] = []
        /// Nodes that left the cluster, as they were: connections with them are to be closed.
        public var forgotten: [Node] = []
        /// Where masters are, of those that changed.
        public var masters: [NodeAddress] { changed.filter { $0.type == .master }.compactMap(\.address) }
        /// Where masters were that left or moved. The first list of a session says nothing of that: another primary master may know
        /// fewer masters than the one before.
        public var abandonedAddresses: [NodeAddress] = []
    }

    /// Applies a list from the master (`spec/protocol.md §13`, 0x0006).
    ///
    /// The first list of a session is complete: other nodes are forgotten, but those of `kept` (the storages of the
    /// partition table).
    /// - Throws: ``TopologyError/invalidNode(_:)``, and nothing is changed, if the timestamp is not greater than the
    ///   previous one or a record is not coherent.
    public mutating func apply(
        _ information: NotifyNodeInformation,
        keeping kept: Set<NID> = []
    ) throws(TopologyError) -> Update {
        if let timestamp, !(information.timestamp > timestamp) {
            throw .invalidNode("expected a timestamp after \(timestamp), got \(information.timestamp)")
        }
        for record in information.nodes {
            guard record.nid != nil || record.address != nil else {
                throw .invalidNode("a \(record.type.name) without id nor address")
            }
            if let known = find(record), known.type != record.type {
                throw .invalidNode("\(known.type.name) \(describe(record)) announced as \(record.type.name)")
            }
        }
        var update = Update()
        let masters = timestamp == nil ? [] : all(of: .master).compactMap(\.address)
        if timestamp == nil {
            let listed = information.nodes
            let isListed = { (node: Node) in
                listed.contains { record in
                    (record.nid != nil && record.nid == node.nid)
                        || (record.address != nil && record.address == node.address)
                }
            }
            update.forgotten = nodes.filter { !isListed($0) && !($0.nid.map(kept.contains) ?? false) }
            nodes.removeAll { update.forgotten.contains($0) }
        }
        timestamp = information.timestamp
        for record in information.nodes {
            let previous = find(record)
            nodes.removeAll { node in
                node == previous
                    || (record.nid != nil && node.nid == record.nid)
                    || (record.address != nil && node.address == record.address)
            }
            if record.state == .unknown {
                if let previous { update.forgotten.append(previous) }
            } else {
                nodes.append(Node(record))
                update.changed.append(Node(record))
            }
        }
        update.abandonedAddresses = masters.filter { self[$0]?.type != .master }
        return update
    }

    /// Adds masters that are only known by their address.
    public mutating func addMasters(_ addresses: [NodeAddress]) {
        for address in addresses where self[address] == nil {
            nodes.append(Node(type: .master, address: address))
        }
    }

    private func find(_ record: NodeRecord) -> Node? {
        if let address = record.address, let node = self[address] { return node }
        return record.nid.flatMap { self[$0] }
    }

    private func describe(_ record: NodeRecord) -> String {
        record.nid?.description ?? record.address?.description ?? "?"
    }
}
