import NEOEngine
import NEOProtocol
import NEOTopology
import OrderedCollections

/// A candidate, and what it learns from other masters (`spec/master.md §3.2, §3.3`).
extension MasterCore {
    /// Connects to the masters that are known and not connected, so that each pair of candidates meets.
    mutating func planConnections(_ context: inout Context) {
        guard election.isPrimary, clusterState == .recovering else { return }
        var wait: UInt64?
        var changed: [NodeKey] = []
        for node in registry.all(of: .master) where node.key != ownKey && !node.isIdentified {
            guard let address = node.node.address, !election.attempts.values.contains(address) else { continue }
            let delay = election.attempt(address, now: context.now)
            if delay > 0 {
                wait = min(wait ?? delay, delay)
                continue
            }
            if node.state != .down {
                registry.setState(.down, of: node.key)
                changed.append(node.key)
            }
            election.attempts[connections.connect(to: address, &context)] = address
        }
        tell(changed, &context)
        if let wait { context.startTimer(.election, milliseconds: wait) }
    }

    mutating func electionTimerFired(_ context: inout Context) {
        if election.isPrimary {
            planConnections(&context)
        } else if election.secondary?.connection == nil {
            connectToTarget(&context)
        }
    }

    mutating func electionConnected(_ id: ConnectionID, _ context: inout Context) {
        let since: Double? = if case .primary(let since) = election.role { since } else { nil }
        connections.ask(
            id,
            RequestIdentification(
                type: .master,
                nid: nid,
                address: address,
                cluster: configuration.cluster,
                idTimestamp: since,
                extra: Properties()
            ),
            then: .identification,
            &context
        )
    }

    mutating func electionConnectionLost(_ id: ConnectionID, _ reason: String, _ context: inout Context) {
        if let address = election.attempts.removeValue(forKey: id) {
            context.log(.debug, "master at \(address) cannot be asked: \(reason)")
            planConnections(&context)
        } else if election.secondary?.connection == id {
            targetLost(reason, &context)
        }
    }

    /// A candidate that is older: this one has lost.
    func electionIsLost(to request: RequestIdentification) -> Bool {
        guard
            clusterState == .recovering, case .primary(let since) = election.role,
            let date = request.idTimestamp, let other = request.address
        else { return false }
        return date == since ? other < address : date < since
    }

    /// The winner is not answered: this node connects to it.
    mutating func yield(to request: RequestIdentification, _ source: Source, _ context: inout Context) {
        guard let winner = request.address else { return refuse(source, "a master must say its address", &context) }
        context.log(.info, "the master at \(winner) is older: this one becomes its secondary")
        becomeSecondary(of: winner, keeping: nil, &context)
    }

    mutating func electionAccepted(
        _ answer: AcceptIdentification,
        _ source: Source,
        _ context: inout Context
    ) {
        guard answer.type == .master, let primary = answer.nid, primary.type == .master,
            let own = answer.yourNID, own.type == .master, own != primary
        else {
            return refuse(source, "expected the ids of two masters", &context)
        }
        if let winner = election.attempts[source.connection] {
            context.log(.info, "the master at \(winner) is primary: this one becomes its secondary")
            becomeSecondary(of: winner, keeping: source.connection, &context)
        }
        guard var secondary = election.secondary, secondary.connection == source.connection else { return }
        secondary.isAccepted = true
        secondary.timestamp = nil
        election.secondary = secondary
        registry.update(ownKey) { $0.node.nid = own }
        if let target = registry[secondary.target] {
            registry.update(target.key) { node in
                node.node.nid = primary
                node.node.state = .running
            }
        }
        context.log(.info, "secondary master \(own) of \(primary) at \(secondary.target)")
    }

    mutating func electionRedirected(_ answer: NotPrimaryMaster, _ source: Source, _ context: inout Context) {
        guard answer.masters.count <= 1000 else { return refuse(source, "too many masters", &context) }
        for address in answer.masters where registry[address] == nil {
            registry.add(Node(type: .master, address: address))
        }
        guard let index = answer.primaryIndex else { return planConnections(&context) }
        guard answer.masters.indices.contains(index) else {
            return refuse(source, "no master \(index) in a list of \(answer.masters.count)", &context)
        }
        let primary = answer.masters[index]
        guard primary != address else { return }
        if election.isPrimary {
            // A secondary that is late may name a master that is ours already.
            guard clusterState == .recovering, registry[primary]?.isIdentified != true else { return }
            context.log(.info, "the primary master is at \(primary)")
            becomeSecondary(of: primary, keeping: nil, &context)
        } else if var secondary = election.secondary, secondary.target != primary {
            connections.close(source.connection, &context)
            secondary.target = primary
            secondary.connection = nil
            secondary.isAccepted = false
            election.secondary = secondary
            connectToTarget(&context)
        }
    }

    /// The cluster leaves RECOVERING: this master cannot be deposed any more, and looks for nobody.
    /// - Returns: the masters whose state changed.
    mutating func forgetConnectingMasters(_ context: inout Context) -> [NodeKey] {
        for id in election.attempts.keys { connections.close(id, &context) }
        election.attempts = [:]
        context.cancelTimer(.election)
        let absent = registry.all(of: .master)
            .filter { $0.key != ownKey && !$0.isIdentified && $0.state != .down }.map(\.key)
        for key in absent { registry.setState(.down, of: key) }
        return absent
    }

    /// A master identified to this one: nothing is to be asked from it any more.
    mutating func forgetAttempt(to address: NodeAddress, _ context: inout Context) {
        for (id, other) in election.attempts where other == address {
            connections.close(id, &context)
            election.attempts[id] = nil
        }
    }
}
