/// An address as it is written: a host, that may be a name, and a port (`spec/tools.md §5.1`).
public struct AddressText: Hashable, Sendable {
    public var host: String
    /// A number or the name of a service; nil if it is not given.
    public var port: String?

    /// Reads `HOST`, `HOST:PORT`, `[HOST]`, `[HOST]:PORT`. Text with several colons and no brackets is all host.
    /// - Throws: ``ConfigurationError/invalid(_:)``.
    public init(_ text: String) throws(ConfigurationError) {
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else { throw .invalid("invalid address '\(text)': expected ']'") }
            host = String(text[text.index(after: text.startIndex)..<end])
            let rest = text[text.index(after: end)...]
            guard rest.isEmpty || rest.hasPrefix(":") else {
                throw .invalid("invalid address '\(text)': expected ':' after ']'")
            }
            port = rest.count > 1 ? String(rest.dropFirst()) : nil
        } else {
            let parts = text.split(separator: ":", omittingEmptySubsequences: false)
            host = parts.count == 2 ? String(parts[0]) : text
            port = parts.count == 2 && !parts[1].isEmpty ? String(parts[1]) : nil
        }
        guard !host.isEmpty else { throw .invalid("invalid address '\(text)': the host is empty") }
    }

    /// A host as it must be written to be followed by a port, or to stand alone.
    public static func bracketed(_ host: String) -> String { host.contains(":") ? "[\(host)]" : host }

    /// Reads addresses separated by white space (`spec/tools.md §5.2`).
    public static func list(_ text: String) throws(ConfigurationError) -> [AddressText] {
        var addresses: [AddressText] = []
        for word in text.split(whereSeparator: \.isWhitespace) { addresses.append(try AddressText(String(word))) }
        return addresses
    }
}
