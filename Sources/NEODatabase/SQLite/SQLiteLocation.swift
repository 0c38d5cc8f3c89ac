#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// The connection string of the SQLite backend: a path, or `file:PATH?option=value&...` (`spec/database.md §9.1`).
public struct SQLiteLocation: Hashable, Sendable {
    public var path: String
    /// Settings applied at each start: `cache_size`, `journal_mode`, `synchronous`, verbatim.
    public var pragmas: [Pragma]

    public struct Pragma: Hashable, Sendable {
        public var name: String
        public var value: String
    }

    public init(path: String) {
        self.path = path
        self.pragmas = []
    }

    /// - Throws: ``DatabaseFailure`` for an option that is unknown, given twice or without value.
    public init(_ connectionString: String) throws {
        guard connectionString.hasPrefix("file:") else {
            self.init(path: Self.expandingHome(connectionString))
            return
        }
        var rest = connectionString.dropFirst("file:".count)
        if let fragment = rest.firstIndex(of: "#") { rest = rest[..<fragment] }
        var query: Substring = ""
        if let mark = rest.firstIndex(of: "?") {
            query = rest[rest.index(after: mark)...]
            rest = rest[..<mark]
        }
        if rest.hasPrefix("//") {
            // An authority is ignored.
            let authority = rest.dropFirst(2)
            rest = authority.firstIndex(of: "/").map { authority[$0...] } ?? ""
        }
        self.init(path: String(rest))
        for option in query.split(separator: "&", omittingEmptySubsequences: true) {
            guard let equal = option.firstIndex(of: "=") else {
                throw DatabaseFailure(.invalidOptions, "expected option=value, got \(option) in \(connectionString)")
            }
            try add(String(option[..<equal]), String(option[option.index(after: equal)...]))
        }
    }

    private mutating func add(_ name: String, _ value: String) throws {
        guard !pragmas.contains(where: { $0.name == name }) else {
            throw DatabaseFailure(.invalidOptions, "option \(name) is given twice")
        }
        switch name {
        case "cache_size", "journal_mode", "synchronous":
            guard value.allSatisfy({ $0.isLetter || $0.isNumber || $0 == "-" }) else {
                throw DatabaseFailure(.invalidOptions, "expected a word or a number for option \(name), got \(value)")
            }
            pragmas.append(Pragma(name: name, value: value))
        case "cksumvfs" where value == "0":
            break
        case "cksumvfs":
            throw DatabaseFailure(
                .invalidOptions,
                "expected cksumvfs=0: page checksums are not supported, got \(value)"
            )
        default:
            throw DatabaseFailure(
                .invalidOptions,
                "expected cache_size, journal_mode, synchronous or cksumvfs, got option \(name)"
            )
        }
    }

    func value(of name: String) -> String? { pragmas.first { $0.name == name }?.value }

    private static func expandingHome(_ path: String) -> String {
        guard path == "~" || path.hasPrefix("~/"), let home = getenv("HOME") else { return path }
        return String(cString: home) + path.dropFirst()
    }
}
