import MessagePack
import NEOEngine
import NEOProtocol
import NEOTopology
import OrderedCollections
import Testing

@testable import NEOMaster

/// Scenarios of `spec/master.md §19.1 and §19.2` that no other suite has: who is told what, and other masters.
@Suite struct RegistryScenarioTests {
    /// 19.1.6 and 7, the table of `§2.7`, with nodes that come and go in an order of which there are 200.
    @Test(arguments: 0..<200 as Range<UInt64>)
    func everybodyIsToldWhatItMayKnow(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var cluster = ScriptedCluster.running()
        cluster.send("S1", FlushLog())
        var serial = Int32(10)
        for _ in 0..<20 {
            let guests = cluster.names.values.filter { !["S1", "S2"].contains($0) && !$0.hasPrefix("to ") }
            if let name = guests.randomElement(using: &random), Bool.random(using: &random) {
                _ = cluster.cut(name)
                continue
            }
            serial += 1
            let type = [NodeType.master, .storage, .client, .admin].randomElement(using: &random) ?? .client
            let copies = type == .admin || type == .client && Bool.random(using: &random)
            let name = "\(type.name.prefix(1))\(serial)\(copies ? "+" : "")"
            _ = cluster.accept(name)
            let backup: MessagePackValue = type == .admin ? .array([.text("copy")]) : .text("copy")
            cluster.send(
                name,
                cluster.identification(
                    type,
                    port: type == .client ? nil : 40_000 + UInt16(serial),
                    extra: copies ? Properties(["backup": backup]) : Properties()
                )
            )
            guard case .notifyNodeInformation(let list)? = cluster.sent[name]?.dropFirst().first?.packet else {
                Issue.record("\(name) is not told the list of nodes")
                return
            }
            // Itself first, then all that it may know, the primary in any case.
            guard case .acceptIdentification(let accepted)? = cluster.sent[name]?.first?.packet else {
                Issue.record("\(name) is not accepted")
                return
            }
            #expect(list.nodes.first?.type == type && list.nodes.first?.state != .down)
            #expect(list.nodes.first?.nid == accepted.yourNID)
            #expect(list.nodes.contains { $0.nid == NID(.master, 1) })
            let known = Self.mayKnow(name)
            let others = cluster.core.registry.all.filter { node in
                node.node.nid != accepted.yourNID && known.contains(node.type)
                    // An admin is told to the primary masters of the backup clusters that it monitors.
                    && (node.type != .admin || !node.monitoredClusters.isEmpty)
            }
            #expect(Set(list.nodes.dropFirst().map(\.nid)) == Set(others.map(\.node.nid)))
            #expect(list.nodes.count == others.count + 1)
        }
        for (name, frames) in cluster.sent {
            var timestamps: [Double] = []
            for case .notifyNodeInformation(let information) in frames.map(\.packet) {
                timestamps.append(information.timestamp)
                #expect(!information.nodes.isEmpty)
                let told = Set(information.nodes.dropFirst(timestamps.count == 1 ? 1 : 0).map(\.type))
                #expect(told.isSubset(of: Self.mayKnow(name)), "\(name) is told of \(told)")
            }
            #expect(zip(timestamps, timestamps.dropFirst()).allSatisfy { $0 < $1 })
        }
    }

    /// 19.1.6: of each kind of node that comes, those are told that may know it, all of them and nobody else.
    @Test(arguments: [NodeType.master, .storage, .client, .admin])
    func allWhoMayKnowAreTold(type: NodeType) {
        var cluster = ScriptedCluster.running()
        cluster.admin()
        cluster.client(1)
        cluster.client(2, extra: Properties(["backup": .text("copy")]))
        _ = cluster.accept("M2")
        cluster.send("M2", cluster.identification(.master, port: 10_001))
        cluster.storage(3)
        _ = cluster.accept("new")
        let extra = type == .admin ? Properties(["backup": .array([.text("copy")])]) : Properties()
        let request = cluster.identification(type, port: type == .client ? nil : 45_000, extra: extra)
        let told = { (lines: [String]) in
            Set(
                lines.filter { $0.contains(" < NotifyNodeInformation ") && !$0.hasPrefix("new") }.map {
                    String($0.prefix(2))
                }
            )
        }
        let expected: Set<String> =
            switch type {
            case .master: ["S1", "S2", "S3", "A1", "C1", "C2", "M2"]
            case .storage: ["S1", "S2", "S3", "A1", "C1", "C2"]
            case .client: ["S1", "S2", "S3", "A1"]
            case .admin: ["C2"]
            }
        #expect(told(cluster.send("new", request)) == expected)
        // The loss of an admin is told to nobody. Masters may come back; clients, and storages that nobody uses, are forgotten.
        let lost = cluster.cut("new")
        #expect(told(lost) == (type == .admin ? [] : expected))
        let state = type == .master ? "DOWN" : "UNKNOWN"
        #expect(lost.allSatisfy { $0.hasSuffix(state) })
    }

