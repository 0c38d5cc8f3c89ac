import MessagePack
import NEOEngine
import NEOProtocol
import NEOTopology
import NIOCore

/// One life of a node in the registry of the master. Never used again: a client that comes back is another one, even
/// if it gets the same id.
struct NodeKey: Hashable, Comparable, Sendable {
    let number: Int

    static func < (left: NodeKey, right: NodeKey) -> Bool { left.number < right.number }
}

/// What the primary master knows of a node (`spec/master.md §2.3`).
struct RegisteredNode: Hashable, Sendable {
    let key: NodeKey
    var node: Node
    /// The connection on which the node identified, as long as it is there.
    var connection: ConnectionID?
    /// The node came with its id: it was not given by this master.
    var hasOwnID = false
    /// The table that a storage said that it had when it identified, 0 if none; nil once the service may have begun since, or
    /// if it said nothing.
    var recordedPTID: Int?
    /// The greatest id of a storage that this storage heard of.
    var lastNID: NID?
    /// Path of the device of a storage, for the topology.
    var devicePath: [[UInt8]] = []
    /// The client may not write.
    var isReadOnly = false
    /// The client is the primary master of this backup cluster.
    var backupCluster: [UInt8]?
    /// The backup clusters that an admin monitors.
    var monitoredClusters: [[UInt8]] = []

    var type: NodeType { node.type }
    var state: NodeState { node.state }
    var isIdentified: Bool { connection != nil }

    /// Takes what is of use in the properties sent at identification (`spec/master.md §2.4`).
    mutating func take(_ extra: Properties) {
        switch type {
        case .storage:
            lastNID = Self.lastNID(extra)
            recordedPTID = Self.recordedPTID(extra)
            devicePath = (extra["devpath"]?.array ?? []).compactMap(\.octets)
        case .client:
            backupCluster = extra["backup"]?.octets
            isReadOnly = extra["read_only"]?.bool ?? (backupCluster != nil)
        case .admin:
            monitoredClusters = (extra["backup"]?.array ?? []).compactMap(\.octets)
        case .master:
            break
        }
    }

    /// The PTID that a storage says that it recorded, 0 if none.
    static func recordedPTID(_ extra: Properties) -> Int? { extra["ptid"]?.integer.flatMap { Int(exactly: $0) } }

    static func lastNID(_ extra: Properties) -> NID? {
        guard let number = extra["last_nid"]?.integer.flatMap({ Int32(exactly: $0) }) else { return nil }
        let nid = NID(number)
        return nid.type == .storage ? nid : nil
    }
}

extension RegisteredNode: CustomStringConvertible {
    /// For logs: `storage S1 at 127.0.0.1:20000`.
    var description: String {
        let name = "\(type.name.lowercased()) \(node.nid?.description ?? "without id")"
        return node.address.map { "\(name) at \($0)" } ?? name
    }
}

extension MessagePackValue {
    fileprivate var octets: [UInt8]? {
        switch self {
        case .binary(let bytes): Array(bytes.readableBytesView)
        case .string(let text): Array(text.utf8)
        default: nil
        }
    }
}
