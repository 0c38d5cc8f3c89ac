import MessagePack
import NEOEngine
import NEOProtocol
import NEOTopology
import OrderedCollections

/// Identification of the nodes that connect to the primary (`spec/master.md §2.4`). The whole of it is one turn: nothing
/// comes between what others are told, the answer, the list of nodes and the table.
extension MasterCore {
    mutating func identify(_ request: RequestIdentification, _ source: Source, _ context: inout Context) {
        var request = request
        // The id that it had is that of another storage.
        if request.type == .storage, let address = request.address, recovery.takeImpostor(address) { request.nid = nil }
        guard request.cluster == configuration.cluster else {
            return refuse(source, "invalid cluster name", &context)
        }
        if request.type == .storage {
            registry.saw([request.nid, RegisteredNode.lastNID(request.extra)].compactMap(\.self))
            if isImpostor(request) { request.nid = nil }
        }
        if let requested = request.address, requested == address {
            return refuse(source, "address conflict", &context)
        }
        if !election.isPrimary { return redirect(request, source, &context) }
        if request.type == .master, electionIsLost(to: request) {
            return yield(to: request, source, &context)
        }
        makeWay(for: request, &context)
        let designation = registry.designate(request, own: ownKey)
        if case .refused(let text) = designation { return refuse(source, text, &context) }
        guard let newPartitions = newPartitions(request) else {
            return refuse(source, "new_nid names partitions that do not exist", &context)
        }
        if case .reconnected(let key) = designation, let old = registry[key]?.connection {
            disconnect(old, "it identifies again on another connection", &context)
        }
        // The loss of the old connection may have changed all that matters here, the entry included.
        let known = registry.designate(request, own: ownKey)
        guard let state = admit(request, designation: known, newPartitions, source, &context) else { return }
        if !known.isKnown, !makeRoom(for: request.type, &context) {
            return refuse(source, "\(configuration.limits.nodesPerType) nodes of this type are connected", &context)
        }
        guard let key = register(request, designation: known, state, &context) else {
            return refuse(source, "no id is left", &context)
        }
        registry.update(key) { node in
            node.node.idTimestamp = timestamps.next(context.wallTime)
            node.take(request.extra)
        }
        if let node = registry[key], node.type == .storage, let nid = node.node.nid, node.recordedPTID ?? 0 > 0 {
            records.saw(nid)
        }
        tell([key], &context)
        if !newPartitions.isEmpty, let nid = registry[key]?.node.nid {
            let changes = newPartitions.map { CellChange(partition: $0, nid: nid, state: .outOfDate) }
            members.insert(nid)
            table.apply(changes)
            tell(changes, &context)
        }
        if unidentified.remove(source.connection) != nil { context.cancelTimer(.identification(source.connection)) }
        registry.update(key) { $0.connection = source.connection }
        if request.type == .master, let peer = request.address { forgetAttempt(to: peer, &context) }
        guard let node = registry[key] else { return }
        context.log(.info, "\(node) is identified, \(node.state.name)")
        connections.answer(
            source.connection,
            to: source.request,
            AcceptIdentification(type: .master, nid: nid, yourNID: node.node.nid),
            &context
        )
        tellAll(to: node, &context)
        introduce(node, source.connection, &context)
    }

    /// What follows the list of nodes.
    private mutating func introduce(_ node: RegisteredNode, _ connection: ConnectionID, _ context: inout Context) {
        switch node.type {
        case .master:
            break
        case .client, .admin:
            connections.notify(connection, fullTable, &context)
        case .storage:
            if clusterState == .recovering {
                askRecovery(node, &context)
            } else if !isHeldBack(node) {
                connections.notify(connection, fullTable, &context)
                if clusterState == .running, node.state == .running { startOperation(node, &context) }
            }
        }
    }

