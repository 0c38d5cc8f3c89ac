import Foundation
import GRDB
import NEODatabase
import NEOEngine
import NEOProtocol
import NEOStorage
import NIOCore
import TestVectors
import Testing

/// A damaged file gives errors that say so, never a trap (`spec/storage.md §22.1`).
@Suite struct DamagedDatabaseTests {
    private struct Sidecar: Decodable {
        struct Configuration: Decodable { var name: String? }
        var config: Configuration?
    }

    static let folder = Vectors.folder.appendingPathComponent("databases")

    /// A copy of a golden database in a folder of its own.
    final class Copy {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("NEODamaged-\(UUID().uuidString)")
        var file: URL { folder.appendingPathComponent("neo.sqlite") }

        init(_ bytes: [UInt8]) throws {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            try Data(bytes).write(to: file)
        }

        deinit { try? FileManager.default.removeItem(at: folder) }
    }

    static func names() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".sqlite") }.sorted()
    }

    static func cluster(of name: String) throws -> String {
        let sidecar = try Vectors.load("databases/\(name.dropLast(7)).json", as: Sidecar.self)
        return sidecar.config?.name ?? "golden"
    }

    /// What is not a failure of the database with an explanation is a defect.
    static func expectFailure(_ error: any Error) {
        let text = (error as? DatabaseFailure)?.message
        #expect(text?.isEmpty == false, "\(type(of: error)) \(error)")
    }

    static func attempt(_ body: () throws -> Void) {
        do { try body() } catch { expectFailure(error) }
    }

    static let everything = ClosedRange<TID>(uncheckedBounds: (.zero, .max))

    /// Calls all the methods of a reader.
    static func readAll(_ reader: any NEODatabase.DatabaseReader) {
        var partitions = 3
        attempt { partitions = try reader.configuration().partitions }
        let all = Array(0..<min(partitions, 20)) + [-1, .max]
        attempt { _ = try reader.cells() }
        attempt { _ = try reader.firstTID(in: all) }
        attempt { _ = try reader.lastIDs(in: all) }
        attempt { _ = try reader.unfinishedTransactions() }
        attempt { _ = try reader.packOrders(from: .zero, in: all, of: max(1, partitions)) }
        attempt { _ = try reader.tids(in: all, skip: 0, limit: 100) }
        for partition in all {
            attempt {
                for tid in try reader.tids(in: partition, everything, limit: 100) {
                    attempt { _ = try reader.transaction(tid, in: partition, includeLocked: true) }
                    attempt { _ = try reader.finalTID(of: tid, in: partition) }
                }
            }
            attempt { _ = try reader.transactionDigest(in: partition, everything, limit: 100) }
            attempt { _ = try reader.objectDigest(in: partition, from: .zero, oid: .zero, through: .max, limit: 100) }
            attempt { _ = try reader.oids(from: .zero, in: partition, asOf: .max, limit: 100) }
            attempt {
                let records = try reader.objectRecords(
                    in: partition,
                    from: .zero,
                    oid: .zero,
                    through: .max,
                    limit: 100
                )
                for record in records {
                    attempt { _ = try reader.revision(of: record.oid, at: record.tid, in: partition) }
                    attempt {
                        // Data that was damaged in place is found by its checksum, or by its decompression.
                        if case .found(let found) = try reader.load(record.oid, in: partition, .latest) {
                            _ = try? found.data?.record()
                        }
                    }
                    attempt { _ = try reader.load(record.oid, in: partition, .before(record.tid)) }
                    attempt { _ = try reader.lastTID(of: record.oid, in: partition) }
                    attempt { _ = try reader.hasRevision(of: record.oid, at: record.tid, in: partition) }
                    attempt { _ = try reader.history(of: record.oid, in: partition, skip: 0, limit: 10) }
                    attempt {
                        _ = try reader.undo(
                            of: record.oid,
                            in: partition,
                            undoneTID: record.tid,
                            before: nil,
                            current: nil
                        )
                    }
                }
            }
        }
    }

    /// Opens, reads, and has a storage start on what can be opened.
    static func use(_ file: URL, cluster: String) {
        do {
            let database = try SQLiteDatabase.open(SQLiteLocation(path: file.path), OpenOptions(clusterName: cluster))
            defer { try? database.writer.close() }
            readAll(try database.makeReader())
            start(database, cluster)
            let job = DatabaseJob(id: DatabaseJob.ID(rawValue: 1), operation: .dropUnfinished)
            _ = try database.writer.perform([job])
        } catch {
            expectFailure(error)
        }
    }

    /// A master asks for all that a storage has in its file.
    static func start(_ database: any StorageDatabase, _ cluster: String) {
        attempt {
            let configuration = StorageConfiguration(
                cluster: cluster,
                masters: [NodeAddress(host: "127.0.0.1", port: 1)],
                bind: NodeAddress(host: "127.0.0.1", port: 10)
            )
            let core = StorageCore(configuration, reader: try database.makeReader())
            var world = HostileWorld(core, seed: 1)
            guard let master = world.outgoing else { return }
            world.open(master)
            let accepted = AcceptIdentification(type: .master, nid: NID(.master, 1), yourNID: NID(.storage, 1))
            world.answer(accepted.packet, on: master)
            let requests: [Packet] = [
                .askRecovery(AskRecovery()), .askPartitionTable(AskPartitionTable()),
                .askLockedTransactions(AskLockedTransactions()), .askLastIDs(AskLastIDs()),
                .askPackOrders(AskPackOrders(min: .zero)), .startOperation(StartOperation(backup: false)),
            ]
            for request in [nil] + requests.map(Optional.some) {
                if let request { world.send(request, on: master) }
                while case let jobs = world.takeJobs(), !jobs.isEmpty {
                    for result in try database.writer.perform(jobs) { world.handle(.jobCompleted(result)) }
                }
            }
        }
    }

    @Test func damagedBytes() throws {
        let seed = Campaign.setting("NEO_FUZZ_SEED") ?? .random(in: 0 ... .max >> 1)
        print("damaged databases: NEO_FUZZ_SEED=\(seed)")
        var random = SplitMix(seed: seed)
        let names = try Self.names()
        let end = ContinuousClock.now + .seconds(Int(clamping: Campaign.setting("NEO_FUZZ_SECONDS") ?? 4))
        var count = 0
        while ContinuousClock.now < end {
            let name = names.randomElement(using: &random) ?? names[0]
            var bytes = Array(try Data(contentsOf: Self.folder.appendingPathComponent(name)))
            switch Int.random(in: 0..<4, using: &random) {
            case 0: bytes.removeLast(.random(in: 1...bytes.count, using: &random))
            case 1:
                let start = Int.random(in: 0..<bytes.count, using: &random)
                let value = UInt8.random(in: 0 ... .max, using: &random)
                for index in start..<min(bytes.count, start + 512) { bytes[index] = value }
            default:
                for _ in 0..<Int.random(in: 1...60, using: &random) {
                    bytes[Int.random(in: 0..<bytes.count, using: &random)] ^=
                        1 << UInt8.random(in: 0..<8, using: &random)
                }
            }
            let copy = try Copy(bytes)
            Self.use(copy.file, cluster: try Self.cluster(of: name))
            count += 1
        }
        print("damaged databases: \(count) files")
        #expect(count > 0)
    }

    /// Rows that SQLite reads without complaint.
    @Test(arguments: [
        "UPDATE pt SET partition = 9223372036854775807 WHERE partition = 0",
        "UPDATE pt SET partition = 1099511627776 WHERE partition = 0",
        "UPDATE pt SET partition = -5",
        "UPDATE pt SET nid = 9223372036854775807",
        "UPDATE pt SET nid = 0",
        "UPDATE pt SET tid = -9223372036854775808",
        "UPDATE pt SET tid = 9223372036854775807",
        "UPDATE pt SET pack = -1",
        "UPDATE pt SET pack = 9223372036854775807",
        "UPDATE config SET value = '9223372036854775807' WHERE name = 'ptid'",
        "UPDATE config SET value = '-9223372036854775808' WHERE name = 'ptid'",
        "UPDATE config SET value = '9223372036854775807' WHERE name = 'replicas'",
        "UPDATE config SET value = '-1' WHERE name = 'replicas'",
        "UPDATE config SET value = '2147483648' WHERE name = 'nid'",
        "UPDATE config SET value = x'ff00fe' WHERE name = 'nid'",
        "UPDATE config SET value = '99999999999999999999' WHERE name = 'version'",
        "INSERT OR REPLACE INTO config VALUES ('truncate_tid', 'ffffffffffffffff')",
        "INSERT OR REPLACE INTO config VALUES ('truncate_tid', '-8')",
        "INSERT OR REPLACE INTO config VALUES ('backup_tid', 'zz')",
        "UPDATE trans SET tid = -1", "UPDATE trans SET tid = -9223372036854775808",
        "UPDATE trans SET tid = 9223372036854775807", "UPDATE trans SET ttid = -1",
        "UPDATE trans SET oids = x'0102'", "UPDATE trans SET oids = NULL", "UPDATE trans SET oids = 'text'",
        "UPDATE obj SET tid = -1", "UPDATE obj SET oid = -1", "UPDATE obj SET tid = 9223372036854775807",
        "UPDATE obj SET data_id = 9223372036854775807", "UPDATE obj SET data_id = -1", "UPDATE obj SET value_tid = -1",
        "UPDATE data SET hash = x'00'", "UPDATE data SET compression = 9223372036854775807",
        "UPDATE data SET compression = -128", "UPDATE data SET value = NULL", "UPDATE data SET value = 3",
        "UPDATE data SET id = 9223372036854775807 WHERE id = (SELECT max(id) FROM data)",
        "DELETE FROM data", "DELETE FROM config", "DELETE FROM pt", "DROP TABLE obj", "DROP TABLE config",
        "INSERT INTO ttrans SELECT * FROM trans", "UPDATE pack SET tid = -1", "UPDATE pack SET oids = x'01'",
    ])
    func damagedRows(_ statement: String) throws {
        for name in ["a-single.sqlite", "c-locked.sqlite", "d-packed.sqlite"] {
            let copy = try Copy(Array(try Data(contentsOf: Self.folder.appendingPathComponent(name))))
            do {
                let queue = try DatabaseQueue(path: copy.file.path)
                try queue.write { try $0.execute(sql: statement) }
                try queue.close()
            } catch {
                // The statement breaks a constraint that holds for this file.
                continue
            }
            Self.use(copy.file, cluster: try Self.cluster(of: name))
        }
    }
}
