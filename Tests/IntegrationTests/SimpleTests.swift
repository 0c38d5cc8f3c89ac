import Foundation
import Testing

/// `neosimple`: a cluster in a directory.
@Suite struct SimpleTests {
    @Test(arguments: [SIGINT, SIGTERM])
    func startStopAndStartAgain(signal: Int32) async throws {
        let directory = try TemporaryDirectory()
        let path = directory.path("data")
        var configuration: String?
        for _ in 0..<2 {
            let process = try NEOProcess(
                ["simple", path, "--storages", "2", "--replicas", "1", "--name", "café %"],
                in: directory
            )
            try await until("RUNNING") { process.printed.contains("\nRUNNING.") || !process.isRunning }
            #expect(process.printed.contains("Cluster `café %` in"))
            process.send(signal)
            let outcome = try await process.outcome()
            #expect(outcome.status == 0, "\(outcome)")
            #expect(outcome.output.hasSuffix("Stopping...\nStopped.\n"))
            let written = try String(contentsOfFile: "\(path)/neo.conf", encoding: .utf8)
            #expect(configuration == nil || configuration == written)
            configuration = written
        }
    }

    /// What `timeout` does: it signals the process, then the group of the process.
    @Test func oneSignalReceivedTwice() async throws {
        let directory = try TemporaryDirectory()
        let process = try NEOProcess(["simple", "data"], in: directory)
        try await until("RUNNING") { process.printed.contains("\nRUNNING.") || !process.isRunning }
        process.send(SIGTERM)
        try await Task.sleep(nanoseconds: 5_000_000)
        process.send(SIGTERM)
        let outcome = try await process.outcome()
        #expect(outcome.status == 0, "\(outcome)")
        #expect(outcome.output.hasSuffix("Stopping...\nStopped.\n"))
    }

    @Test func stoppedByAnOperator() async throws {
        let directory = try TemporaryDirectory()
        let process = try NEOProcess(["simple", "data"], in: directory)
        try await until("RUNNING") { process.printed.contains("\nRUNNING.") || !process.isRunning }
        let admin = try #require(process.printed.firstMatch(of: #/-a (\S+) print cluster/#)?.output.1)
        let stopped = try await neo("ctl", "-a", String(admin), "set", "cluster", "stopping", in: directory)
        #expect(stopped.status == 0)
        #expect(try await process.outcome().status == 0)
    }
}
