import Testing

@testable import NEOConfiguration

@Suite struct SettingsTests {
    private let program = Program(
        summary: "A program.",
        options: [
            Option("cluster", "c", isRequired: true, "name"),
            Option("partitions", "p", .integer, default: "100", "number"),
            Option("wait", "w", .real, "seconds"),
            Option("backup", "B", .flag, "flag"),
            Option("masters", "m", .emptyText, "list"),
            Option("disable-pack", nil, .flag, "flag"),
            Option("disable-drop-partitions", nil, .flag, "flag"),
            Option("adapter", "a", .choice(["MySQL", "SQLite"]), default: "SQLite", "choice"),
            Option("logfile", "l", .path, "path"),
        ],
        defaultSection: "node"
    )

    private func read(_ arguments: String..., file: String = "") throws(ConfigurationError) -> Settings {
        try Settings.read(program, arguments: arguments) { _ in file }.0
    }

    private func message(_ arguments: String..., file: String = "") -> ConfigurationError? {
        do throws(ConfigurationError) {
            _ = try Settings.read(program, arguments: arguments) { _ in file }
            return nil
        } catch {
            return error
        }
    }

    @Test func forms() throws {
        let settings = try read("--clus", "a b", "--partitions=3", "-w-1.5e2", "-Bm", "", "-a", "MySQL")
        #expect(settings.text("cluster") == "a b")
        #expect(settings.integer("partitions") == 3)
        #expect(settings.real("wait") == -150)
        #expect(settings.flag("backup"))
        #expect(settings.text("masters") == "")
        #expect(settings.text("adapter") == "MySQL")
        #expect(!settings.isGiven("logfile"))
        #expect(try read("-c", "1", "-p", "-1", "-c2").integer("partitions") == -1)
        #expect(try read("-c", "1", "-c2").text("cluster") == "2")
    }

