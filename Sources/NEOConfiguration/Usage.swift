extension Program {
    /// The lines before an error of syntax.
    public func usage(as name: String, columns: Int = 80) -> String {
        let options = options.map { option in
            let form = option.short.map { "-\($0)" } ?? "--\(option.name)"
            let full = option.kind == .flag ? form : "\(form) \(option.placeholder)"
            return option.isRequired ? full : "[\(full)]"
        }
        let head = "usage: \(name)"
        let indentation = String(repeating: " ", count: head.count)
        return Self.wrap(options + (words.placeholder.map { [$0] } ?? []), columns: columns - head.count - 1)
            .enumerated().map { ($0 == 0 ? head : indentation) + " " + $1 }
            .joined(separator: "\n")
    }

    /// What `--help` prints.
    public func help(as name: String, columns: Int = 80) -> String {
        var lines = [usage(as: name, columns: columns), ""]
        lines += Self.wrap(summary.split(separator: " ").map(String.init), columns: columns)
        lines += ["", "options:"]
        for option in options {
            let names = [option.short.map { "-\($0)" }, "--\(option.name)"].compactMap { $0 }
            lines.append(
                "  " + names.map { option.kind == .flag ? $0 : "\($0) \(option.placeholder)" }.joined(separator: ", ")
            )
            var help = option.help.split(separator: " ").map(String.init)
            if let value = option.defaultValue { help.append("(default: \(value))") }
            lines += Self.wrap(help, columns: columns - 8).map { "        \($0)" }
        }
        if !wordsHelp.isEmpty { lines += ["", wordsHelp] }
        if defaultSection != nil {
            lines.append("")
            lines += Self.wrap(
                """
                All the options but the help, the version, the file and the section can be in the section of a \
                configuration file, with _ instead of -. Those of the command line have precedence.
                """.split(separator: " ").map(String.init),
                columns: columns
            )
        }
        return lines.joined(separator: "\n")
    }

    private static func wrap(_ words: [String], columns: Int) -> [String] {
        var lines: [String] = []
        for word in words {
            if let last = lines.last, last.count + 1 + word.count <= columns {
                lines[lines.count - 1] = "\(last) \(word)"
            } else {
                lines.append(word)
            }
        }
        return lines
    }
}
