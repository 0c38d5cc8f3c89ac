import Glibc
import Logging
import NEOProtocol
import NEOTransport
import Synchronization

/// Writes records as lines of text to the standard error or to a file (`spec/tools.md §6`).
struct TextLogHandler: LogHandler {
    var metadata = Logger.Metadata()
    var logLevel: Logger.Level
    private let label: String
    private let descriptor: Int32

    /// - Parameter path: the file to append to; nil: the standard error, where only warnings and errors go.
    /// - Throws: ``TextFile/Failure`` if the file cannot be opened.
    init(label: String, path: String?) throws(TextFile.Failure) {
        self.label = label
        if let path {
            descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o666)
            guard descriptor >= 0 else {
                throw TextFile.Failure(description: "\(path): \(String(cString: strerror(errno)))")
            }
            logLevel = .info
        } else {
            descriptor = STDERR_FILENO
            logLevel = .warning
        }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let level = "\(event.level)".uppercased()
        let prefix = "\(Self.localTime()) \(Self.padded(level, 9)) \(Self.padded(label, 10)) "
        let lines = "\(event.message)".split(separator: "\n", omittingEmptySubsequences: false)
        Console.write(lines.map { "\(prefix)\($0)\n" }.joined(), to: descriptor)
    }

    private static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }

    /// Local date and time with 4 digits of fraction.
    private static func localTime() -> String {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        var fields = tm()
        localtime_r(&now.tv_sec, &fields)
        var text = [CChar](repeating: 0, count: 32)
        let length = strftime(&text, text.count, "%Y-%m-%d %H:%M:%S", &fields)
        let seconds = String(decoding: text.prefix(length).map(UInt8.init(bitPattern:)), as: UTF8.self)
        let fraction = String(now.tv_nsec / 100_000)
        return "\(seconds).\(String(repeating: "0", count: 4 - fraction.count))\(fraction)"
    }
}
