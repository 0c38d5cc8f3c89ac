import NEOProtocol

/// What is known of a node of the cluster.
public struct Node: Hashable, Sendable {
    public let type: NodeType
    public var address: NodeAddress?
    public var nid: NID?
    public var state: NodeState
    /// Identifies an incarnation of the node (`spec/protocol.md §10.5`).
    public var idTimestamp: Double?

    public init(
        type: NodeType,
        address: NodeAddress? = nil,
        nid: NID? = nil,
        state: NodeState = .down,
        idTimestamp: Double? = nil
    ) {
        self.type = type
        self.address = address
        self.nid = nid
        self.state = state
        self.idTimestamp = idTimestamp
    }

    public init(_ record: NodeRecord) {
        self.init(
            type: record.type,
            address: record.address,
            nid: record.nid,
            state: record.state,
            idTimestamp: record.idTimestamp
        )
    }

    /// The node as it is told to others.
    public var record: NodeRecord {
        NodeRecord(type: type, address: address, nid: nid, state: state, idTimestamp: idTimestamp)
    }
}
