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
