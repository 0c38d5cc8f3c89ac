/// Replaces `%(name)s` and `%%` in the values of a section (`spec/tools.md §3.3`).
struct Interpolation {
    /// Values as they are written, with those that are inherited.
    let values: [String: String]

    static let depthLimit = 10

    /// The value of a key; empty if there is no such key.
    func value(of key: String) throws(OptionValueError) -> String {
        try expand(values[key] ?? "", depth: 1)
    }

    private func expand(_ text: String, depth: Int) throws(OptionValueError) -> String {
        guard depth <= Self.depthLimit else {
            throw OptionValueError("Value interpolation too deeply recursive")
        }
        var result = ""
        var rest = text[...]
        while let character = rest.popFirst() {
            guard character == "%" else {
                result.append(character)
                continue
            }
            if rest.first == "%" {
                rest.removeFirst()
                result.append("%")
            } else if rest.first == "(", let end = rest.firstIndex(of: ")"),
                rest.index(after: end) < rest.endIndex, rest[rest.index(after: end)] == "s"
            {
                let name = rest[rest.index(after: rest.startIndex)..<end].lowercased()
                guard let value = values[name] else {
                    throw OptionValueError("Bad value substitution: '\(name)' is not a key of the section")
                }
                result += try expand(value, depth: depth + 1)
                rest = rest[rest.index(end, offsetBy: 2)...]
            } else {
                throw OptionValueError("'%' must be followed by '%' or '(', found: '%\(rest)'")
            }
        }
        return result
    }
}
