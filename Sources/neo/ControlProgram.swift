import Glibc
import NEOConfiguration
import NEOControl
import NEOProtocol

/// `neoctl`: one command, then the end (`spec/tools.md §9`).
enum ControlProgram {
    static let defaultPort: UInt16 = 9999
    /// What supervisors of the Nagios kind take for "unknown".
    private static let unknownSeverity: Int32 = 3

    static func run(_ settings: Settings) throws(ConfigurationError) -> Int32 {
        try NodeSettings.refuseTLS(settings)
        let timeout = settings.integer("timeout")
        guard timeout.map({ (1...86_400).contains($0) }) ?? true else {
            throw .usage("argument -t/--timeout: expected a number of seconds from 1 to 86400")
        }
        var asksForSeverity = false
        do throws(ControlFailure) {
            let command = try Command(words: settings.words)
            asksForSeverity = settings.flag("severity") && command == .printSummary
            if let risk = command.risk, !settings.flag("yes") { try confirm(risk) }
            let client = AdministrationClient(try addresses(settings), timeoutSeconds: timeout)
            if asksForSeverity {
                let summary = try Command.summary(over: client)
                Console.print(summary.text)
                return Int32(summary.severity.rawValue)
            }
            if let text = try command.run(over: client) { Console.print(text) }
            return 0
        } catch {
            Console.error(error.message)
            return asksForSeverity ? unknownSeverity : 1
        }
    }

    private static func addresses(_ settings: Settings) throws(ControlFailure) -> [NodeAddress] {
        do throws(ConfigurationError) {
            var text = settings.text("address") ?? ""
            if let path = settings.text("file"), !settings.wasAsked(for: ["address"]) {
                text = try bind(of: settings.text("section") ?? "", in: path)
            }
            var addresses: [NodeAddress] = []
            for address in try AddressText.list(text) {
                addresses.append(try HostResolver.resolve(address, defaultPort: defaultPort))
            }
            return addresses
        } catch {
            throw ControlFailure("ERROR: \(error)")
        }
    }

    /// Where the administration node of a configuration file listens.
    private static func bind(of section: String, in path: String) throws(ConfigurationError) -> String {
        let file = try ConfigurationFile(reading: path)
        guard file.sectionNames.contains(section) else { throw .invalid("\(path): No section: '\(section)'") }
        return try file.text("bind", section: section) ?? "127.0.0.1:\(defaultPort)"
    }

    /// Asks whoever sits at the terminal; programs are not asked.
    private static func confirm(_ risk: String) throws(ControlFailure) {
        guard isatty(STDIN_FILENO) == 1, isatty(STDERR_FILENO) == 1 else { return }
        Console.write("\(risk). Go on? [y/N] ", to: STDERR_FILENO)
        let answer = readLine()?.lowercased() ?? ""
        guard answer == "y" || answer == "yes" else { throw ControlFailure("nothing was done") }
    }
}