    /// 19.1.3: a client is cut off and comes back after another one was given its id. Both write.
    @Test func clientWhoseIDWasGivenToAnother() {
        var cluster = ScriptedCluster.running(replicas: 1)
        cluster.client(1)
        let lost = cluster.begin("C1")
        _ = cluster.cut("C1")
        #expect(cluster.client(2).contains("C2 < AcceptIdentification C1"))
        #expect(cluster.client(1, nid: NID(.client, 1)).contains("C1 < AcceptIdentification C2"))
        let ttids = ["C1", "C2"].map { ($0, cluster.begin($0)) }
        for (name, ttid) in ttids {
            #expect(ttid > lost)
            cluster.finish(name, ttid, [2])
            cluster.lock("S1", ttid)
            #expect(cluster.lock("S2", ttid).contains("\(name) < AnswerTransactionFinished"))
        }
    }

    /// `spec/master.md §18.4`: a storage without id at the address of one that is down. The cells stay those of the other one, of
    /// which all must know that it is not there any more.
    @Test func storageThatLosesItsAddress() {
        var cluster = ScriptedCluster.running(replicas: 1)
        cluster.admin()
        _ = cluster.cut("S2")
        #expect(cluster.storage(2).first == "S1 < NotifyNodeInformation S2 DOWN")
        for name in ["S1", "A1"] {
            let told = cluster.sent[name, default: []].suffix(2).map(\.packet)
            guard case .notifyNodeInformation(let old)? = told.first,
                case .notifyNodeInformation(let new)? = told.last
            else {
                Issue.record("\(name) is not told")
                continue
            }
            #expect(old.nodes.map(\.nid) == [NID(.storage, 2)] && old.nodes.map(\.address) == [nil])
            #expect(new.nodes.map(\.nid) == [NID(.storage, 3)] && new.nodes.map(\.address?.port) == [20_002])
        }
    }

    private static func mayKnow(_ name: String) -> Set<NodeType> {
        switch name.first {
        case "S": [.master, .storage, .client]
        case "C": name.hasSuffix("+") ? [.master, .storage, .admin] : [.master, .storage]
        case "A": [.master, .storage, .client]
        default: [.master]
        }
    }

    /// 19.1.8
    @Test func storageThatMovesKeepsItsID() {
        var cluster = ScriptedCluster.running(replicas: 1)
        cluster.admin()
        _ = cluster.cut("S2")
        _ = cluster.accept("moved")
        let lines = cluster.send("moved", cluster.identification(.storage, nid: NID(.storage, 2), port: 23_456))
        #expect(lines.contains("moved < AcceptIdentification S2"))
        for name in ["S1", "A1"] {
            guard case .notifyNodeInformation(let information)? = cluster.last(name) else {
                Issue.record("\(name) is not told")
                continue
            }
            #expect(information.nodes.map(\.address?.port) == [23_456])
        }
        #expect(cluster.core.registry.all(of: .storage).count == 2)
    }

    /// 19.1.12
    @Test func answerThatNobodyAskedFor() {
        var cluster = ScriptedCluster.running()
        let name = "S2"
        guard let id = cluster.connection(name) else { return }
        let answer = AnswerLastIDs(lastTID: nil, lastOID: nil, firstTID: .max)
        let lines = cluster.event(.received(id, Frame(id: 999, answer.packet)))
        #expect(lines.contains { $0.hasPrefix("S2 < Error PROTOCOL_ERROR unexpected answer") })
        #expect(lines.contains("S2 closed"))
        #expect(cluster.core.clusterState == .recovering)
        let rows = [
            [CellRecord(nid: NID(.storage, 1), state: .upToDate)],
            [CellRecord(nid: NID(.storage, 2), state: .upToDate)],
        ]
        cluster.storage(2, nid: NID(.storage, 2))
        for number in 1...2 {
            cluster.answer("S\(number)", AnswerRecovery(ptid: 1, backupTID: nil, truncateTID: nil))
            cluster.answer("S\(number)", AnswerPartitionTable(ptid: 1, replicas: 0, rows: rows))
        }
        cluster.verify(storages: 1...2)
        #expect(cluster.core.clusterState == .running)
    }

