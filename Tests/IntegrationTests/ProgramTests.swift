import Foundation
import Testing

/// Command lines, start-up errors and exit statuses (`spec/tools.md §2, §6, §9.7`).
@Suite struct ProgramTests {
    private let directory: TemporaryDirectory

    init() throws {
        directory = try TemporaryDirectory()
    }

    @Test(arguments: ["master", "storage", "admin", "ctl", "simple"])
    func helpAndVersion(program: String) async throws {
        for option in ["--help", "-h", "--version"] {
            let outcome = try await neo(program, option, in: directory)
            #expect(outcome.status == 0)
            #expect(outcome.error.isEmpty)
            #expect(!outcome.output.isEmpty)
        }
    }

    @Test func overview() async throws {
        #expect(try await neo(in: directory).status == 0)
        #expect(try await neo("--version", in: directory).output.hasPrefix("neo "))
        #expect(try await neo("frobnicate", in: directory).status == 2)
    }

    @Test func commandsOfControl() async throws {
        let outcome = try await neo("ctl", in: directory)
        #expect(outcome.status == 0)
        #expect(outcome.output.hasPrefix("Available commands:\n"))
    }

    @Test(arguments: ["neomaster", "neostorage", "neoadmin", "neoctl", "neosimple"])
    func names(name: String) async throws {
        let link = directory.url.appendingPathComponent(name)
        try FileManager.default.createSymbolicLink(at: link, withDestinationURL: NEOProcess.executable)
        let outcome = try await NEOProcess(["--help"], in: directory, executable: link).outcome()
        #expect(outcome.status == 0)
        #expect(outcome.output.hasPrefix("usage: \(name) "))
    }

    @Test(arguments: [
        (["master"], "the following arguments are required: -c/--cluster"),
        (["storage", "-c", "x"], "the following arguments are required: -d/--database"),
        (["master", "-c", "x", "--bogus"], "unrecognized arguments: --bogus"),
        (["admin", "-c", "x", "-m"], "argument -m/--masters: expected one argument"),
        (["ctl", "--bogus", "print", "ids"], "unrecognized arguments: --bogus"),
        (
            ["storage", "-c", "x", "-d", "d", "--reset", "--new-nid"],
            "argument --reset: not allowed with argument --new-nid"
        ),
    ])
    func badCommandLine(arguments: [String], message: String) async throws {
        let outcome = try await NEOProcess(arguments, in: directory).outcome()
        #expect(outcome.status == 2)
        #expect(outcome.error.hasPrefix("usage: neo \(arguments[0]) "))
        #expect(outcome.error.hasSuffix("neo \(arguments[0]): error: \(message)\n"))
    }

    @Test(arguments: [
        (["master", "-c", "x", "-r", "-1"], "replicas must be a positive integer"),
        (["master", "-c", "x", "-p", "0"], "partitions must be more than zero"),
        (["master", "-c", "x", "-f", "missing.conf"], "missing.conf: cannot be read: No such file or directory"),
        (["storage", "-c", "x", "-d", "d", "-m", ""], "At least one master must be defined"),
        (["admin", "-c", "x", "-b", "127.0.0.1:0"], "--bind 127.0.0.1:0: a port must be given"),
        (["admin", "-c", "x", "--ca", "ca.crt"], "--ca: this version does not encrypt connections"),
        (
            ["admin", "-c", "x", "-l", "missing/log"],
            "unable to open the log file: missing/log: No such file or directory"
        ),
    ])
    func badConfiguration(arguments: [String], message: String) async throws {
        let outcome = try await NEOProcess(arguments, in: directory).outcome()
        #expect(outcome == .init(status: 1, output: "", error: "neo \(arguments[0]): error: \(message)\n"))
    }

    /// Nothing is opened, bound or created.
    @Test func checkedConfiguration() async throws {
        let port = freePorts(1)[0]
        try """
        [DEFAULT]
        cluster: prod
        masters: 127.0.0.1:\(port)
        [master]
        bind: 127.0.0.1:\(port)
        logfile: missing/log
        [storage]
        database: missing/data.sqlite
        [admin]
        [wrong]
        database: d
        disk_reserve: -1
        """.write(toFile: directory.path("neo.conf"), atomically: true, encoding: .utf8)
        for program in ["master", "storage", "admin"] {
            let outcome = try await neo(program, "-f", "neo.conf", "--check-config", in: directory)
            #expect(outcome == .init(status: 0, output: "the options are right\n", error: ""))
        }
        let wrong = try await neo("storage", "-f", "neo.conf", "-s", "wrong", "--check-config", in: directory)
        #expect(wrong.status == 1)
        #expect(wrong.error.contains("disk-reserve: expected a number of MiB from 0 on, got -1"))
        let files = try FileManager.default.contentsOfDirectory(atPath: directory.url.path)
        #expect(!files.contains { $0.hasPrefix("missing") })
    }

