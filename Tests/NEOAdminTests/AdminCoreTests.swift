import MessagePack
import NEOAdmin
import NEOEngine
import NEOProtocol
import Testing

@Suite struct AdminCoreTests {
    // MARK: Search

    @Test func identifiesThenAsksTheState() throws {
        var node = AdminScenario()
        let (master, address) = try #require(node.connects().first)
        #expect(address == AdminScenario.masterA)
        node.give(.connected(master))
        let request = try #require(node.sent(master).first)
        guard case .requestIdentification(let identification) = request.packet else {
            Issue.record("\(request)")
            return
        }
        #expect(identification.type == .admin)
        #expect(identification.nid == nil)
        #expect(identification.address == AdminScenario.bind)
        #expect(identification.extra["backup"] == .array([]))
        node.give(master, 0, AcceptIdentification(type: .master, nid: NID(.master, 1), yourNID: NID(.admin, 1)))
        #expect(node.sent(master) == [Frame(id: 1, AskClusterState().packet)])
    }

    @Test func refusedIdentificationTriesAgainAfterASecond() throws {
        var node = AdminScenario()
        let (master, _) = try #require(node.connects().first)
        node.give(.connected(master))
        node.now = 100
        _ = node.take()
        node.give(master, 0, ErrorPacket(code: .protocolError, message: "invalid cluster name"))
        let effects = node.take()
        #expect(effects.contains { $0.isClose == master })
        #expect(
            effects.contains { if case .startTimer(let timer, 900) = $0 { timer == TimerID(1) } else { false } }
        )
        #expect(
            effects.contains {
                if case .log(.error, let text) = $0 { text.contains("invalid cluster name") } else { false }
            }
        )
        node.now = 1000
        node.give(.timerFired(TimerID(1)))
        #expect(node.connects().map(\.1) == [AdminScenario.masterA])
    }

    @Test func secondaryMasterRedirects() throws {
        var node = AdminScenario()
        let (first, _) = try #require(node.connects().first)
        node.give(.connected(first))
        node.give(
            first,
            0,
            NotPrimaryMaster(primaryIndex: 1, masters: [AdminScenario.masterA, AdminScenario.masterB])
        )
        #expect(node.connects().map(\.1) == [AdminScenario.masterB])
        #expect(node.core.knownMasters == [AdminScenario.masterA, AdminScenario.masterB])
    }

    /// `spec/master.md §19.1.10`
    @Test func mastersLeave() throws {
        var node = AdminScenario()
        let master = try node.join()
        var other = NodeRecord(
            type: .master,
            address: AdminScenario.masterB,
            nid: NID(.master, 2),
            state: .down,
            idTimestamp: nil
        )
        node.give(master, 0, NotifyNodeInformation(timestamp: 10, nodes: [other]))
        #expect(node.core.knownMasters == [AdminScenario.masterA, AdminScenario.masterB])
        other.state = .unknown
        node.give(master, 0, NotifyNodeInformation(timestamp: 11, nodes: [other]))
        #expect(node.core.knownMasters == [AdminScenario.masterA])
    }

    @Test func silentMasterIsLeft() throws {
        var node = AdminScenario(masters: [AdminScenario.masterA, AdminScenario.masterB])
        let (first, _) = try #require(node.connects().first)
        node.give(.connected(first))
        node.give(.timerFired(TimerID(2)))
        let effects = node.take()
        #expect(effects.contains { $0.isClose == first })
        #expect(effects.contains { if case .connect(_, AdminScenario.masterB) = $0 { true } else { false } })
    }

    // MARK: Requests

    @Test func withoutMaster() throws {
        var node = AdminScenario()
        let id = node.accept(1)
        node.give(id, 4, Ping())
        #expect(node.sent(id) == [Frame(id: 4, Pong().packet)])
        node.give(id, 5, AskClusterState())
        let effects = node.take()
        #expect(effects.contains { $0.isClose == id })
        #expect(
            effects.contains {
                if case .send(id, let frame) = $0 {
                    frame
                        == Frame(
                            id: 5,
                            ErrorPacket(code: .notReady, message: "Not connected to a primary master.").packet
                        )
                } else {
                    false
                }
            }
        )
    }

    @Test func answersWhatItKnows() throws {
        var node = AdminScenario()
        _ = try node.join()
        let id = node.accept(1)
        node.give(id, 0, AskPrimary())
        node.give(id, 1, AskClusterState())
        node.give(id, 2, AskNodeList(type: .storage))
        node.give(id, 3, AskPartitionList(min: 1, max: 0, nid: nil))
        node.give(id, 4, AskPartitionList(min: 0, max: 3, nid: nil))
        node.give(id, 5, AskPartitionList(min: -1, max: 0, nid: nil))
        let wrong = ErrorPacket(code: .protocolError, message: "invalid partition table offset").packet
        #expect(
            node.sent(id) == [
                Frame(id: 0, AnswerPrimary(nid: NID(.master, 1)).packet),
                Frame(id: 1, AnswerClusterState(state: .running).packet),
                Frame(id: 2, AnswerNodeList(nodes: Array(AdminScenario.nodes[2...])).packet),
                Frame(
                    id: 3,
                    AnswerPartitionList(
                        ptid: 3,
                        replicas: 0,
                        rows: [[CellRecord(nid: NID(2), state: .upToDate)]]
                    ).packet
                ),
                Frame(id: 4, wrong),
                Frame(id: 5, wrong),
            ]
        )
    }

    /// Answers go back to who asked, under the id that they used, in any order.
    @Test func forwardedRequests() throws {
        var node = AdminScenario()
        let master = try node.join()
        let first = node.accept(1)
        let second = node.accept(2)
        node.give(first, 7, SetClusterState(state: .stopping))
        node.give(second, 7, AskLastIDs())
        #expect(
            node.sent(master) == [
                Frame(id: 2, SetClusterState(state: .stopping).packet), Frame(id: 3, AskLastIDs().packet),
            ]
        )
        let ids = AnswerLastIDs(lastTID: TID(5), lastOID: OID(6), firstTID: TID(1))
        node.give(master, 3, ids)
        #expect(node.sent(second) == [Frame(id: 7, ids.packet)])
        node.give(master, 2, ErrorPacket(code: .denied, message: "no"))
        #expect(node.sent(first) == [Frame(id: 7, ErrorPacket(code: .denied, message: "no").packet)])
    }

    /// What changes the cluster is in the log, with who asked for it (`spec/tools.md §21.19`).
    @Test func ordersAreLogged() throws {
        var node = AdminScenario()
        _ = try node.join()
        let id = node.accept(1)
        _ = node.take()
        let s1 = NID(.storage, 1)
        let packets: [(any PacketPayload, String?)] = [
            (SetNodeState(nid: s1, state: .down), "S1 to be DOWN"),
            (SetClusterState(state: .stopping), "state STOPPING"),
            (TweakPartitionTable(dryRun: false, excluded: [s1]), "a tweak without S1"),
            (TweakPartitionTable(dryRun: true, excluded: []), "a simulated tweak"),
            (AddPendingNodes(nids: [s1, NID(.storage, 2)]), "to add S1, S2"),
            (Truncate(tid: TID(1)), "a truncation after 0000000000000001"),
            (SetNumReplicas(replicas: 2), "2 replicas"),
            (Repair(nids: [s1], dryRun: true), "a search for orphans at S1"),
            (AskLastIDs(), nil), (AskRecovery(), nil), (AskClusterState(), nil),
        ]
        for (number, (packet, text)) in packets.enumerated() {
            node.give(.received(id, Frame(id: UInt32(number), packet.packet)))
            let logs = node.take().compactMap { if case .log(_, let line) = $0 { line } else { nil } }
            #expect(logs == (text.map { ["127.0.0.1:50000 (\(id)) orders \($0)"] } ?? []))
        }
    }

    /// Between the identification and the first table nothing can be listed, and nothing falls (`spec/tools.md §21.14`).
    @Test func listBeforeTheFirstTable() throws {
        var node = AdminScenario()
        let (master, _) = try #require(node.connects().first)
        node.give(.connected(master))
        node.give(master, 0, AcceptIdentification(type: .master, nid: NID(.master, 1), yourNID: NID(.admin, 1)))
        let id = node.accept(1)
        _ = node.take()
        for (number, ask) in [AskPartitionList(min: 0, max: 0, nid: nil), .init(min: 1, max: 2, nid: NID(1))]
            .enumerated()
        {
            node.give(id, UInt32(number), ask)
        }
        node.give(id, 2, AskMonitorInformation())
        let errors = node.sent(id).prefix(2).map(\.packet)
        let unknown = ErrorPacket(code: .notReady, message: "The partition table is not known yet.").packet
        #expect(Array(errors) == [unknown, unknown])
    }

    @Test func protocolErrorOfTheMasterClosesTheRequester() throws {
        var node = AdminScenario()
        let master = try node.join()
        let id = node.accept(1)
        node.give(id, 0, AskRecovery())
        _ = node.take()
        node.give(master, 2, ErrorPacket(code: .protocolError, message: "odd"))
        #expect(node.take().contains { $0.isClose == id })
    }

    @Test func requesterThatLeavesIsForgotten() throws {
        var node = AdminScenario()
        let master = try node.join()
        let id = node.accept(1)
        node.give(id, 0, AskRecovery())
        node.give(id, 1, AskMonitorInformation())
        node.give(.closed(id, .closedByPeer))
        _ = node.take()
        node.give(master, 2, AnswerRecovery(ptid: 1, backupTID: nil, truncateTID: nil))
        node.give(master, 3, AnswerLastTransaction(tid: TID(1)))
        #expect(node.sent(id).isEmpty)
    }

    @Test func masterLostWithPendingRequests() throws {
        var node = AdminScenario()
        let master = try node.join()
        let waiting = node.accept(1)
        let idle = node.accept(2)
        node.give(waiting, 9, AskRecovery())
        _ = node.take()
        node.now = 5000
        node.give(.closed(master, .closedByPeer))
        let effects = node.take()
        let lost = ErrorPacket(code: .protocolError, message: "connection to master lost").packet
        #expect(
            effects.contains { if case .send(waiting, let frame) = $0 { frame == Frame(id: 9, lost) } else { false } }
        )
        #expect(effects.compactMap(\.isClose) == [waiting])
        #expect(effects.contains { if case .connect = $0 { true } else { false } })
        #expect(!effects.contains { $0.exitStatus != nil })
        node.give(idle, 0, Ping())
        #expect(node.sent(idle).count == 1)
    }

    @Test func stoppingClusterEndsTheNode() throws {
        var node = AdminScenario()
        let master = try node.join()
        node.give(master, 4, NotifyClusterInformation(state: .stopping))
        _ = node.take()
        node.give(.closed(master, .closedByPeer))
        #expect(node.take().compactMap(\.exitStatus) == [0])
    }

    @Test func logsAreFlushedByTheMaster() throws {
        var node = AdminScenario()
        let master = try node.join()
        let id = node.accept(1)
        node.give(id, 0, FlushLog())
        #expect(node.sent(master).map(\.packet) == [FlushLog().packet])
    }

    // MARK: Hostile peers

    @Test func packetsOfOtherRoles() throws {
        var node = AdminScenario()
        _ = try node.join()
        let packets: [any PacketPayload] = [
            AskObject(oid: .zero, at: nil, before: nil), Pong(),
            NotifyNodeInformation(timestamp: 1, nodes: []), NotPrimaryMaster(primaryIndex: nil, masters: []),
            ErrorPacket(code: .notReady, message: ""),
            RequestIdentification(
                type: .client,
                nid: nil,
                address: nil,
                cluster: "test",
                idTimestamp: nil,
                extra: Properties()
            ),
        ]
        for (number, packet) in packets.enumerated() {
            let id = node.accept(UInt32(number))
            _ = node.take()
            node.give(.received(id, Frame(id: 3, packet.packet)))
            let effects = node.take()
            #expect(effects.contains { $0.isClose == id }, "\(packet)")
        }
    }

    @Test func complaintsAreOnlyLogged() throws {
        var node = AdminScenario()
        let id = node.accept(1)
        node.give(id, 0, ErrorPacket(code: .protocolError, message: "hello"))
        node.give(id, 1, ErrorPacket(code: .ack, message: "hello"))
        #expect(!node.take().contains { $0.isClose != nil })
    }

    @Test func closesWhenAskedTo() throws {
        var node = AdminScenario()
        let id = node.accept(1)
        node.give(id, 0, CloseClient())
        #expect(node.take().contains { $0.isClose == id })
    }

    @Test func tooManyConnectionsCloseTheIdlest() throws {
        var limits = AdminConfiguration.Limits()
        limits.connections = 2
        var node = AdminScenario(limits: limits)
        let first = node.accept(1)
        node.now = 10
        let second = node.accept(2)
        node.now = 20
        node.give(first, 0, Ping())
        _ = node.take()
        _ = node.accept(3)
        #expect(node.take().compactMap(\.isClose) == [second])
    }

    @Test func tooManyPendingRequests() throws {
        var limits = AdminConfiguration.Limits()
        limits.pendingRequests = 2
        var node = AdminScenario(limits: limits)
        _ = try node.join()
        let id = node.accept(1)
        for request in 0..<2 { node.give(id, UInt32(request), AskRecovery()) }
        #expect(!node.take().contains { $0.isClose != nil })
        node.give(id, 2, AskRecovery())
        #expect(node.take().contains { $0.isClose == id })
    }

    @Test func masterThatLies() throws {
        var node = AdminScenario()
        let master = try node.join()
        node.give(master, 9, NotifyPartitionChanges(ptid: 2, replicas: 0, cells: []))
        let effects = node.take()
        #expect(effects.contains { $0.isClose == master })
    }

    // MARK: Summary

    @Test func summaryOfARunningCluster() throws {
        var node = AdminScenario()
        let master = try node.join()
        let id = node.accept(1)
        node.give(id, 0, AskMonitorInformation())
        node.give(id, 1, AskMonitorInformation())
        #expect(node.sent(master) == [Frame(id: 2, AskLastTransaction().packet)])
        node.give(master, 2, AnswerLastTransaction(tid: TID(0x040d_304e_a4b8_af83)))
        let expected = AnswerMonitorInformation(
            warning: [],
            problem: [],
            summary: "RUNNING; UP_TO_DATE=2; ltid=040d304ea4b8af83 (2026-11-22 14:38:38.606584)"
        )
        #expect(node.sent(id) == [Frame(id: 0, expected.packet), Frame(id: 1, expected.packet)])
    }

    @Test func summaryOfAClusterInTrouble() throws {
        var node = AdminScenario()
        let master = try node.join(.recovering)
        let id = node.accept(1)
        node.give(id, 0, AskMonitorInformation())
        let recovering = AnswerMonitorInformation(warning: [], problem: [nil], summary: "RECOVERING; UP_TO_DATE=2")
        #expect(node.sent(id) == [Frame(id: 0, recovering.packet)])
        var down = AdminScenario.nodes[3]
        down.state = .down
        node.give(master, 5, NotifyNodeInformation(timestamp: 2, nodes: [down]))
        node.give(id, 1, AskMonitorInformation())
        let answer = AnswerMonitorInformation(
            warning: [],
            problem: [nil],
            summary: "RECOVERING; UP_TO_DATE=2; DOWN=1"
        )
        #expect(node.sent(id) == [Frame(id: 1, answer.packet)])
    }

    @Test func summaryWhenTheMasterDoesNotAnswer() throws {
        var node = AdminScenario()
        let master = try node.join()
        let id = node.accept(1)
        node.give(id, 0, AskMonitorInformation())
        _ = node.take()
        node.give(.timerFired(TimerID(3)))
        let effects = node.take()
        #expect(effects.contains { $0.isClose == master })
        let answer = AnswerMonitorInformation(
            warning: [],
            problem: [nil],
            summary: "Not connected to a primary master."
        )
        #expect(
            effects.contains { if case .send(id, let frame) = $0 { frame.packet == answer.packet } else { false } }
        )
    }

    /// Seed 4076383 of the simulation: S2 was removed while this node saw another master, or none. What the table of before
    /// names must not stay: an operator could neither use nor remove it.
    @Test func storageRemovedMeanwhile() throws {
        var node = AdminScenario()
        let old = try node.join()
        node.give(.closed(old, .closedByPeer))
        node.now = 2000
        node.give(.timerFired(TimerID(1)))
        guard let (master, _) = node.connects().last else { throw AdminScenario.Unexpected(what: "no connection") }
        node.give(.connected(master))
        node.give(master, 0, AcceptIdentification(type: .master, nid: NID(.master, 1), yourNID: NID(.admin, 1)))
        node.give(master, 0, NotifyNodeInformation(timestamp: 5, nodes: Array(AdminScenario.nodes.dropLast())))
        let rows = [1, 1].map { [CellRecord(nid: NID($0), state: .upToDate)] }
        node.give(master, 1, SendPartitionTable(ptid: 4, replicas: 0, rows: rows))
        node.give(master, 1, AnswerClusterState(state: .running))
        let id = node.accept(1)
        node.give(id, 0, AskNodeList(type: .storage))
        #expect(node.sent(id) == [Frame(id: 0, AnswerNodeList(nodes: [AdminScenario.nodes[2]]).packet)])
    }
}