    // MARK: Masters

    private static let addresses = (1...3).map { NodeAddress(host: "127.0.0.1", port: 10_000 + UInt16($0)) }

    private func masterStates(_ cluster: ScriptedCluster) -> [String] {
        cluster.core.registry.all(of: .master).map { "\($0.node.nid?.description ?? "?") \($0.state.name)" }
    }

    /// 19.2.1: only those that were started are RUNNING.
    @Test func mastersThatStartOneAfterTheOther() {
        var cluster = ScriptedCluster(masters: Self.addresses)
        for number in UInt16(1)...2 {
            _ = cluster.accept("M\(number + 1)")
            let lines = cluster.send(
                "M\(number + 1)",
                cluster.identification(
                    .master,
                    nid: NID(.master, 1),
                    port: 10_000 + number,
                    timestamp: cluster.wallTime + 1
                )
            )
            #expect(lines.contains("M\(number + 1) < AcceptIdentification M\(number + 1)"))
        }
        #expect(masterStates(cluster) == ["M1 RUNNING", "M2 RUNNING", "M3 RUNNING", "? DOWN"])
    }

    /// 19.2.4: another master is told to leave; this one is not.
    @Test func secondaryIsKilled() {
        var cluster = ScriptedCluster.running()
        cluster.admin()
        _ = cluster.accept("M2")
        cluster.send("M2", cluster.identification(.master, port: 10_001))
        let lines = cluster.send("A1", SetNodeState(nid: NID(.master, 2), state: .down))
        #expect(lines.first == "A1 < Error ACK state changed")
        #expect(lines.contains("M2 < NotifyNodeInformation M2 DOWN"))
        #expect(lines.last == "M2 closed")
        #expect(
            cluster.send("A1", SetNodeState(nid: NID(.master, 2), state: .down)) == [
                "A1 < Error ACK node already in DOWN state"
            ]
        )
        #expect(
            cluster.send("A1", SetNodeState(nid: NID(.master, 1), state: .down)) == [
                "A1 < Error DENIED can not kill primary master node"
            ]
        )
        #expect(cluster.core.clusterState == .running)
    }

    /// 19.2.4, as the other master sees it. Who is killed is told so in one list with others, or in the first one.
    @Test(arguments: [false, true])
    func killedSecondaryLeaves(isFirstList: Bool) throws {
        var cluster = ScriptedCluster(masters: Array(Self.addresses.prefix(1)))
        let primary = "to \(Self.addresses[0])"
        let connection = try #require(cluster.connection(primary))
        _ = cluster.event(.connected(connection))
        cluster.answer(primary, AcceptIdentification(type: .master, nid: NID(.master, 1), yourNID: NID(.master, 2)))
        func tell(_ timestamp: Double, _ states: [(Int32, NodeAddress, NodeState)]) -> [String] {
            let nodes = states.map {
                NodeRecord(type: .master, address: $1, nid: NID(.master, $0), state: $2, idTimestamp: nil)
            }
            return cluster.send(primary, NotifyNodeInformation(timestamp: timestamp, nodes: nodes))
        }
        let others = [(Int32(1), Self.addresses[0], NodeState.running), (3, Self.addresses[2], .down)]
        if !isFirstList {
            // That another one is DOWN is nothing to it.
            #expect(tell(1, others + [(2, ScriptedCluster.address, .running)]) == [])
            #expect(cluster.exitStatus == nil)
        }
        #expect(tell(2, others + [(2, ScriptedCluster.address, .down)]) == ["exit 0"])
    }

    /// A secondary of the first of `addresses`, to which it connected itself after it met it as an older candidate.
    /// - Parameter redirected: it found that one by another master, the second one.
    private func following(_ masters: Int, redirected: Bool = false) throws -> ScriptedCluster {
        var cluster = ScriptedCluster(masters: Array(Self.addresses.prefix(masters)))
        _ = cluster.accept("older")
        cluster.send("older", cluster.identification(.master, port: 10_001, timestamp: 1))
        #expect(!cluster.core.election.isPrimary)
        if redirected {
            let (address, id) = try attempt(&cluster)
            #expect(address == Self.addresses[0])
            _ = cluster.event(.connectFailed(id, reason: "refused"))
            let (other, second) = try attempt(&cluster)
            #expect(other == Self.addresses[1])
            _ = cluster.event(.connected(second))
            cluster.refuse("to \(other)", NotPrimaryMaster(primaryIndex: 0, masters: Self.addresses))
        }
        let (address, id) = try attempt(&cluster)
        #expect(address == Self.addresses[0])
        _ = cluster.event(.connected(id))
        cluster.answer(
            "to \(address)",
            AcceptIdentification(type: .master, nid: NID(.master, 1), yourNID: NID(.master, 2))
        )
        #expect(cluster.core.election.secondary?.isAccepted == true)
        return cluster
    }

    /// The master that a secondary connects to, at once or when it may.
    private func attempt(_ cluster: inout ScriptedCluster) throws -> (NodeAddress, ConnectionID) {
        if cluster.core.election.secondary?.connection == nil {
            cluster.advance(seconds: 2)
            _ = cluster.fire(.election)
        }
        let id = try #require(cluster.core.election.secondary?.connection)
        let name = try #require(cluster.names[id])
        return (try #require(Self.addresses.first { name == "to \($0)" }), id)
    }

    /// 19.2.3, `§3.4`: the primary is tried once more, then each of the others, whatever became of them before.
    @Test(arguments: [false, true])
    func othersAreTriedBeforeASecondaryLeads(redirected: Bool) throws {
        var cluster = try following(3, redirected: redirected)
        _ = cluster.cut("to \(Self.addresses[0])")
        var tried: [NodeAddress] = []
        while !cluster.core.election.isPrimary, tried.count < 10 {
            let (address, id) = try attempt(&cluster)
            tried.append(address)
            _ = cluster.event(.connectFailed(id, reason: "refused"))
        }
        #expect(tried == Self.addresses)
        #expect(cluster.core.election.isPrimary && cluster.core.clusterState == .recovering)
    }

    /// 19.2.10, the second row of the table of `§3.6`: whoever asks is sent to the primary, also an older candidate.
    @Test func candidateMeetsASecondary() throws {
        var cluster = try following(3)
        _ = cluster.accept("candidate")
        #expect(
            cluster.send("candidate", cluster.identification(.master, port: 10_003, timestamp: 0.5)) == [
                "candidate < NotPrimaryMaster 127.0.0.1:10001 of 4", "candidate closed",
            ]
        )
        #expect(cluster.core.election.secondary?.target == Self.addresses[0])
        // Whatever it is, who is not of this cluster is refused.
        for (port, name, text) in [(10_003, "other", "invalid cluster name"), (10_000, "test", "address conflict")]
            as [(UInt16, String, String)]
        {
            _ = cluster.accept("X")
            let request = cluster.identification(.master, port: port, cluster: name, timestamp: 0.5)
            #expect(cluster.send("X", request) == ["X < Error PROTOCOL_ERROR \(text)", "X closed"])
        }
    }

    /// A secondary that is late may take this one for the primary: so it does.
    @Test func candidateIsToldThatItLeads() throws {
        var cluster = ScriptedCluster(masters: Array(Self.addresses.prefix(1)))
        let name = "to \(Self.addresses[0])"
        _ = cluster.event(.connected(try #require(cluster.connection(name))))
        let masters = [ScriptedCluster.address, Self.addresses[0]]
        #expect(cluster.refuse(name, NotPrimaryMaster(primaryIndex: 0, masters: masters)) == [])
        #expect(cluster.core.election.isPrimary)
    }

    /// `§3.5`: masters that the primary does not list are forgotten, once: what is told later is not complete.
    @Test func mastersThatThePrimaryDoesNotKnow() throws {
        var cluster = try following(2)
        let primary = "to \(Self.addresses[0])"
        func tell(_ timestamp: Double, _ masters: [(Int32, NodeAddress)]) -> [String] {
            let nodes = masters.map {
                NodeRecord(type: .master, address: $1, nid: NID(.master, $0), state: .running, idTimestamp: nil)
            }
            return cluster.send(primary, NotifyNodeInformation(timestamp: timestamp, nodes: nodes))
        }
        let own = ScriptedCluster.address
        #expect(tell(5, [(2, own), (1, Self.addresses[0]), (3, Self.addresses[2])]) == [])
        #expect(cluster.core.knownMasters == [own, Self.addresses[0], Self.addresses[2]])
        #expect(tell(6, [(4, Self.addresses[1])]) == [])
        #expect(Set(cluster.core.knownMasters) == Set(Self.addresses + [own]))
        // `§2.7`: nothing comes twice, nor in another order.
        #expect(tell(6, []).last == "\(primary) closed")
    }

    /// `§2.2`: who is not here when the cluster leaves RECOVERING is DOWN, also if it was lost just before. Nobody is looked for
    /// from then on.
    @Test func masterIsLostBeforeTheStart() {
        var cluster = ScriptedCluster(autostart: 1, masters: Array(Self.addresses.prefix(2)))
        cluster.admin()
        _ = cluster.accept("M2")
        cluster.send("M2", cluster.identification(.master, port: 10_001, timestamp: cluster.wallTime + 1))
        #expect(masterStates(cluster) == ["M1 RUNNING", "M2 RUNNING", "? DOWN"])
        // Not looked for again within a second.
        #expect(cluster.cut("M2") == ["A1 < NotifyNodeInformation M2 DOWN"])
        cluster.storage(1)
        cluster.answer("S1", AnswerRecovery(ptid: nil, backupTID: nil, truncateTID: nil))
        let lines = cluster.answer("S1", Pong())
        #expect(cluster.core.clusterState == .verifying)
        #expect(masterStates(cluster) == ["M1 RUNNING", "M2 DOWN", "? DOWN"])
        #expect(lines.contains("to 127.0.0.1:10002 closed"))
        #expect(cluster.timers[.election] == nil)
    }

    /// 19.2.7
    @Test func secondariesAreNoStorages() {
        var cluster = ScriptedCluster(partitions: 3, autostart: 2)
        _ = cluster.accept("M2")
        cluster.send("M2", cluster.identification(.master, port: 10_001, timestamp: cluster.wallTime + 1))
        for number in Int32(1)...2 {
            cluster.storage(number)
            cluster.answer("S\(number)", AnswerRecovery(ptid: nil, backupTID: nil, truncateTID: nil))
        }
        // Where there are other masters, storages are asked whether they are still here.
        for name in ["S1", "S2"] { cluster.answer(name, Pong()) }
        #expect(cluster.core.clusterState == .verifying)
        #expect(cluster.tableText(2) == "U.|.U|U.")
        #expect(cluster.core.table.nids == [NID(.storage, 1), NID(.storage, 2)])
    }

    /// 19.2.10, the last two rows of the table of `§3.6`: a secondary that its primary did not accept yet.
    @Test func secondaryThatIsNotAccepted() {
        func yielding() -> ScriptedCluster {
            var cluster = ScriptedCluster(masters: [Self.addresses[0]])
            _ = cluster.accept("older")
            cluster.send("older", cluster.identification(.master, port: 10_001, timestamp: 1))
            #expect(cluster.core.election.secondary?.isAccepted == false)
            return cluster
        }
        var asked = yielding()
        #expect(asked.storage(1) == ["S1 < NotPrimaryMaster none of 2", "S1 closed"])
        // Another secondary, that looks for its primary.
        _ = asked.accept("lost")
        #expect(
            asked.send("lost", asked.identification(.master, port: 10_002)) == [
                "lost < NotPrimaryMaster none of 2", "lost closed",
            ]
        )
        // The primary itself.
        _ = asked.accept("older")
        #expect(
            asked.send("older", asked.identification(.master, port: 10_001, timestamp: 1)) == [
                "older < NotPrimaryMaster none of 2", "older closed",
            ]
        )
        // A candidate becomes the target.
        var led = yielding()
        _ = led.accept("candidate")
        led.send("candidate", led.identification(.master, port: 10_003, timestamp: 7))
        #expect(led.core.election.secondary?.target == Self.addresses[2])
    }
}