    /// A disk that is full under the log is no reason to stop.
    @Test func logThatCannotBeWritten() async throws {
        let port = freePorts(1)[0]
        let master = try NEOProcess(
            ["master", "-c", "x", "-b", "127.0.0.1:\(port)", "-l", "/dev/full"],
            in: directory
        )
        try await until("the master") {
            try await neo("admin", "--help", in: directory).status == 0 && master.isRunning
        }
        try await Task.sleep(nanoseconds: 500_000_000)
        #expect(master.isRunning)
        master.send(SIGTERM)
        #expect(try await master.outcome().status == 0)
    }

    @Test func unknownHost() async throws {
        let outcome = try await neo("admin", "-c", "x", "-b", "no.such.host.invalid:1", in: directory)
        #expect(outcome.status == 1)
        #expect(outcome.error.contains("cannot resolve 'no.such.host.invalid'"))
    }

    @Test func configurationFile() async throws {
        let port = freePorts(1)[0]
        try "[DEFAULT]\ncluster: prod\n[one]\nbind: 127.0.0.1:\(port)\npartitions: x\n"
            .write(toFile: directory.path("neo.conf"), atomically: true, encoding: .utf8)
        let outcome = try await neo("master", "-f", "neo.conf", "-s", "one", "-p", "3", in: directory)
        #expect(
            outcome
                == .init(
                    status: 1,
                    output: "",
                    error: "neo master: error: neo.conf: [one] partitions: invalid int value: 'x'\n"
                )
        )
    }

    @Test func controlWithoutAdmin() async throws {
        let port = freePorts(1)[0]
        #expect(
            try await neo("ctl", "-a", "127.0.0.1:\(port)", "print", "ids", in: directory)
                == .init(status: 1, output: "", error: "ERROR: not connected\n")
        )
        #expect(
            try await neo("ctl", "pri", "cluster", in: directory)
                == .init(status: 1, output: "", error: "invalid command: pri cluster\n")
        )
    }

    @Test func controlOfAnAdminWithoutMaster() async throws {
        let cluster = try TestCluster()
        try cluster.startAdmin()
        try await until("the admin") {
            try await cluster.control("print", "ids").error == "ERROR: Not connected to a primary master.\n"
        }
        #expect(try await cluster.control("print", "ids").status == 1)
        cluster.admin?.send(SIGTERM)
        #expect(try await cluster.admin?.outcome().status == 0)
    }

    @Test func portInUse() async throws {
        let cluster = try TestCluster()
        try cluster.startMaster()
        try cluster.startAdmin()
        try await until("the admin") { try await cluster.control("print", "cluster").status == 0 }
        let second = try await neo("master", "-c", "x", "-b", "127.0.0.1:\(cluster.masterPort)", in: directory)
        #expect(second.status == 1)
        #expect(second.error.contains("127.0.0.1:\(cluster.masterPort)"))
        #expect(second.error.contains("in use"))
    }

    @Test func wrongClusterName() async throws {
        let cluster = try TestCluster()
        try cluster.startMaster()
        let port = freePorts(1)[0]
        let alien = try NEOProcess(
            ["admin", "-c", "other", "-b", "127.0.0.1:\(port)", "-m", "127.0.0.1:\(cluster.masterPort)"],
            in: directory
        )
        // It tries for ever, since the master may be replaced, and says why.
        try await Task.sleep(nanoseconds: 2_500_000_000)
        #expect(alien.isRunning)
        alien.send(SIGTERM)
        let outcome = try await alien.outcome()
        #expect(outcome.status == 0)
        #expect(outcome.error.contains("invalid cluster name"))
    }

    @Test func databaseThatCannotBeOpened() async throws {
        let outcome = try await neo("storage", "-c", "x", "-d", "missing/data.sqlite", in: directory)
        #expect(outcome.status == 1)
        #expect(outcome.error.contains("missing/data.sqlite"))
        try "this is not a database, but it is long enough to be mistaken for one, if nobody looks at it closely"
            .write(toFile: directory.path("text.sqlite"), atomically: true, encoding: .utf8)
        #expect(try await neo("storage", "-c", "x", "-d", "text.sqlite", in: directory).status == 1)
    }

    @Test func databaseOfAnotherCluster() async throws {
        #expect(try await neo("storage", "-c", "one", "-d", "data.sqlite", "--reset", in: directory).status == 0)
        let outcome = try await neo("storage", "-c", "two", "-d", "data.sqlite", in: directory)
        #expect(outcome.status == 1)
        #expect(outcome.error.contains("cluster two") && outcome.error.contains("one of one"))
    }
}