    /// Accepts or refuses by type and state of the cluster.
    /// - Returns: the state of the node; nil if it was refused.
    private mutating func admit(
        _ request: RequestIdentification,
        designation: Designation,
        _ newPartitions: [PartitionID],
        _ source: Source,
        _ context: inout Context
    ) -> NodeState? {
        switch request.type {
        case .admin:
            return .running
        case .master:
            guard request.address != nil else {
                refuse(source, "a master must say its address", &context)
                return nil
            }
            return .running
        case .client:
            // One that lost its connection during a finish may still ask how it ended (`§18.3`).
            let mayAskItsEnd = clusterState == .stopping && transactions.hasOrphan
            guard clusterState == .running || mayAskItsEnd, departure == .none else {
                refuseNotReady(source, &context)
                return nil
            }
            return .running
        case .storage:
            switch clusterState {
            case .stopping, .stoppingBackup:
                refuseNotReady(source, &context)
                return nil
            case .recovering:
                guard request.address != nil else {
                    refuseNotReady(source, &context)
                    return nil
                }
                return .pending
            case .verifying, .running, .startingBackup, .backingUp:
                guard request.address != nil else {
                    guard request.nid == nil, !newPartitions.isEmpty else {
                        refuse(source, "a storage must say its address", &context)
                        return nil
                    }
                    return .down
                }
                if let nid = request.nid, table.nids.contains(nid),
                    let ptid = RegisteredNode.recordedPTID(request.extra),
                    let own = table.ptid, ptid > own
                {
                    // Another master leads, or led, and this one did not notice. The storage would give up what it has: the
                    // locks of commits that were decided, for example.
                    let text = "\(nid) has partition table \(ptid), and this master \(own): another master led"
                    context.log(.warning, text)
                    refuseNotReady(source, because: text, &context)
                    return nil
                }
                // Only those that have a place in the table take part without being added (`§18.4`).
                guard case .known(let key) = designation, let nid = registry[key]?.node.nid, nid == request.nid,
                    members.contains(nid)
                else { return .pending }
                return .running
            }
        }
    }

    /// Lets whoever connects with ever new addresses not fill the memory.
    /// - Returns: whether a node can be added.
    private mutating func makeRoom(for type: NodeType, _ context: inout Context) -> Bool {
        let nodes = registry.all(of: type)
        guard nodes.count >= configuration.limits.nodesPerType else { return true }
        let members = table.nids
        let idle = nodes.first { $0.key != ownKey && !$0.isIdentified && !($0.node.nid.map(members.contains) ?? false) }
        guard let idle else { return false }
        context.log(.warning, "\(idle) is forgotten: too many nodes")
        registry.remove(idle.key)
        tellForgotten([idle], &context)
        return true
    }

    /// The partitions of a copied database that asks for an id of its own.
    /// - Returns: nil if there are no such partitions.
    private func newPartitions(_ request: RequestIdentification) -> [PartitionID]? {
        guard request.type == .storage, let values = request.extra["new_nid"]?.array else { return [] }
        var partitions: [PartitionID] = []
        for value in values {
            guard let number = value.integer, let partition = PartitionID(exactly: number),
                table.rows.indices.contains(partition), !partitions.contains(partition)
            else { return nil }
            partitions.append(partition)
        }
        return partitions
    }

    /// Decides the id (`§2.5`) and puts the node into the registry, without its connection.
    /// - Returns: nil if no id is left.
    private mutating func register(
        _ request: RequestIdentification,
        designation: Designation,
        _ state: NodeState,
        _ context: inout Context
    ) -> NodeKey? {
        let reserved = table.nids
        let existing: NodeKey?
        // An id of another namespace is replaced: it could be mistaken for that of another node (`§18.5`).
        var wanted = request.nid.flatMap { $0.type == request.type && $0.rawValue & 0xff_ffff != 0 ? $0 : nil }
        switch designation {
        case .known(let key):
            existing = key
        case .new, .refused, .reconnected:
            existing = nil
        case .newWithoutNID:
            existing = nil
            wanted = nil
        case .newAtAddress(let other):
            existing = nil
            registry.update(other) { $0.node.address = nil }
            tell([other], &context)
        }
        if let holder = wanted.flatMap({ registry[$0] }), holder.key != existing { wanted = nil }
        let kept = existing.flatMap { registry[$0]?.node.nid }
        guard let nid = wanted ?? kept ?? registry.freeNID(request.type, reserved: reserved) else { return nil }
        let key = existing ?? registry.add(Node(type: request.type, state: state))
        registry.update(key) { node in
            node.node.nid = nid
            node.node.address = request.address
            node.node.state = state
            node.hasOwnID = request.nid == nid
        }
        return key
    }

