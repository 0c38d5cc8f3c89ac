import Foundation
import Testing

/// A cluster of real processes: a master, storages and an admin.
final class TestCluster {
    let directory: TemporaryDirectory
    let name = "test"
    let masterPort: UInt16
    let adminPort: UInt16
    private(set) var master: NEOProcess?
    private(set) var admin: NEOProcess?
    private(set) var storages: [NEOProcess] = []

    init() throws {
        directory = try TemporaryDirectory()
        let ports = freePorts(2)
        masterPort = ports[0]
        adminPort = ports[1]
    }

    func startMaster(partitions: Int = 12, replicas: Int = 1) throws {
        master = try NEOProcess(
            [
                "master", "-c", name, "-b", "127.0.0.1:\(masterPort)", "-p", "\(partitions)", "-r", "\(replicas)",
                "-l", directory.path("master.log"),
            ],
            in: directory
        )
    }

    func startAdmin() throws {
        admin = try NEOProcess(
            [
                "admin", "-c", name, "-b", "127.0.0.1:\(adminPort)", "-m", "127.0.0.1:\(masterPort)",
                "-l", directory.path("admin.log"),
            ],
            in: directory
        )
    }

    func startStorage(_ number: Int) throws {
        storages.append(
            try NEOProcess(
                [
                    "storage", "-c", name, "-m", "127.0.0.1:\(masterPort)", "-a", "SQLite",
                    "-d", directory.path("storage\(number).sqlite"), "-l", directory.path("storage\(number).log"),
                ],
                in: directory
            )
        )
    }

    /// Starts all, each node after the one before is known, so that ids are predictable.
    func startAll(storages count: Int) async throws {
        storages = []
        try startMaster()
        try startAdmin()
        try await until("the admin") { try await self.control("print", "cluster").status == 0 }
        for number in 1...count {
            try startStorage(number)
            try await until("storage \(number)") {
                try await self.control("print", "node", "storage").output.split(separator: "\n")
                    .count { !$0.contains("DOWN") && $0.hasPrefix("S") } >= number
            }
        }
    }

    /// They are gone; others are started in their place.
    func forgetStorages() { storages = [] }

    func control(_ words: String...) async throws -> NEOProcess.Outcome {
        try await NEOProcess(["ctl", "-a", "127.0.0.1:\(adminPort)"] + words, in: directory).outcome()
    }

    func waitForState(_ state: String) async throws {
        try await until("state \(state)") { try await self.control("print", "cluster").output == "\(state)\n" }
    }

    /// Has the cluster stop, and checks that all its processes end well.
    func stop() async throws {
        let answer = try await control("set", "cluster", "STOPPING")
        #expect(answer == .init(status: 0, output: "Cluster state changed\n", error: ""))
        for process in [master, admin].compactMap({ $0 }) + storages {
            #expect(try await process.outcome().status == 0)
        }
    }
}
