import Foundation
import Testing

/// A cluster of real processes on the loopback interface.
@Suite struct ClusterTests {
    @Test func lifeOfACluster() async throws {
        let cluster = try TestCluster()
        try await cluster.startAll(storages: 2)
        #expect(try await cluster.control("print", "cluster").output == "RECOVERING\n")
        #expect(try await cluster.control("print", "pt").output == "# ptid: None, replicas: 1\n\n")

        #expect(
            try await cluster.control("start")
                == .init(status: 0, output: "Cluster state changed\n", error: "")
        )
        try await cluster.waitForState("RUNNING")
        try await checkRunning(cluster)
        #expect(
            try await cluster.control("start")
                == .init(status: 1, output: "", error: "Can not switch to this state\n")
        )
        #expect(
            try await cluster.control("set", "cluster", "running")
                == .init(status: 1, output: "", error: "Invalid state requested\n")
        )
        try await cluster.stop()

        // The same databases: the cluster starts by itself once they are all there.
        try await cluster.startAll(storages: 2)
        try await cluster.waitForState("RUNNING")
        try await checkRunning(cluster)
        try await cluster.stop()
    }

    private func checkRunning(_ cluster: TestCluster) async throws {
        let table = try await cluster.control("print", "pt").output
        let lines = table.split(separator: "\n").map(String.init)
        #expect(lines.first?.wholeMatch(of: #/# ptid: \d+, replicas: 1/#) != nil, "\(table)")
        #expect(Array(lines.dropFirst()) == ["             10v", "S1 R UUUUUUUUUUUU", "S2 R UUUUUUUUUUUU"])
        #expect(try await cluster.control("print", "primary").output == "M1\n")
        let ids = try await cluster.control("print", "ids").output
        #expect(ids.hasPrefix("last_oid = 0x0\nlast_tid = 0x0 (1900-01-01 00:00:00)\nlast_ptid = "))
        let summary = try await cluster.control("print", "summary").output
        #expect(summary.hasPrefix("# {}\nRUNNING; UP_TO_DATE=24; ltid=0000000000000000"), "\(summary)")
        let nodes = try await cluster.control("print", "node").output.split(separator: "\n")
        #expect(nodes.map { $0.prefix(12) } == ["A1 | ADMIN  ", "M1 | MASTER ", "S1 | STORAGE", "S2 | STORAGE"])
        #expect(nodes.allSatisfy { $0.contains("| RUNNING |") })
    }

    @Test func everyNodeLeavesWhenItIsAskedTo() async throws {
        let cluster = try TestCluster()
        try await cluster.startAll(storages: 1)
        _ = try await cluster.control("start")
        try await cluster.waitForState("RUNNING")
        for process in [cluster.admin, cluster.storages.first, cluster.master] {
            process?.send(SIGTERM)
            // The same wish again is no order to leave at once.
            process?.send(SIGTERM)
            #expect(try await process?.outcome().status == 0)
        }
    }

    /// Any node may be killed; the cluster runs again once it is back, and stops in good order.
    @Test func everyNodeMayBeKilled() async throws {
        let cluster = try TestCluster()
        try await cluster.startAll(storages: 2)
        _ = try await cluster.control("start")
        try await cluster.waitForState("RUNNING")

        cluster.master?.send(SIGKILL)
        _ = try await cluster.master?.outcome()
        try cluster.startMaster()
        try await cluster.waitForState("RUNNING")

        cluster.admin?.send(SIGKILL)
        _ = try await cluster.admin?.outcome()
        try cluster.startAdmin()
        try await cluster.waitForState("RUNNING")

        for storage in cluster.storages { storage.send(SIGKILL) }
        for storage in cluster.storages { _ = try await storage.outcome() }
        cluster.forgetStorages()
        for index in 1...2 { try cluster.startStorage(index) }
        try await cluster.waitForState("RUNNING")
        try await until("both storages") {
            let nodes = try await cluster.control("print", "node", "storage").output.split(separator: "\n")
            return nodes.count == 2 && nodes.allSatisfy { $0.contains("| RUNNING |") }
        }
        try await cluster.stop()
    }

    @Test func databaseInUse() async throws {
        let cluster = try TestCluster()
        try await cluster.startAll(storages: 1)
        let second = try await neo(
            "storage",
            "-c",
            cluster.name,
            "-m",
            "127.0.0.1:\(cluster.masterPort)",
            "-d",
            cluster.directory.path("storage1.sqlite"),
            in: cluster.directory
        )
        #expect(second.status == 1)
        #expect(second.error.contains("locked"))
    }
}
