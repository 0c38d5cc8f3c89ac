import Glibc
import NEOConfiguration
import NEOTransport

/// Which program this process is, and with which arguments.
struct Invocation {
    /// The programs that the executable contains, by the word that follows `neo`.
    enum Name: String, CaseIterable {
        case master
        case storage
        case admin
        case control = "ctl"
        case simple

        var program: Program {
            switch self {
            case .master: .master
            case .storage: .storage
            case .admin: .admin
            case .control: .control
            case .simple: .simple
            }
        }

        var summary: String { program.summary }
    }

    let name: Name
    /// The program as messages call it: `neo master` or `neomaster`.
    let displayName: String
    let arguments: [String]

    /// - Parameter arguments: all of them, from the path of the executable on.
    /// - Returns: nil if no program is named.
    init?(_ arguments: [String]) {
        let executable = arguments.first?.split(separator: "/").last.map(String.init) ?? "neo"
        if let name = Name.allCases.first(where: { "neo\($0.rawValue)" == executable }) {
            self.name = name
            displayName = executable
            self.arguments = Array(arguments.dropFirst())
        } else {
            guard let word = arguments.dropFirst().first, let name = Name(rawValue: word) else { return nil }
            self.name = name
            displayName = "neo \(word)"
            self.arguments = Array(arguments.dropFirst(2))
        }
    }

    /// The settings of the program; nil if it only had to show its help or its version, which is done.
    func settings() throws(ConfigurationError) -> Settings? {
        let (settings, warnings) = try Settings.read(name.program, arguments: arguments, readFile: TextFile.read)
        for warning in warnings { Console.error("\(displayName): warning: \(warning)") }
        if settings.flag("help") {
            Console.print(name.program.help(as: displayName, columns: Console.columns))
            return nil
        }
        if settings.flag("version") {
            Console.print(Version.text)
            return nil
        }
        return settings
    }

    /// Shows why the program does not start.
    func report(_ error: ConfigurationError) {
        if case .usage = error { Console.error(name.program.usage(as: displayName, columns: Console.columns)) }
        Console.error("\(displayName): error: \(error)")
    }

    /// What `neo` alone shows.
    static var overview: String {
        """
        usage: neo PROGRAM [OPTION...]

        NEO is a distributed, redundant storage for ZODB.

        programs (`neo PROGRAM --help` shows the options of each):
        \(Name.allCases.map { "  \($0.rawValue)\(String(repeating: " ", count: 9 - $0.rawValue.count))\($0.summary)" }
            .joined(separator: "\n"))
          sim      run simulated clusters from seeds

        neo --version shows the version.
        """
    }
}
