/// The values of the options of a program, from its command line over its configuration file over its defaults
/// (`spec/tools.md §3.2`).
public struct Settings: Hashable, Sendable {
    public enum Value: Hashable, Sendable {
        case flag(Bool)
        case text(String)
        case integer(Int)
        case real(Double)
    }

    private var values: [String: Value]
    private let given: Set<String>
    /// The words that are no options.
    public let words: [String]

    init(values: [String: Value], given: Set<String>? = nil, words: [String]) {
        self.values = values
        self.given = given ?? Set(values.keys)
        self.words = words
    }

    /// Whether one of these options has another origin than its default.
    public func wasAsked(for names: [String]) -> Bool { names.contains { given.contains($0) } }

    /// Whether the option has a value, its default included.
    public func isGiven(_ name: String) -> Bool { values[name] != nil }

    public func text(_ name: String) -> String? {
        if case .text(let text) = values[name] { text } else { nil }
    }

    public func integer(_ name: String) -> Int? {
        if case .integer(let integer) = values[name] { integer } else { nil }
    }

    public func real(_ name: String) -> Double? {
        if case .real(let real) = values[name] { real } else { nil }
    }

    public func flag(_ name: String) -> Bool { values[name] == .flag(true) }

    /// Reads the command line of a program and the configuration file that it names.
    ///
    /// - Parameter readFile: gives the text of a file.
    /// - Throws: ``ConfigurationError``.
    /// - Returns: the settings, and warnings for the operator.
    public static func read(
        _ program: Program,
        arguments: [String],
        readFile: (String) throws -> String
    ) throws(ConfigurationError) -> (Settings, warnings: [String]) {
        let line = try CommandLine(program, arguments)
        if line.values["help"] != nil || line.values["version"] != nil {
            return (Settings(values: line.values, words: line.words), [])
        }
        var values: [String: Value] = [:]
        var warnings: [String] = []
        if program.defaultSection != nil, case .text(let path) = line.values["file"] {
            let section: String
            if case .text(let name) = line.values["section"] {
                section = name
            } else {
                section = program.defaultSection ?? ""
            }
            let text: String
            do {
                text = try readFile(path)
            } catch {
                throw .invalid("\(path): cannot be read: \(error)")
            }
            let file = try ConfigurationFile(text, path: path)
            (values, warnings) = try file.values(of: program, section: section)
        }
        values.merge(line.values) { _, new in new }
        let missing = program.options.filter { $0.isRequired && values[$0.name] == nil }
        guard missing.isEmpty else {
            let names = missing.map(\.displayName).joined(separator: ", ")
            throw .usage("the following arguments are required: \(names)")
        }
        guard line.unrecognized.isEmpty else {
            throw .usage("unrecognized arguments: \(line.unrecognized.joined(separator: " "))")
        }
        let given = Set(values.keys)
        for option in program.options where values[option.name] == nil {
            guard let text = option.defaultValue else { continue }
            do throws(OptionValueError) {
                values[option.name] = try option.value(file: text)
            } catch {
                throw .invalid("default of \(option.name): \(error.message)")
            }
        }
        return (Settings(values: values, given: given, words: line.words), warnings)
    }
}
