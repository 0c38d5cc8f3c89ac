import NEOProtocol
import Testing

@testable import NEOClient

/// The masters that a client remembers (`spec/master.md §19.1.10`).
@Suite struct MastersTests {
    @Test func mastersLeave() {
        var cluster = ScriptedCluster()
        _ = cluster.call { core, operation, context in core.lastTransaction(operation, &context) }
        cluster.connectAll()
        let connection = cluster.connection(to: ScriptedCluster.master)
        func tell(_ port: UInt16, _ state: NodeState) {
            let address = NodeAddress(host: "127.0.0.1", port: port)
            let record = NodeRecord(
                type: .master,
                address: address,
                nid: NID(.master, 2),
                state: state,
                idTimestamp: nil
            )
            cluster.lastTimestamp += 1
            cluster.notify(connection, NotifyNodeInformation(timestamp: cluster.lastTimestamp, nodes: [record]))
        }
        tell(2, .running)
        #expect(cluster.core.knownMasters.map(\.port) == [1, 2])
        tell(3, .running)
        #expect(cluster.core.knownMasters.map(\.port) == [1, 3])
        tell(3, .unknown)
        #expect(cluster.core.knownMasters == [ScriptedCluster.master])
    }
}
