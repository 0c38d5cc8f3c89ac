import MessagePack
import NEOEngine
import NEOProtocol
import NEOTopology
import OrderedCollections
import Testing

@testable import NEOMaster

/// Who is accepted, under which id, and who is told (`spec/master.md §2`).
@Suite struct IdentificationTests {
    @Test func refusals() {
        var cluster = ScriptedCluster.running()
        func identify(_ request: RequestIdentification) -> [String] {
            _ = cluster.accept("X")
            let lines = cluster.send("X", request)
            #expect(!cluster.isConnected("X"))
            return lines
        }
        let before = cluster.core.registry.all.count
        #expect(
            identify(cluster.identification(.client, port: nil, cluster: "other")) == [
                "X < Error PROTOCOL_ERROR invalid cluster name", "X closed",
            ]
        )
        #expect(
            identify(cluster.identification(.storage, port: 10_000)).first
                == "X < Error PROTOCOL_ERROR address conflict"
        )
        // The address of a connected storage, without its id; its id at another address.
        #expect(
            identify(cluster.identification(.storage, port: 20_001)).first
                == "X < Error PROTOCOL_ERROR already connected"
        )
        #expect(
            identify(cluster.identification(.storage, nid: NID(.storage, 1), port: 20_009)).first
                == "X < Error PROTOCOL_ERROR already connected: storage S1 at 127.0.0.1:20001"
        )
        // Neither the address nor the id of a node of another type.
        #expect(
            identify(cluster.identification(.master, port: 20_001)).first?.hasPrefix("X < Error PROTOCOL_ERROR") == true
        )
        #expect(
            identify(cluster.identification(.storage, port: nil)).first?.hasPrefix("X < Error PROTOCOL_ERROR") == true
        )
        #expect(cluster.core.registry.all.count == before)
        #expect(cluster.isConnected("S1") && cluster.core.clusterState == .running)
    }

    @Test func clientOfARecoveringClusterHasToWait() {
        var cluster = ScriptedCluster()
        #expect(cluster.client(1) == ["C1 < Error NOT_READY Retry Later", "C1 closed"])
    }

    /// A peer that comes back with ever new addresses does not fill the memory of a master.
    @Test func forgetsNodesThatAreGoneWhenThereAreTooMany() {
        var cluster = ScriptedCluster { $0.limits.nodesPerType = 3 }
        for number in Int32(1)...2 { cluster.storage(number) }
        for number in Int32(3)...20 {
            cluster.storage(number)
            _ = cluster.cut("S\(number)")
            #expect(cluster.core.registry.all(of: .storage).count <= 3)
        }
        cluster.storage(21)
        #expect(cluster.isConnected("S1") && cluster.isConnected("S2") && cluster.isConnected("S21"))
        #expect(
            cluster.storage(22) == [
                "S22 < Error PROTOCOL_ERROR 3 nodes of this type are connected", "S22 closed",
            ]
        )
    }

    /// `spec/protocol.md §11.2`: ACK and PROTOCOL_ERROR are complaints, any other error answers a request of ours.
    @Test func errorsThatAnswerNothing() {
        var cluster = ScriptedCluster.running()
        _ = cluster.accept("X")
        #expect(cluster.send("X", ErrorPacket(code: .protocolError, message: "hello")) == [])
        #expect(cluster.send("X", ErrorPacket(code: .ack, message: "hello")) == [])
        #expect(
            cluster.send("X", ErrorPacket(code: .oidNotFound, message: "hello")) == [
                "X < Error PROTOCOL_ERROR unexpected error OID_NOT_FOUND hello", "X closed",
            ]
        )
    }

    @Test func onlyPingBeforeIdentification() {
        var cluster = ScriptedCluster.running()
        _ = cluster.accept("X")
        #expect(cluster.send("X", Ping()) == ["X < Pong"])
        #expect(cluster.send("X", NotifyNodeInformation(timestamp: 1e12, nodes: [])).last == "X closed")
    }

    @Test func connectionsThatDoNotIdentifyAreClosed() {
        var cluster = ScriptedCluster.running { $0.limits.unidentifiedConnections = 2 }
        _ = cluster.accept("X")
        _ = cluster.accept("Y")
        #expect(cluster.accept("Z") == ["X closed"])
        let timer = TimerID.identification(ConnectionID(.incoming, 4))
        #expect(cluster.timers[timer] != nil)
        #expect(cluster.fire(timer) == ["Y closed"])
    }

    @Test func clientIsToldToAdminsAndStoragesOnly() {
        var cluster = ScriptedCluster.running()
        cluster.admin()
        cluster.client(1)
        #expect(
            cluster.client(2) == [
                "S1 < NotifyNodeInformation C2 RUNNING",
                "S2 < NotifyNodeInformation C2 RUNNING",
                "A1 < NotifyNodeInformation C2 RUNNING",
                "C2 < AcceptIdentification C2",
                "C2 < NotifyNodeInformation C2 RUNNING, M1 RUNNING, S1 RUNNING, S2 RUNNING",
                "C2 < SendPartitionTable 1",
            ]
        )
        #expect(cluster.cut("A1") == [])
    }

    @Test func clientKeepsItsIDUnlessAnotherHasIt() {
        var cluster = ScriptedCluster.running()
        cluster.client(1)
        _ = cluster.cut("C1")
        #expect(cluster.client(1, nid: NID(.client, 1)).contains("C1 < AcceptIdentification C1"))
        #expect(cluster.client(2, nid: NID(.client, 1)).contains("C2 < AcceptIdentification C2"))
        // An id of another namespace is replaced.
        #expect(cluster.client(3, nid: NID(.storage, 7)).contains("C3 < AcceptIdentification C3"))
    }

    @Test func timestampsGrowOnEachConnection() {
        var cluster = ScriptedCluster.running()
        for number in Int32(1)...5 {
            cluster.wallTime -= 100
            cluster.client(number)
            _ = cluster.cut("C\(number)")
        }
        let timestamps = cluster.sent["S1"]?.compactMap { frame -> Double? in
            if case .notifyNodeInformation(let information) = frame.packet { information.timestamp } else { nil }
        }
        #expect(timestamps.map { zip($0, $0.dropFirst()).allSatisfy { $0 < $1 } } == true)
    }

    /// `spec/master.md §18.1`: the end of the old connection was not noticed yet.
    @Test func storageThatComesBackReplacesItself() {
        var cluster = ScriptedCluster.running(replicas: 1)
        _ = cluster.accept("again")
        let lines = cluster.send("again", cluster.identification(.storage, nid: NID(.storage, 2), port: 20_002))
        let closed = lines.firstIndex(of: "S2 closed")
        let down = lines.firstIndex(of: "S1 < NotifyNodeInformation S2 DOWN")
        let accepted = lines.firstIndex(of: "again < AcceptIdentification S2")
        #expect(closed != nil && down != nil && accepted != nil)
        #expect(closed ?? 9 < down ?? 0 && down ?? 99 < accepted ?? 0)
        #expect(cluster.tableText(2) == "UO|UO")
    }

    /// `spec/master.md §18.4`: an empty database must not stand for one that had data.
    @Test func newStorageAtAKnownAddressGetsANewID() {
        var cluster = ScriptedCluster.running(replicas: 1)
        _ = cluster.cut("S2")
        let lines = cluster.storage(2)
        #expect(lines.contains("S2 < AcceptIdentification S3"))
        #expect(cluster.core.registry[NID(.storage, 3)]?.state == .pending)
        #expect(cluster.tableText(3) == "UO.|UO.")
    }

    @Test func pendingStorageIsAddedOnce() {
        var cluster = ScriptedCluster.running(storages: 1)
        cluster.admin()
        cluster.storage(2)
        cluster.storage(3)
        let nids = [NID(.storage, 2)]
        #expect(
            cluster.send("A1", AddPendingNodes(nids: nids)) == [
                "S2 < StartOperation",
                "S1 < NotifyNodeInformation S2 RUNNING",
                "A1 < NotifyNodeInformation S2 RUNNING",
                "S2 < NotifyNodeInformation S2 RUNNING",
                "S3 < NotifyNodeInformation S2 RUNNING",
                "A1 < Error ACK Nodes added: S2",
            ]
        )
        #expect(cluster.send("A1", AddPendingNodes(nids: nids)) == ["A1 < Error ACK No node added"])
        // A pending one is forgotten when it leaves.
        #expect(cluster.cut("S3").first == "S1 < NotifyNodeInformation S3 UNKNOWN")
    }

    @Test func copyOfADatabaseGetsItsOwnID() {
        var cluster = ScriptedCluster.running(storages: 1)
        _ = cluster.accept("S2")
        let request = cluster.identification(
            .storage,
            port: nil,
            extra: Properties(["new_nid": .array([.integer(0), .integer(1)])])
        )
        #expect(
            cluster.send("S2", request) == [
                "S1 < NotifyNodeInformation S2 DOWN",
                "S1 < NotifyPartitionChanges 2 (0 S2 O) (1 S2 O)",
                "S1 < Ping",
                "S2 < AcceptIdentification S2",
                "S2 < NotifyNodeInformation S2 DOWN, M1 RUNNING, S1 RUNNING",
                "S2 < SendPartitionTable 2",
            ]
        )
        _ = cluster.cut("S2")
        #expect(cluster.storage(2, nid: NID(.storage, 2)).last == "S2 < StartOperation")
        _ = cluster.accept("X")
        let wrong = cluster.identification(.storage, port: nil, extra: Properties(["new_nid": .array([.integer(-1)])]))
        #expect(cluster.send("X", wrong).last == "X closed")
    }
}
