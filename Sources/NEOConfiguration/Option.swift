/// One option of a program: on the command line, and in its configuration file (`spec/tools.md §2, §4`).
public struct Option: Hashable, Sendable {
    public enum Kind: Hashable, Sendable {
        /// Given or not; true or false in a file.
        case flag
        case text
        /// A text that may be empty.
        case emptyText
        /// Like ``text``, and a leading `~` means a home directory.
        case path
        case integer
        case real
        case choice([String])
    }

    /// What it means in a configuration file.
    public enum FileUse: Hashable, Sendable {
        /// It is read in all sections.
        case allowed
        /// Two processes must not have the same value: it is refused in the section that all inherit.
        case allowedInOwnSection
        /// It would be carried out at each start: refused.
        case refused
        /// It is as unknown as any other key.
        case unknown
    }

    /// Long name, without dashes.
    public var name: String
    public var short: Character?
    public var kind: Kind
    public var isRequired: Bool
    /// The value when it is not given. For the help only if ``Settings`` is not asked for it.
    public var defaultValue: String?
    public var help: String
    public var fileUse: FileUse

    public init(
        _ name: String,
        _ short: Character? = nil,
        _ kind: Kind = .text,
        isRequired: Bool = false,
        default defaultValue: String? = nil,
        inFile fileUse: FileUse = .allowed,
        _ help: String
    ) {
        self.name = name
        self.short = short
        self.kind = kind
        self.isRequired = isRequired
        self.defaultValue = defaultValue
        self.fileUse = fileUse
        self.help = help
    }

    /// The key in a configuration file.
    public var key: String { String(name.map { $0 == "-" ? "_" : $0 }) }

    /// How messages name it: `-c/--cluster`.
    var displayName: String { short.map { "-\($0)/--\(name)" } ?? "--\(name)" }

    /// What stands for its value in usage lines.
    var placeholder: String {
        switch kind {
        case .choice(let choices): "{\(choices.joined(separator: ","))}"
        default: key.uppercased()
        }
    }

    /// Reads a value of the command line.
    func value(commandLine text: String) throws(OptionValueError) -> Settings.Value {
        switch kind {
        case .flag: .flag(true)
        case .emptyText: .text(text)
        case .text: .text(try Self.nonEmpty(text))
        case .path: .text(PathExpansion.expand(try Self.nonEmpty(text)))
        case .integer: .integer(try Self.integer(text))
        case .real: .real(try Self.real(text))
        case .choice(let choices): .text(try Self.choice(text, of: choices))
        }
    }

    /// Reads a value of a configuration file.
    func value(file text: String) throws(OptionValueError) -> Settings.Value {
        guard case .flag = kind else { return try value(commandLine: text) }
        switch text.lowercased() {
        case "1", "yes", "true", "on": return .flag(true)
        case "0", "no", "false", "off": return .flag(false)
        default: throw OptionValueError("Not a boolean: \(text)")
        }
    }

    private static func nonEmpty(_ text: String) throws(OptionValueError) -> String {
        guard !text.isEmpty else { throw OptionValueError("value is empty") }
        return text
    }

    private static func integer(_ text: String) throws(OptionValueError) -> Int {
        guard let value = Int(text) else { throw OptionValueError("invalid int value: '\(text)'") }
        return value
    }

    private static func real(_ text: String) throws(OptionValueError) -> Double {
        guard let value = Double(text), !value.isNaN else {
            throw OptionValueError("invalid float value: '\(text)'")
        }
        return value
    }

    private static func choice(_ text: String, of choices: [String]) throws(OptionValueError) -> String {
        guard choices.contains(text) else {
            let list = choices.map { "'\($0)'" }.joined(separator: ", ")
            throw OptionValueError("invalid choice: '\(text)' (choose from \(list))")
        }
        return text
    }
}

/// Why a value is refused; who reports it adds where it comes from.
struct OptionValueError: Error {
    let message: String

    init(_ message: String) {
        self.message = message
    }
}
