/// The arguments of a program, cut into options and words (`spec/tools.md §2`).
struct CommandLine {
    private(set) var values: [String: Settings.Value] = [:]
    private(set) var words: [String] = []
    private(set) var unrecognized: [String] = []

    private let program: Program
    private var arguments: ArraySlice<String>

    init(_ program: Program, _ arguments: [String]) throws(ConfigurationError) {
        self.program = program
        self.arguments = arguments[...]
        while let argument = self.arguments.popFirst() {
            if argument == "--" {
                words += self.arguments
                return
            } else if argument.hasPrefix("--") {
                try takeLong(argument.dropFirst(2))
            } else if argument.hasPrefix("-"), argument.count > 1, !Self.isNegativeNumber(argument) {
                try takeShort(argument.dropFirst())
            } else {
                switch program.words {
                case .none: unrecognized.append(argument)
                case .list: words.append(argument)
                case .command:
                    words = [argument] + self.arguments
                    return
                }
            }
        }
    }

    private mutating func takeLong(_ argument: Substring) throws(ConfigurationError) {
        let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let name = String(parts[0])
        let matches = program.options.filter { $0.name.hasPrefix(name) }
        guard let option = program.option(named: name) ?? (matches.count == 1 ? matches[0] : nil) else {
            guard !matches.isEmpty else {
                unrecognized.append("--\(argument)")
                return
            }
            let names = matches.map { "--\($0.name)" }.joined(separator: ", ")
            throw .usage("ambiguous option: --\(name) could match \(names)")
        }
        let given = parts.count > 1 ? String(parts[1]) : nil
        if option.kind == .flag {
            guard given == nil else {
                throw .usage("argument \(option.displayName): ignored explicit argument '\(given ?? "")'")
            }
            values[option.name] = .flag(true)
        } else {
            let value = if let given { given } else { try nextValue(of: option) }
            try set(option, value)
        }
    }

    private mutating func takeShort(_ argument: Substring) throws(ConfigurationError) {
        var rest = argument
        while let letter = rest.popFirst() {
            guard let option = program.options.first(where: { $0.short == letter }) else {
                unrecognized.append("-\(letter)\(rest)")
                return
            }
            if option.kind == .flag {
                values[option.name] = .flag(true)
            } else {
                try set(option, try rest.isEmpty ? nextValue(of: option) : String(rest))
                return
            }
        }
    }

    private mutating func set(_ option: Option, _ text: String) throws(ConfigurationError) {
        do throws(OptionValueError) {
            values[option.name] = try option.value(commandLine: text)
        } catch {
            throw .usage("argument \(option.displayName): \(error.message)")
        }
    }

    private mutating func nextValue(of option: Option) throws(ConfigurationError) -> String {
        guard let value = arguments.first,
            !value.hasPrefix("-") || value == "-" || Self.isNegativeNumber(value)
        else { throw .usage("argument \(option.displayName): expected one argument") }
        arguments.removeFirst()
        return value
    }

    private static func isNegativeNumber(_ text: String) -> Bool {
        guard text.hasPrefix("-"), let first = text.dropFirst().first else { return false }
        return (first.isNumber || first == ".") && Double(text) != nil
    }
}
