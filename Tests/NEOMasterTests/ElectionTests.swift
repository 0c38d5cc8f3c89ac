import NEOEngine
import NEOProtocol
import Testing

@testable import NEOMaster

/// Two masters, one of which is real (`spec/master.md §3`).
@Suite struct ElectionTests {
    static let other = NodeAddress(host: "127.0.0.1", port: 10_001)

    private func start() -> ScriptedCluster { ScriptedCluster(masters: [Self.other]) }

    /// The outgoing connection to the other master.
    private let outgoing = ConnectionID(.outgoing, 1)

    @Test func candidateAsksTheOthers() {
        var cluster = start()
        #expect(cluster.connection("to 127.0.0.1:10001") == outgoing)
        #expect(cluster.event(.connected(outgoing)) == ["to 127.0.0.1:10001 < RequestIdentification"])
    }

    @Test func youngerCandidateBecomesSecondary() {
        var cluster = start()
        _ = cluster.accept("M2")
        let lines = cluster.send(
            "M2",
            cluster.identification(.master, nid: NID(.master, 1), port: 10_001, timestamp: cluster.wallTime + 100)
        )
        #expect(lines.contains("M2 < AcceptIdentification M2"))
        // The attempt to connect to it is over.
        #expect(cluster.connection("to 127.0.0.1:10001") == nil)
        #expect(cluster.core.election.isPrimary)
    }

    @Test func olderCandidateWins() {
        var cluster = start()
        _ = cluster.accept("M2")
        let lines = cluster.send(
            "M2",
            cluster.identification(.master, nid: NID(.master, 1), port: 10_001, timestamp: 1)
        )
        #expect(!cluster.core.election.isPrimary)
        #expect(lines.contains("M2 closed"))
        #expect(!lines.contains { $0.hasPrefix("M2 <") })
        // One attempt per second for one address.
        #expect(cluster.timers[.election] != nil)
        #expect(cluster.core.election.secondary?.target == Self.other)
    }

    /// `spec/master.md §3.1`: of two candidates of one date the smaller address wins, so that each of them sees the same winner.
    @Test(arguments: [UInt16(9_999), 10_001])
    func candidatesOfOneDate(port: UInt16) {
        var cluster = start()
        guard case .primary(let since) = cluster.core.election.role else {
            Issue.record("not a candidate")
            return
        }
        _ = cluster.accept("M2")
        cluster.send("M2", cluster.identification(.master, nid: NID(.master, 1), port: port, timestamp: since))
        #expect(cluster.core.election.isPrimary == (port > ScriptedCluster.address.port))
    }