    // MARK: Storages without a table

    /// Whether a storage says that it has no table, and comes with the id of one that has cells, or had a table: the id is that
    /// of another one. In RECOVERING it is asked later, once the table is known (``rejectImpostors(_:)``). A reference storage
    /// says nothing.
    private func isImpostor(_ request: RequestIdentification) -> Bool {
        guard let nid = request.nid, RegisteredNode.recordedPTID(request.extra) == 0 else { return false }
        if records.hasTable(nid) { return true }
        // The one to whom this master gave the id may have been lost before it recorded a table.
        return clusterState != .recovering && table.nids.contains(nid) && registry[nid]?.node.address != request.address
    }

    /// Whoever comes with an id has it from a partition table, or from another master; a storage that has no table must
    /// not keep it from its owner (`spec/master.md §18.4`).
    private mutating func makeWay(for request: RequestIdentification, _ context: inout Context) {
        guard clusterState == .recovering, request.type == .storage, let nid = request.nid, !nid.isTemporary,
            let holder = registry[nid], holder.isIdentified, holder.type == .storage,
            holder.node.address != request.address, recovery.isWithoutTable(nid)
        else { return }
        rejectID(of: holder, because: Self.hasNoTable, &context)
    }

    /// A storage that has no partition table cannot have what the loaded one gives to its id. This master gave the id before
    /// it knew the table; or another master did, or the database was erased since. Only with the first table of a cluster
    /// may the owner not have recorded it (`untriedOwners`): then nothing was committed. An id that the table does not give
    /// cells to, and that is not greater than all those that its storages heard of, may be that of one that was dropped.
    mutating func rejectImpostors(_ context: inout Context) {
        guard recovery.isLoaded, let ptid = table.ptid else { return }
        // Another table than 1 is the first one if this master made one before that nobody recorded.
        let isFirst = ptid == 1 || ptid == recovery.createdPTID
        let named = table.nids
        let highest = named.union(registry.identified(.storage).flatMap(idsNamed)).max()
        for node in registry.identified(.storage) {
            guard let nid = node.node.nid,
                recovery.isWithoutTable(nid) || recovery.ptid(of: nid) == nil && node.recordedPTID == 0
            else { continue }
            let isOfAnother =
                named.contains(nid)
                ? !node.hasOwnID || !isFirst
                : registry.hasGreaterNIDs && highest.map { nid <= $0 } ?? false
            if isOfAnother { rejectID(of: node, because: Self.hasNoTable, &context) }
        }
    }

    /// What a storage that has a table says of ids.
    private func idsNamed(by node: RegisteredNode) -> [NID] {
        guard let nid = node.node.nid, recovery.ptid(of: nid) != nil else { return [] }
        return [nid, node.lastNID].compactMap(\.self)
    }

    private static var hasNoTable: String { "no partition table, and the id of another storage" }

    /// The storage has to identify again, and gets another id.
    mutating func rejectID(of node: RegisteredNode, because reason: String, _ context: inout Context) {
        guard let address = node.node.address, let connection = node.connection else { return }
        recovery.addImpostor(address)
        disconnect(connection, "it has \(reason)", &context)
        registry.update(node.key) { $0.node.address = nil }
        // Whoever is told next of a node at this address would take it for this one.
        tell([node.key], &context)
    }
}
