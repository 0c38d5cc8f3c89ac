import NEOProtocol

/// Which entry of the registry a peer designates when it identifies (`spec/master.md §2.4` step 3).
enum Designation: Hashable, Sendable {
    /// An entry whose node is not connected.
    case known(NodeKey)
    /// An entry that still has a connection: the same node, whose end was not noticed yet (`§18.1`).
    case reconnected(NodeKey)
    /// A new entry, that may keep the requested id.
    case new
    /// A new entry with a new id.
    case newWithoutNID
    /// Another storage at the address of one that was there before, and that loses it: its cells stay its own (`§18.4`).
    case newAtAddress(of: NodeKey)
    case refused(String)

    /// Whether the registry has the entry.
    var isKnown: Bool {
        switch self {
        case .known, .reconnected: true
        case .new, .newWithoutNID, .newAtAddress, .refused: false
        }
    }
}

extension NodeRegistry {
    func designate(_ request: RequestIdentification, own: NodeKey) -> Designation {
        let byNID = request.nid.flatMap { self[$0] }
        let byAddress = request.address.flatMap { self[$0] }
        if let byAddress {
            guard byAddress.type == request.type else {
                return .refused("the address is that of \(byAddress)")
            }
            if byAddress.isIdentified {
                // The address of a process is only taken by another one once it is over. A master may come without the id that
                // it had here, having led since, or been restarted; masters that do not see each other both lead.
                let isSame = byNID?.key == byAddress.key || request.type == .master
                return isSame ? .reconnected(byAddress.key) : .refused("already connected")
            }
            if byNID?.key == byAddress.key { return .known(byAddress.key) }
            if let nid = request.nid, byNID != nil, !nid.isTemporary { return .refused("already connected") }
            return request.type == .storage ? .newAtAddress(of: byAddress.key) : .known(byAddress.key)
        }
        guard let byNID, let nid = request.nid else { return .new }
        // Two databases with one id, or one that moved before the loss of its old connection was noticed: the first one stays.
        if byNID.isIdentified { return nid.isTemporary ? .newWithoutNID : .refused("already connected: \(byNID)") }
        if byNID.key == own { return .newWithoutNID }
        guard byNID.type == request.type else {
            return nid.isTemporary ? .newWithoutNID : .refused("\(nid) is the id of \(byNID)")
        }
        return .known(byNID.key)
    }
}
