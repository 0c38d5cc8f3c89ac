import Glibc
import NEOConfiguration
import NEOTransport

/// `neosimple`: a whole cluster in the foreground (`spec/tools.md §16`).
enum SimpleProgram {
    static func run(_ settings: Settings) throws(ConfigurationError) -> Int32 {
        let directory = try directory(settings)
        let path = "\(directory)/\(SimpleLayout.fileName)"
        if TextFile.exists(path) {
            if settings.wasAsked(for: ["master_count", "storages", "partitions", "replicas", "name", "bind_ip"]) {
                Console.error("neosimple: \(path) exists: the cluster that it describes is run, as it is")
            }
        } else {
            try SimpleLayout.create(in: directory, settings)
        }
        let layout = try SimpleLayout(directory: directory)
        if settings.flag("clear_databases") { try clear(layout) }
        // The paths of the configuration are relative to the directory, so that it can be moved.
        guard chdir(directory) == 0 else { throw .invalid("\(directory): \(String(cString: strerror(errno)))") }
        Console.print(layout.description(command: "neo ctl"))
        return SimpleCluster(layout).run()
    }

    private static func directory(_ settings: Settings) throws(ConfigurationError) -> String {
        let path: String
        guard settings.words.count <= 1 else {
            throw .usage("unrecognized arguments: \(settings.words.dropFirst().joined(separator: " "))")
        }
        if let given = settings.words.first {
            path = PathExpansion.expand(given)
            if mkdir(path, 0o777) != 0, errno != EEXIST {
                throw .invalid("\(path): \(String(cString: strerror(errno)))")
            }
        } else {
            let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
            var template = Array("\(parent)/neo_XXXXXX".utf8CString)
            guard mkdtemp(&template) != nil else {
                throw .invalid("\(parent): \(String(cString: strerror(errno)))")
            }
            path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
            Console.print("Using temp directory \(path)")
        }
        guard let absolute = realpath(path, nil) else {
            throw .invalid("\(path): \(String(cString: strerror(errno)))")
        }
        defer { free(absolute) }
        return String(cString: absolute)
    }

    private static func clear(_ layout: SimpleLayout) throws(ConfigurationError) {
        for (_, database) in layout.databases {
            let path = database.hasPrefix("/") ? database : "\(layout.directory)/\(database)"
            for file in [path, "\(path)-wal", "\(path)-shm"] where unlink(file) != 0 && errno != ENOENT {
                throw .invalid("\(file): \(String(cString: strerror(errno)))")
            }
        }
    }
}
