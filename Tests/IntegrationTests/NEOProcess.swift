import Foundation

/// A process of the executable under test, with what it printed.
final class NEOProcess {
    struct Outcome: Equatable {
        var status: Int32
        var output: String
        var error: String
    }

    struct TimedOut: Error, CustomStringConvertible {
        let description: String
    }

    /// The executable stands beside the bundle of the tests.
    static let executable: URL = {
        if let path = ProcessInfo.processInfo.environment["NEO_EXECUTABLE"] { return URL(fileURLWithPath: path) }
        var directory = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        for argument in CommandLine.arguments where argument.hasSuffix(".xctest") {
            directory = URL(fileURLWithPath: argument)
        }
        return directory.deletingLastPathComponent().appendingPathComponent("neo")
    }()

    private let process = Process()
    private let output: URL
    private let error: URL

    /// - Parameter executable: another path of the same program.
    init(_ arguments: [String], in directory: TemporaryDirectory, executable: URL = executable) throws {
        let name = UUID().uuidString
        output = directory.url.appendingPathComponent("\(name).out")
        error = directory.url.appendingPathComponent("\(name).err")
        for url in [output, error] { try Data().write(to: url) }
        process.executableURL = executable
        process.arguments = arguments
        process.currentDirectoryURL = directory.url
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try FileHandle(forWritingTo: output)
        process.standardError = try FileHandle(forWritingTo: error)
        try process.run()
    }

    deinit {
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
    }

    var isRunning: Bool { process.isRunning }

    var printed: String { (try? String(contentsOf: output, encoding: .utf8)) ?? "" }

    func send(_ signal: Int32) { kill(process.processIdentifier, signal) }

    /// Waits for the end of the process.
    func outcome(seconds: Double = 20) async throws -> Outcome {
        try await until(seconds: seconds, "the end of neo \(process.arguments ?? [])") { !self.process.isRunning }
        return Outcome(
            status: process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus,
            output: printed,
            error: try String(contentsOf: error, encoding: .utf8)
        )
    }
}

/// Waits until something is true.
func until(seconds: Double = 20, _ what: String, _ condition: () async throws -> Bool) async throws {
    let end = Date().addingTimeInterval(seconds)
    while try await !condition() {
        guard Date() < end else { throw NEOProcess.TimedOut(description: "waited \(seconds) s for \(what)") }
        try await Task.sleep(nanoseconds: 20_000_000)
    }
}

/// A directory that goes with the test.
final class TemporaryDirectory {
    let url: URL

    init() throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent("neo-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(at: url)
    }

    func path(_ name: String) -> String { url.appendingPathComponent(name).path }
}

/// Runs the executable to its end.
func neo(_ arguments: String..., in directory: TemporaryDirectory) async throws -> NEOProcess.Outcome {
    try await NEOProcess(arguments, in: directory).outcome()
}
