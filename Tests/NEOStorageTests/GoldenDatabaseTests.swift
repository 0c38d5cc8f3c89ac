import Foundation
import NEODatabase
import NEOEngine
import NEOProtocol
import OrderedCollections
import TestVectors
import Testing

@testable import NEOStorage

/// Databases of reference storages that were killed in the middle of a commit, restarted here.
@Suite struct GoldenDatabaseTests {
    /// What a sidecar says of a database.
    struct Sidecar: Decodable {
        struct Transaction: Decodable, Hashable {
            var partition: Int
            var tid: Hex
            var ttid: Hex
        }

        struct Object: Decodable, Hashable {
            var partition: Int
            var oid: Hex
            var tid: Hex
        }

        var config: [String: String?]
        var transactions: [Transaction]
        var objects: [Object]
    }

    /// A storage of a golden database, in initialisation.
    struct Restart {
        let name: String
        var host: StorageHost
        let database: SQLiteDatabase
        let master: ConnectionID
        let folder: URL

        init(_ name: String) throws {
            self.name = name
            folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            let file = folder.appendingPathComponent("\(name).sqlite")
            try FileManager.default.copyItem(
                at: Vectors.folder.appendingPathComponent("databases/\(name).sqlite"),
                to: file
            )
            let sidecar: Sidecar = try Vectors.load("databases/\(name).json")
            let cluster = try #require(sidecar.config["name"] ?? nil)
            database = try .open(SQLiteLocation(path: file.path), OpenOptions(clusterName: cluster))
            host = try StorageHost(database, cluster: cluster)
            master = try #require(host.masterID)
            let nid = try #require((sidecar.config["nid"] ?? nil).flatMap { Int32($0) })
            let accept = AcceptIdentification(type: .master, nid: NID(.master, 1), yourNID: NID(nid))
            try host.send(Frame(id: 0, accept.packet), on: master)
            // The table goes to the storage as it came from it.
            _ = host.take(master)
            try host.send(.askPartitionTable(AskPartitionTable()), on: master)
            guard case .answerPartitionTable(let table)? = host.packets(master).first else {
                throw DatabaseFailure(.failed, "no partition table")
            }
            let packet = SendPartitionTable(ptid: table.ptid, replicas: table.replicas, rows: table.rows)
            try host.send(.sendPartitionTable(packet), on: master)
        }

        mutating func locked() throws -> [TTID: TID?] {
            try host.send(.askLockedTransactions(AskLockedTransactions()), on: master)
            guard case .answerLockedTransactions(let answer)? = host.packets(master).first else { return [:] }
            return Dictionary(uniqueKeysWithValues: answer.transactions.map { ($0.key, $0.value) })
        }

        mutating func finish(_ decided: [(TTID, TID)]) throws {
            for (ttid, tid) in decided {
                try host.send(.validateTransaction(ValidateTransaction(ttid: ttid, tid: tid)), on: master)
            }
            try host.send(.askLastIDs(AskLastIDs()), on: master)
            try host.send(.startOperation(StartOperation(backup: false)), on: master)
        }

        func check() throws {
            let expected: Sidecar = try Vectors.load("databases/\(name).after-restart.json")
            let reader = try database.makeReader()
            #expect(try reader.unfinishedTransactions().isEmpty)
            var transactions: Set<Sidecar.Transaction> = []
            var objects: Set<Sidecar.Object> = []
            for partition in 0..<(try reader.configuration().partitions) {
                for tid in try reader.tids(in: partition, .zero ... .max, limit: .max) {
                    let found = try #require(try reader.transaction(tid, in: partition, includeLocked: false))
                    let ttid = Hex(text: "\(found.ttid)")
                    transactions.insert(
                        .init(partition: partition, tid: try #require(Hex(text: "\(tid)")), ttid: try #require(ttid))
                    )
                }
                let records = try reader.objectRecords(
                    in: partition,
                    from: .zero,
                    oid: .zero,
                    through: .max,
                    limit: .max
                )
                for record in records {
                    let oid = Hex(text: "\(record.oid)")
                    let tid = Hex(text: "\(record.tid)")
                    objects.insert(.init(partition: partition, oid: try #require(oid), tid: try #require(tid)))
                }
            }
            #expect(transactions == Set(expected.transactions))
            #expect(objects == Set(expected.objects))
            // `spec/master.md §19.6.3`: nothing is left of what was dropped.
            let search = DatabaseJob(
                id: .init(rawValue: .max),
                operation: .removeOrphans(after: -1, .rows(.max), dryRun: true)
            )
            #expect(try database.writer.perform([search]).map(\.outcome) == [.orphans(count: 0, next: nil)])
            try database.writer.close()
            try FileManager.default.removeItem(at: folder)
        }
    }

    @Test("Locked: finished; voted: dropped", arguments: ["c-locked", "c-voted"])
    func single(_ name: String) throws {
        var restart = try Restart(name)
        let locked = try restart.locked()
        #expect(locked.count == 1)
        try restart.finish(locked.compactMap { ttid, tid in tid.map { (ttid, $0) } })
        try restart.check()
    }

    @Test("A transaction of two nodes, locked on the one that has its metadata: finished on both")
    func split() throws {
        var first = try Restart("c-split-s1")
        var second = try Restart("c-split-s2")
        let decided = try first.locked().compactMap { ttid, tid in tid.map { (ttid, $0) } }
        #expect(try second.locked() == [decided[0].0: nil])
        try first.finish(decided)
        try second.finish(decided)
        try first.check()
        try second.check()
    }
}
