import NEOConfiguration
import NEOControl

/// `neoctl`: one command, then the end (`spec/tools.md §9`).
enum ControlProgram {
    static let defaultPort: UInt16 = 9999

    static func run(_ settings: Settings) throws(ConfigurationError) -> Int32 {
        try NodeSettings.refuseTLS(settings)
        do throws(ControlFailure) {
            let command = try Command(words: settings.words)
            let client = try client(settings)
            if let text = try command.run(over: client) { Console.print(text) }
            return 0
        } catch {
            Console.error(error.message)
            return 1
        }
    }

    private static func client(_ settings: Settings) throws(ControlFailure) -> AdministrationClient {
        do throws(ConfigurationError) {
            let address = try AddressText(settings.text("address") ?? "")
            return AdministrationClient(try HostResolver.resolve(address, defaultPort: defaultPort))
        } catch {
            throw ControlFailure("ERROR: \(error)")
        }
    }
}
