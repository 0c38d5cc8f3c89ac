import NEOEngine
import NEOProtocol
import NEOTopology
import OrderedCollections

/// The nodes that the primary master knows (`spec/master.md §2`). Never two with one id or one address.
struct NodeRegistry: Sendable {
    private var nodes: OrderedDictionary<NodeKey, RegisteredNode> = [:]
    private var keysByNID: [NID: NodeKey] = [:]
    private var keysByAddress: [NodeAddress: NodeKey] = [:]
    private var keysByConnection: [ConnectionID: NodeKey] = [:]
    private var lastKey = 0
    /// The greatest storage id that was given or seen, whatever became of the storage.
    private var highestStorage = Int32(0)

    /// In the order in which they became known.
    var all: OrderedDictionary<NodeKey, RegisteredNode>.Values { nodes.values }

    func all(of type: NodeType) -> [RegisteredNode] { nodes.values.filter { $0.type == type } }

    /// Those with a connection, in the order in which they became known.
    func identified(_ type: NodeType) -> [RegisteredNode] {
        nodes.values.filter { $0.type == type && $0.isIdentified }
    }

    var identified: [RegisteredNode] { nodes.values.filter(\.isIdentified) }

    subscript(key: NodeKey) -> RegisteredNode? { nodes[key] }
    subscript(nid: NID) -> RegisteredNode? { keysByNID[nid].flatMap { nodes[$0] } }
    subscript(address: NodeAddress) -> RegisteredNode? { keysByAddress[address].flatMap { nodes[$0] } }
    subscript(connection: ConnectionID) -> RegisteredNode? { keysByConnection[connection].flatMap { nodes[$0] } }

    /// The connection of an identified storage.
    func connection(of storage: NID) -> ConnectionID? {
        guard let node = self[storage], node.type == .storage else { return nil }
        return node.connection
    }

    func isRunning(_ nid: NID) -> Bool { self[nid]?.state == .running }

    // MARK: Changes

    @discardableResult
    mutating func add(_ node: Node) -> NodeKey {
        lastKey += 1
        let key = NodeKey(number: lastKey)
        nodes[key] = RegisteredNode(key: key, node: Node(type: node.type, state: node.state))
        update(key) { $0.node = node }
        return key
    }

    /// Changes a node. An id or an address that another node had is taken from it.
    mutating func update(_ key: NodeKey, _ change: (inout RegisteredNode) -> Void) {
        guard var node = nodes[key] else { return }
        let previous = node
        change(&node)
        if previous.node.nid != node.node.nid {
            if let nid = previous.node.nid { keysByNID[nid] = nil }
            if let nid = node.node.nid {
                if let other = keysByNID[nid] { nodes[other]?.node.nid = nil }
                keysByNID[nid] = key
                saw([nid])
            }
        }
        if previous.node.address != node.node.address {
            if let address = previous.node.address { keysByAddress[address] = nil }
            if let address = node.node.address {
                if let other = keysByAddress[address] { nodes[other]?.node.address = nil }
                keysByAddress[address] = key
            }
        }
        if previous.connection != node.connection {
            if let connection = previous.connection { keysByConnection[connection] = nil }
            if let connection = node.connection { keysByConnection[connection] = key }
        }
        nodes[key] = node
    }

    mutating func setState(_ state: NodeState, of key: NodeKey) {
        update(key) { $0.node.state = state }
    }

    @discardableResult
    mutating func remove(_ key: NodeKey) -> RegisteredNode? {
        guard let node = nodes[key] else { return nil }
        if let nid = node.node.nid { keysByNID[nid] = nil }
        if let address = node.node.address { keysByAddress[address] = nil }
        if let connection = node.connection { keysByConnection[connection] = nil }
        return nodes.removeValue(forKey: key)
    }

    // MARK: Ids

    /// There are, or were, storages with these ids.
    mutating func saw(_ nids: some Sequence<NID>) {
        for nid in nids where nid.type == .storage { highestStorage = max(highestStorage, nid.rawValue) }
    }

    private static var maximumNumber: Int32 { 0xff_ffff }

    /// Whether there are ids for storages beyond those that were seen.
    var hasGreaterNIDs: Bool { highestStorage < Self.maximumNumber }

    /// An id for a new node: the smallest one that nobody has and that is not in `reserved`.
    ///
    /// The id of a storage is on its disk, and the storage may come back long after it was forgotten. It gets one that is
    /// greater than all those that were seen; the reference gives the smallest one again (`spec/master.md §2.5`), so that
    /// there may be two databases with one id.
    ///
    /// - Returns: nil if there is none left.
    func freeNID(_ type: NodeType, reserved: Set<NID>) -> NID? {
        let isFree = { (nid: NID) in keysByNID[nid] == nil && !reserved.contains(nid) }
        if type == .storage, hasGreaterNIDs {
            let next = NID(type, highestStorage + 1)
            if isFree(next) { return next }
        }
        for number in 1...Self.maximumNumber {
            let nid = NID(type, number)
            if isFree(nid) { return nid }
        }
        return nil
    }
}
