/// Why a program cannot start as it is told to.
public enum ConfigurationError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The command line is wrong: to be shown after the usage; exit status 2 (`spec/tools.md §2.6`).
    case usage(String)
    /// Something else is: exit status 1.
    case invalid(String)

    public var exitStatus: Int32 {
        switch self {
        case .usage: 2
        case .invalid: 1
        }
    }

    public var description: String {
        switch self {
        case .usage(let message), .invalid(let message): message
        }
    }
}
