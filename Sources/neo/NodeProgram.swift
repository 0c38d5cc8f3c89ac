import Logging
import NEOConfiguration
import NEOTransport

/// What the programs that are nodes have in common.
enum NodeProgram {
    static func logger(_ label: String, _ settings: NodeSettings) throws(ConfigurationError) -> Logger {
        do throws(TextFile.Failure) {
            let handler = try TextLogHandler(label: label, path: settings.logFile)
            return Logger(label: label) { _ in handler }
        } catch {
            throw .invalid("unable to open the log file: \(error)")
        }
    }
}