    /// `spec/master.md §3.3`: a secondary that is late names a master that is ours already; one that is not ours is followed.
    @Test(arguments: [false, true])
    func candidateIsToldOfAPrimary(isOurs: Bool) {
        let third = NodeAddress(host: "127.0.0.1", port: 10_002)
        var cluster = ScriptedCluster(masters: [Self.other, third])
        let name = "to \(third)"
        guard let asked = cluster.connection(name) else {
            Issue.record("\(third) is not asked")
            return
        }
        _ = cluster.event(.connected(asked))
        if isOurs {
            _ = cluster.accept("M2")
            let younger = cluster.wallTime + 100
            cluster.send("M2", cluster.identification(.master, nid: NID(.master, 1), port: 10_001, timestamp: younger))
        }
        // A refusal is an answer whose type is not that of the request.
        cluster.refuse(name, NotPrimaryMaster(primaryIndex: 0, masters: [Self.other, third]))
        #expect(cluster.core.election.isPrimary == isOurs)
        if !isOurs { #expect(cluster.core.election.secondary?.target == Self.other) }
    }

    /// `spec/master.md §3.2` holds in RECOVERING only: a primary whose cluster is not in service any more yields to an older one.
    @Test func primaryThatLostItsStoragesYields() {
        var cluster = ScriptedCluster.running()
        _ = cluster.cut("S2")
        #expect(cluster.core.clusterState == .recovering)
        _ = cluster.accept("M2")
        let lines = cluster.send(
            "M2",
            cluster.identification(.master, nid: NID(.master, 1), port: 10_001, timestamp: 1)
        )
        #expect(!cluster.core.election.isPrimary)
        #expect(cluster.core.election.secondary?.target == Self.other)
        #expect(lines.contains("S1 closed"))
    }

    private func accepted() -> ScriptedCluster {
        var cluster = start()
        _ = cluster.event(.connected(outgoing))
        cluster.answer(
            "to 127.0.0.1:10001",
            AcceptIdentification(type: .master, nid: NID(.master, 1), yourNID: NID(.master, 2))
        )
        cluster.send(
            "to 127.0.0.1:10001",
            NotifyNodeInformation(
                timestamp: 1,
                nodes: [
                    NodeRecord(
                        type: .master,
                        address: ScriptedCluster.address,
                        nid: NID(.master, 2),
                        state: .running,
                        idTimestamp: 1
                    ),
                    NodeRecord(
                        type: .master,
                        address: Self.other,
                        nid: NID(.master, 1),
                        state: .running,
                        idTimestamp: nil
                    ),
                ]
            )
        )
        return cluster
    }

    @Test func secondarySaysWhereThePrimaryIs() {
        var cluster = accepted()
        #expect(cluster.core.nid == NID(.master, 2))
        #expect(!cluster.core.election.isPrimary)
        #expect(cluster.client(1) == ["C1 < NotPrimaryMaster 127.0.0.1:10001 of 2", "C1 closed"])
        #expect(cluster.storage(1) == ["S1 < NotPrimaryMaster 127.0.0.1:10001 of 2", "S1 closed"])
    }

    @Test func secondaryTakesOver() {
        var cluster = accepted()
        // Once more the same one, then nobody else is known.
        _ = cluster.cut("to 127.0.0.1:10001")
        #expect(!cluster.core.election.isPrimary)
        cluster.advance(seconds: 2)
        _ = cluster.fire(.election)
        let second = cluster.connection("to 127.0.0.1:10001")
        if let second {
            _ = cluster.event(.connectFailed(second, reason: "refused"))
        } else {
            Issue.record("no second attempt")
        }
        #expect(cluster.core.election.isPrimary)
        #expect(cluster.core.clusterState == .recovering)
        #expect(cluster.storage(1).contains("S1 < AskRecovery"))
    }

    @Test func secondaryStopsWithTheCluster() {
        var cluster = accepted()
        #expect(
            cluster.send("to 127.0.0.1:10001", NotifyClusterInformation(state: .stopping)) == ["exit 0"]
        )
    }

    /// Seed 4051512 of the simulation: the connection to the other one was dead, and nobody noticed. It was started again, and
    /// leads; who leads does not look for others.
    @Test func masterThatIsStoppedIsLookedFor() {
        var cluster = start()
        cluster.admin()
        _ = cluster.accept("M2")
        let request = cluster.identification(.master, port: 10_001, timestamp: cluster.wallTime + 100)
        #expect(cluster.send("M2", request).contains("M2 < AcceptIdentification M2"))
        cluster.advance(seconds: 2)
        let lines = cluster.send("A1", SetNodeState(nid: NID(.master, 2), state: .down))
        #expect(lines.contains("M2 < NotifyNodeInformation M2 DOWN"))
        #expect(lines.contains("connect 127.0.0.1:10001"))
    }

    @Test func runningPrimaryIsNotDeposed() {
        var cluster = ScriptedCluster.running()
        _ = cluster.accept("M2")
        let lines = cluster.send("M2", cluster.identification(.master, port: 10_001, timestamp: 1))
        #expect(lines.contains("M2 < AcceptIdentification M2"))
        #expect(cluster.core.clusterState == .running)
    }

    /// The end of its old connection is not noticed yet. As long as it is refused, both masters may lead.
    @Test(arguments: [nil, NID(.master, 1), NID(.master, 7)])
    func masterThatComesBack(nid: NID?) {
        var cluster = ScriptedCluster.running()
        _ = cluster.accept("M2")
        cluster.send("M2", cluster.identification(.master, port: 10_001, timestamp: 1))
        _ = cluster.accept("M2b")
        let lines = cluster.send("M2b", cluster.identification(.master, nid: nid, port: 10_001, timestamp: 1))
        #expect(lines.contains("M2 closed"))
        #expect(lines.contains { $0.hasPrefix("M2b < AcceptIdentification") })
        #expect(cluster.core.registry.identified(.master).count == 1)
        #expect(cluster.core.clusterState == .running)
    }
}
