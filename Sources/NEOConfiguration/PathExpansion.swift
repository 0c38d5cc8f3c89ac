#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// Home directories in paths (`spec/tools.md §3.4`).
public enum PathExpansion {
    /// Replaces a leading `~` or `~user`. An unknown user is left as it is.
    public static func expand(_ path: String) -> String {
        guard path.hasPrefix("~") else { return path }
        let user = path.dropFirst().prefix { $0 != "/" }
        guard let home = home(of: String(user)) else { return path }
        return home + path.dropFirst(1 + user.count)
    }

    private static func home(of user: String) -> String? {
        if user.isEmpty, let home = getenv("HOME") { return String(cString: home) }
        guard let entry = user.isEmpty ? getpwuid(getuid()) : getpwnam(user) else { return nil }
        return String(cString: entry.pointee.pw_dir)
    }
}
