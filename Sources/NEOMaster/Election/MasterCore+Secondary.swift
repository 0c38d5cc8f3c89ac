import NEOEngine
import NEOProtocol
import NEOTopology
import OrderedCollections

/// A secondary master: it follows the primary, tells others where it is, and takes over when nobody else does
/// (`spec/master.md §3.4`).
extension MasterCore {
    /// - Parameter kept: the connection on which the target just accepted this node.
    mutating func becomeSecondary(
        of target: NodeAddress,
        keeping kept: ConnectionID?,
        _ context: inout Context
    ) {
        if registry[target] == nil { registry.add(Node(type: .master, address: target)) }
        for connection in connections.all where connection.id != kept { connections.close(connection.id, &context) }
        for id in unidentified { context.cancelTimer(.identification(id)) }
        context.cancelTimer(.election)
        unidentified = []
        election.attempts = [:]
        delayed = []
        packs = PackOrders()
        for node in Array(registry.all) {
            if node.type == .master {
                registry.update(node.key) { $0.connection = nil }
            } else {
                registry.remove(node.key)
            }
        }
        // Answers to what was asked as a candidate have no meaning any more.
        period += 1
        election.role = .secondary(
            Election.Secondary(target: target, failed: [address], connection: kept)
        )
        if kept == nil { connectToTarget(&context) }
    }

    mutating func connectToTarget(_ context: inout Context) {
        guard var secondary = election.secondary else { return }
        for node in registry.all(of: .master) where node.key != ownKey { registry.setState(.down, of: node.key) }
        secondary.failed.insert(secondary.target)
        secondary.isAccepted = false
        let delay = election.attempt(secondary.target, now: context.now)
        if delay > 0 {
            context.startTimer(.election, milliseconds: delay)
        } else {
            secondary.connection = connections.connect(to: secondary.target, &context)
        }
        election.secondary = secondary
    }

    mutating func targetLost(_ reason: String, _ context: inout Context) {
        guard var secondary = election.secondary else { return }
        context.log(.warning, "the connection to the master at \(secondary.target) is lost: \(reason)")
        secondary.connection = nil
        secondary.isAccepted = false
        if registry[secondary.target]?.state == .running {
            // Only the connection may have been lost: the same one is tried once more.
            secondary.failed = [address]
        } else {
            let next = registry.all(of: .master).compactMap(\.node.address)
                .first { !secondary.failed.contains($0) && $0 != address }
            guard let next else {
                context.log(.info, "no other master answers: this one is a candidate")
                election.secondary = secondary
                return becomePrimary(&context)
            }
            secondary.target = next
        }
        election.secondary = secondary
        connectToTarget(&context)
    }

    /// What a secondary answers to anyone who identifies (`spec/master.md §3.6`).
    mutating func redirect(_ request: RequestIdentification, _ source: Source, _ context: inout Context) {
        guard let secondary = election.secondary else { return }
        if request.address != secondary.target, !secondary.isAccepted, request.type == .master,
            request.idTimestamp != nil, let candidate = request.address
        {
            return becomeSecondary(of: candidate, keeping: nil, &context)
        }
        let masters = registry.all(of: .master).compactMap(\.node.address)
        let isKnown = secondary.isAccepted && request.address != secondary.target
        let answer = NotPrimaryMaster(
            primaryIndex: isKnown ? masters.firstIndex(of: secondary.target) : nil,
            masters: masters
        )
        connections.notify(source.connection, answer, &context)
        connections.closeAfterFlush(source.connection, &context)
        connectionLost(source.connection, nil, &context)
    }

    /// The primary tells which masters there are.
    mutating func electionInformed(
        _ information: NotifyNodeInformation,
        _ source: Source,
        _ context: inout Context
    ) {
        guard var secondary = election.secondary, secondary.connection == source.connection, secondary.isAccepted
        else { return refuse(source, "unexpected list of nodes", &context) }
        if let last = secondary.timestamp, !(information.timestamp > last) {
            return refuse(source, "expected a timestamp after \(last), got \(information.timestamp)", &context)
        }
        if secondary.timestamp == nil {
            let listed = Set(information.nodes.compactMap(\.address)).union([address, secondary.target])
            for node in registry.all(of: .master) where node.node.address.map({ !listed.contains($0) }) ?? true {
                registry.remove(node.key)
            }
        }
        secondary.timestamp = information.timestamp
        election.secondary = secondary
        for record in information.nodes where record.type == .master {
            if record.address == address || record.nid == nid {
                guard record.state == .down || record.state == .unknown else { continue }
                context.log(.info, "the primary master stops this one")
                departure = .done
                return context.exit(status: 0)
            }
            take(record)
        }
    }

    private mutating func take(_ record: NodeRecord) {
        guard let address = record.address else { return }
        if record.state == .unknown {
            if let node = registry[address] { registry.remove(node.key) }
            return
        }
        let key = registry[address]?.key ?? registry.add(Node(type: .master, address: address))
        guard registry[key]?.type == .master else { return }
        registry.update(key) { node in
            node.node.nid = record.nid
            node.node.state = record.state
            node.node.idTimestamp = record.idTimestamp
        }
    }

    mutating func electionInformed(
        _ information: NotifyClusterInformation,
        _ source: Source,
        _ context: inout Context
    ) {
        guard let secondary = election.secondary, secondary.connection == source.connection, secondary.isAccepted
        else { return refuse(source, "unexpected state of the cluster", &context) }
        guard information.state == .stopping else { return }
        context.log(.info, "the cluster is stopping")
        departure = .done
        context.exit(status: 0)
    }
}