    @Test func syntaxErrors() {
        #expect(message() == .usage("the following arguments are required: -c/--cluster"))
        #expect(message("-c", "x", "--bogus", "word") == .usage("unrecognized arguments: --bogus word"))
        #expect(message("-c") == .usage("argument -c/--cluster: expected one argument"))
        #expect(message("-c", "-p", "1") == .usage("argument -c/--cluster: expected one argument"))
        #expect(message("-c", "") == .usage("argument -c/--cluster: value is empty"))
        #expect(message("-c", "x", "-p", "x") == .usage("argument -p/--partitions: invalid int value: 'x'"))
        #expect(message("-c", "x", "-w", "y") == .usage("argument -w/--wait: invalid float value: 'y'"))
        #expect(
            message("-c", "x", "-a", "Foo")
                == .usage("argument -a/--adapter: invalid choice: 'Foo' (choose from 'MySQL', 'SQLite')")
        )
        #expect(
            message("--disab")
                == .usage("ambiguous option: --disab could match --disable-pack, --disable-drop-partitions")
        )
    }

    private let file = """
        # comment
        [DEFAULT]
        cluster: prod
        p = %(cluster)s%%
        partitions = 12

        [node]
        backup = Yes
        masters = 10.0.0.1:1
            # a comment inside
            10.0.0.2:2

           10.0.0.3:3
        LOGFILE: %(p)s ; not a comment
        disable-pack = 1
        [other]
        partitions = 7
        """

    @Test func precedence() throws {
        let settings = try read("-f", "x", "-p", "3", file: file)
        #expect(settings.text("cluster") == "prod")
        #expect(settings.integer("partitions") == 3)
        #expect(settings.flag("backup"))
        #expect(!settings.flag("disable-pack"))
        #expect(settings.text("masters") == "10.0.0.1:1\n10.0.0.2:2\n\n10.0.0.3:3")
        #expect(settings.text("logfile") == "prod% ; not a comment")
        #expect(try read("-f", "x", "-s", "other", file: file).integer("partitions") == 7)
        #expect(try read("-c", "other", "-f", "x", file: file).text("cluster") == "other")
        let warnings = try Settings.read(program, arguments: ["-f", "x"]) { _ in file }.warnings
        #expect(warnings == ["x: [node] disable-pack: unknown key, ignored: did you mean disable_pack?"])
    }

    @Test(arguments: [
        ("[a]\n", "x: No section: 'node'"),
        ("[node]\ncluster=a\npartitions: foo", "x: [node] partitions: invalid int value: 'foo'"),
        ("[node]\ncluster=a\nbackup: maybe", "x: [node] backup: Not a boolean: maybe"),
        ("[node]\ncluster=", "x: [node] cluster: value is empty"),
        ("[node]\ncluster=%(b)s", "x: [node] cluster: Bad value substitution: 'b' is not a key of the section"),
        ("[node]\ncluster=50%", "x: [node] cluster: '%' must be followed by '%' or '(', found: '%'"),
        ("[node]\ncluster=%(cluster)s", "x: [node] cluster: Value interpolation too deeply recursive"),
        ("cluster=a", "x, line 1: expected a section header before 'cluster=a'"),
        ("[node]\ncluster=a\n[b]\nnoise", "x, line 4: expected 'key = value', got 'noise'"),
        ("[node]\n[node]", "x, line 2: section 'node' already exists"),
        ("[node]\na=1\nA:2", "x, line 3: key 'a' in section 'node' already exists"),
    ])
    func fileErrors(file: String, expected: String) {
        #expect(message("-f", "x", "-c", "given", "-p", "1", file: file) == .invalid(expected))
    }

    /// `spec/tools.md §21`, items 1 and 3.
    @Test func optionsOfOneProcessAndOfOneStart() throws {
        let storage = Program(
            summary: "",
            options: [
                Option("bind", "b", inFile: .allowedInOwnSection, "address"),
                Option("reset", nil, .flag, inFile: .refused, "flag"),
            ],
            defaultSection: "storage"
        )
        func read(_ file: String) throws -> Settings {
            try Settings.read(storage, arguments: ["-f", "x"]) { _ in file }.0
        }
        #expect(try read("[storage]\nbind: h:1").text("bind") == "h:1")
        #expect(
            throws: ConfigurationError.invalid("x: [DEFAULT] bind: each process needs its own, in its section")
        ) { try read("[DEFAULT]\nbind: h:1\n[storage]\nbind: h:2") }
        for file in ["[storage]\nreset: 1", "[DEFAULT]\nreset: no\n[storage]"] {
            #expect(throws: ConfigurationError.invalid("x: [storage] reset: only on the command line")) {
                try read(file)
            }
        }
    }

    @Test func defaultIsNoSection() {
        #expect(message("-f", "x", "-s", "DEFAULT", file: file) == .invalid("x: No section: 'DEFAULT'"))
    }

    @Test func missingFile() {
        struct Missing: Error, CustomStringConvertible { let description = "No such file" }
        #expect(throws: ConfigurationError.invalid("x: cannot be read: No such file")) {
            try Settings.read(program, arguments: ["-f", "x"]) { _ in throw Missing() }
        }
    }

    @Test func wordsOfACommand() throws {
        let control = Program(
            summary: "",
            options: [Option("address", "a", .text, "admin")],
            words: .command("COMMAND")
        )
        let settings = try Settings.read(control, arguments: ["-a", "h:1", "tweak", "-n", "--x"]) { _ in "" }.0
        #expect(settings.words == ["tweak", "-n", "--x"])
        let list = Program(summary: "", options: [Option("name", "c", .text, "")], words: .list("DB..."))
        #expect(try Settings.read(list, arguments: ["a", "-c", "x", "b"]) { _ in "" }.0.words == ["a", "b"])
    }

    @Test func helpNeedsNothingElse() throws {
        #expect(try read("-h").flag("help"))
        #expect(try read("--version").flag("version"))
        let help = program.help(as: "neonode")
        #expect(help.hasPrefix("usage: neonode [-h]"))
        #expect(help.split(separator: "\n").allSatisfy { $0.count <= 80 })
    }

    @Test func addresses() throws {
        func parts(_ text: String) throws -> [String?] {
            let address = try AddressText(text)
            return [address.host, address.port]
        }
        #expect(try parts("host") == ["host", nil])
        #expect(try parts("host:1") == ["host", "1"])
        #expect(try parts("host:") == ["host", nil])
        #expect(try parts("::1") == ["::1", nil])
        #expect(try parts("[::1]") == ["::1", nil])
        #expect(try parts("[::1]:http") == ["::1", "http"])
        #expect(throws: ConfigurationError.self) { try AddressText("[::1") }
        #expect(throws: ConfigurationError.self) { try AddressText("") }
        #expect(try AddressText.list(" a:1\n b:2 ").map(\.host) == ["a", "b"])
    }
}
