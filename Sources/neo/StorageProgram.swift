import Glibc
import NEOConfiguration
import NEODatabase
import NEOProtocol
import NEOStorage
import NEOTransport

/// `neostorage` (`spec/tools.md §4.3`).
enum StorageProgram {
    static func run(_ settings: Settings) throws(ConfigurationError) -> Int32 {
        let node = try NodeSettings(settings, port: 0, needsMasters: true)
        let connection = settings.text("database") ?? ""
        guard !settings.flag("reset") || !settings.flag("new-nid") else {
            throw .usage("argument --reset: not allowed with argument --new-nid")
        }
        let (reservedBytes, replication) = (try reservedBytes(settings), try replication(settings))
        if NodeSettings.isOnlyChecked(settings) { return 0 }
        let logger = try NodeProgram.logger("storage", node)
        let options = OpenOptions(
            clusterName: node.cluster,
            reset: settings.flag("reset"),
            deduplication: settings.flag("dedup")
        )
        do {
            let database = try SQLiteDatabase.open(SQLiteLocation(connection), options)
            guard !settings.flag("reset") else {
                try database.writer.close()
                return 0
            }
            let reader = try database.makeReader()
            let copiedPartitions = settings.flag("new-nid") ? try assignedPartitions(reader) : []
            let configuration = StorageConfiguration(
                cluster: node.cluster,
                masters: node.masters,
                bind: node.bind,
                nid: node.nid,
                topologyPath: [hostName, database.device],
                disablesPack: settings.flag("disable-pack"),
                disablesDropPartitions: settings.flag("disable-drop-partitions"),
                copiedPartitions: copiedPartitions,
                reservedBytes: reservedBytes,
                replication: replication
            )
            let core = StorageCore(configuration, reader: reader)
            let executor = DatabaseExecutor(writer: database.writer, logger: logger)
            var options = node.hostOptions(logger)
            // What a client does between two loads is short, and a storage that sleeps meanwhile doubles the time of a load.
            options.busyPollingMicroseconds = 100
            return NodeHost(core: core, executor: executor, logger: logger, options: options).run()
        } catch let error as ConfigurationError {
            throw error
        } catch {
            throw .invalid("database \(connection): \(error)")
        }
    }

    /// The cells of the node whose id is in the database.
    private static func assignedPartitions(_ reader: any DatabaseReader) throws -> [PartitionID] {
        guard let nid = try reader.configuration().nid else { throw DatabaseFailure(.failed, "database is empty") }
        let partitions = try reader.cells().filter { $0.nid == nid }.map(\.partition)
        guard !partitions.isEmpty else { throw DatabaseFailure(.failed, "database is empty") }
        return partitions
    }

    private static func reservedBytes(_ settings: Settings) throws(ConfigurationError) -> UInt64 {
        let mebibytes = settings.integer("disk-reserve") ?? 0
        guard (0...1 << 40).contains(mebibytes) else {
            throw .invalid("disk-reserve: expected a number of MiB from 0 on, got \(mebibytes)")
        }
        return UInt64(mebibytes) << 20
    }

    private static func replication(_ settings: Settings) throws(ConfigurationError) -> ReplicationOptions {
        var options = ReplicationOptions()
        options.parallelCells = try number("replication-cells", 1...1000, settings) ?? options.parallelCells
        let speed = try number("replication-speed", 1...(1 << 30), settings)
        options.minimumBytesPerSecond = speed.map { $0 << 10 } ?? options.minimumBytesPerSecond
        let pause = try number("replication-pause", 0...60_000, settings)
        options.foregroundMilliseconds = pause.map { UInt64($0) } ?? options.foregroundMilliseconds
        return options
    }

    private static func number(
        _ name: String,
        _ range: ClosedRange<Int>,
        _ settings: Settings
    ) throws(ConfigurationError) -> Int? {
        guard let number = settings.integer(name) else { return nil }
        guard range.contains(number) else {
            throw .invalid("--\(name): expected \(range.lowerBound) to \(range.upperBound), got \(number)")
        }
        return number
    }

    private static var hostName: String {
        var name = [CChar](repeating: 0, count: 256)
        guard gethostname(&name, name.count - 1) == 0 else { return "" }
        return String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
