/// A file in the INI dialect of Python's `configparser` (`spec/tools.md §3.3`).
public struct ConfigurationFile: Sendable {
    struct Section {
        var keys: [String] = []
        var values: [String: String] = [:]
    }

    let path: String
    private(set) var sections: [String: Section] = [:]
    /// The keys that all sections inherit.
    private(set) var defaults = Section()

    /// - Throws: ``ConfigurationError/invalid(_:)`` naming the path and the line.
    public init(_ text: String, path: String) throws(ConfigurationError) {
        self.path = path
        var parser = Parser(path: path)
        for line in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) {
            try parser.take(String(line))
        }
        parser.endValue()
        sections = parser.sections
        defaults = sections.removeValue(forKey: Parser.defaultName) ?? Section()
    }

    /// The names of the sections that can be selected, sorted.
    public var sectionNames: [String] { sections.keys.sorted() }

    /// The value of a key of a section, inherited or its own.
    /// - Throws: ``ConfigurationError/invalid(_:)`` for a wrong interpolation.
    public func text(_ key: String, section name: String) throws(ConfigurationError) -> String? {
        let interpolation = Interpolation(values: defaults.values.merging(sections[name]?.values ?? [:]) { $1 })
        guard interpolation.values[key] != nil else { return nil }
        do throws(OptionValueError) {
            return try interpolation.value(of: key)
        } catch {
            throw .invalid("\(path): [\(name)] \(key): \(error.message)")
        }
    }

    /// The values that a section gives to the options of a program.
    ///
    /// All known keys are checked, even those that the command line overrides (`spec/tools.md §3.2`).
    func values(
        of program: Program,
        section name: String
    ) throws(ConfigurationError) -> ([String: Settings.Value], warnings: [String]) {
        guard let section = sections[name] else { throw .invalid("\(path): No section: '\(name)'") }
        let interpolation = Interpolation(values: defaults.values.merging(section.values) { _, own in own })
        var values: [String: Settings.Value] = [:]
        for option in program.options {
            switch option.fileUse {
            case .refused where interpolation.values[option.key] != nil:
                throw .invalid("\(path): [\(name)] \(option.key): only on the command line")
            case .allowedInOwnSection where defaults.values[option.key] != nil:
                throw .invalid("\(path): [DEFAULT] \(option.key): each process needs its own, in its section")
            default: break
            }
        }
        let known = program.options.filter { $0.fileUse != .unknown }
        for option in known where interpolation.values[option.key] != nil {
            do throws(OptionValueError) {
                values[option.name] = try option.value(file: interpolation.value(of: option.key))
            } catch {
                throw .invalid("\(path): [\(name)] \(option.key): \(error.message)")
            }
        }
        let keys = Set(known.map(\.key))
        let warnings = section.keys.filter { !keys.contains($0) }.map { key in
            let guess = String(key.map { $0 == "-" ? "_" : $0 })
            let hint = keys.contains(guess) ? ": did you mean \(guess)?" : ""
            return "\(path): [\(name)] \(key): unknown key, ignored\(hint)"
        }
        return (values, warnings)
    }
}

extension ConfigurationFile {
    /// Reads a file line by line.
    ///
    /// ```
    ///   header ──▶ key line ──▶ deeper lines, empty lines ──▶ next key line or header
    /// ```
    struct Parser {
        static let defaultName = "DEFAULT"

        let path: String
        private(set) var sections: [String: Section] = [:]
        private var number = 0
        private var section: String?
        private var key: String?
        private var keyIndentation = 0
        private var lines: [String] = []

        init(path: String) {
            self.path = path
        }

        private func error(_ message: String) -> ConfigurationError {
            .invalid("\(path), line \(number): \(message)")
        }

        mutating func take(_ line: String) throws(ConfigurationError) {
            number += 1
            let text = line.trimmed
            if text.isEmpty {
                if key != nil { lines.append("") }
                return
            }
            guard text.first != "#", text.first != ";" else { return }
            let indentation = line.prefix(while: \.isWhitespace).count
            if key != nil, indentation > keyIndentation {
                lines.append(text)
                return
            }
            keyIndentation = indentation
            if text.first == "[", let end = text.lastIndex(of: "]"), text.index(after: text.startIndex) < end {
                try begin(section: String(text[text.index(after: text.startIndex)..<end]))
            } else {
                try begin(keyLine: text)
            }
        }

        private mutating func begin(section name: String) throws(ConfigurationError) {
            endValue()
            guard sections[name] == nil else { throw error("section '\(name)' already exists") }
            sections[name] = Section()
            section = name
        }

        private mutating func begin(keyLine text: String) throws(ConfigurationError) {
            endValue()
            guard let section else { throw error("expected a section header before '\(text)'") }
            guard let separator = text.firstIndex(where: { $0 == "=" || $0 == ":" }), separator > text.startIndex else {
                throw error("expected 'key = value', got '\(text)'")
            }
            let name = String(text[..<separator]).trimmed.lowercased()
            guard sections[section]?.values[name] == nil else {
                throw error("key '\(name)' in section '\(section)' already exists")
            }
            sections[section]?.keys.append(name)
            sections[section]?.values[name] = ""
            key = name
            lines = [String(text[text.index(after: separator)...]).trimmed]
        }

        mutating func endValue() {
            guard let section, let key else { return }
            while lines.count > 1, lines.last == "" { lines.removeLast() }
            sections[section]?.values[key] = lines.joined(separator: "\n")
            self.key = nil
        }
    }
}

extension String {
    /// Without white space at both ends.
    var trimmed: String {
        String(drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
    }
}
