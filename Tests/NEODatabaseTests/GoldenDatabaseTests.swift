import Foundation
import GRDB
import NEODatabase
import NEOProtocol
import NIOCore
import TestVectors
import Testing

/// Databases written by the reference (`spec/database.md §14`).
@Suite struct GoldenDatabaseTests {
    @Test(arguments: GoldenDatabase.names)
    func contents(name: String) throws {
        let golden = try GoldenDatabase(name)
        let database = try golden.open()
        let reader = try database.makeReader()
        let found = try Contents(of: reader)
        let expected = Contents(golden.sidecar, prefix: golden.prefix)
        #expect(found.pt == expected.pt)
        #expect(found.pack == expected.pack)
        #expect(found.transactions == expected.transactions)
        #expect(found.objects == expected.objects)
        #expect(found.unfinished == expected.unfinished)
        let configuration = try reader.configuration()
        let settings = golden.sidecar[golden.prefix + "config"]
        #expect(configuration.clusterName == settings["name"].string)
        #expect(configuration.nid.map { String($0.rawValue) } == settings["nid"].string)
        #expect(configuration.ptid.map { String($0) } == settings["ptid"].string)
        #expect(configuration.backupTID == settings["backup_tid"].tid)
        #expect(configuration.truncateTID == settings["truncate_tid"].tid)
        try database.writer.close()
    }

    @Test(arguments: GoldenDatabase.names)
    func queries(name: String) throws {
        let golden = try GoldenDatabase(name)
        let database = try golden.open()
        let queries = GoldenQueries(
            reader: try database.makeReader(),
            partitions: golden.partitions,
            readable: golden.readable
        )
        let expected = golden.sidecar[golden.prefix.isEmpty ? "queries" : "queries_after_migration"].array
        #expect(!expected.isEmpty)
        for query in expected {
            let operation = query["op"].string ?? ""
            #expect(
                try queries.answer(operation, query["args"]) == query["result"],
                "\(name): \(operation) \(query["args"])"
            )
        }
    }

    /// What verification, truncation and pack make of them must be what they made under the reference.
    @Test(arguments: ["c-voted", "c-locked", "c-split-s1", "c-split-s2", "d-pending", "g-truncate-pending"])
    func afterRestart(name: String) throws {
        let golden = try GoldenDatabase(name)
        let database = try golden.open()
        let reader = try database.makeReader()
        var steps = Steps(database.writer)

        // Who knows the final TID of a transaction tells the others.
        var final: [TTID: TID] = [:]
        for node in name.hasPrefix("c-split") ? ["c-split-s1", "c-split-s2"] : [name] {
            for row in try Vectors.load("databases/\(node).json", as: JSON.self)["ttrans"].array {
                if let tid = row["tid"].tid { final[row["ttid"].requiredTID] = tid }
            }
        }
        for transaction in try reader.unfinishedTransactions() {
            guard let tid = final[transaction.ttid] else { continue }
            try steps.perform(.validate(transaction.ttid, tid))
        }
        while try steps.perform(.truncate(.rows(7))) == .slice(isFinished: false) {}
        try steps.perform(.dropUnfinished)
        for order in try reader.packOrders(from: .zero, in: golden.readable, of: golden.partitions) {
            guard order.approved == true else { continue }
            for partition in golden.readable {
                var next: OID? = .zero
                let listed = order.oids?.oids.filter { $0.partition(of: golden.partitions) == partition }.sorted()
                while let from = next {
                    let slice = PackSlice(tid: order.tid, oids: order.isPartial ? listed : nil, from: from)
                    guard case .packed(let following) = try steps.perform(.pack(partition, slice, .rows(3))) else {
                        break
                    }
                    next = following
                }
                try steps.perform(.setPacked(partition, order.id))
            }
        }

        let found = try Contents(of: reader)
        let expected = Contents(try Vectors.load("databases/\(name).after-restart.json"))
        #expect(found == expected)
        #expect(try reader.configuration().truncateTID == nil)
    }

    /// Another program was killed while it rebuilt a table, between any two of its statements.
    @Test(
        arguments: ["old-v1", "old-v2", "old-v3"],
        ["(a, b)", "AS SELECT * FROM sqlite_master"]
    )
    func interruptedMigration(name: String, unfinished: String) throws {
        let golden = try GoldenDatabase(name)
        let queue = try DatabaseQueue(path: golden.path)
        // What the next step rebuilds.
        try queue.write { try $0.execute(sql: "CREATE TABLE new_\(name == "old-v1" ? "obj" : "pt") \(unfinished)") }
        try queue.close()
        let database = try golden.open()
        #expect(try Contents(of: database.makeReader()) == Contents(golden.sidecar, prefix: golden.prefix))
        try database.writer.close()
    }

    /// … or after the old table was dropped: the new one is complete.
    @Test func interruptedMigrationAfterTheDrop() throws {
        let golden = try GoldenDatabase("old-v1")
        let queue = try DatabaseQueue(path: golden.path)
        try queue.write { database in
            try database.execute(
                sql: """
                    CREATE TABLE new_obj (partition INTEGER NOT NULL, oid INTEGER NOT NULL, tid INTEGER NOT NULL,
                        data_id INTEGER, value_tid INTEGER, PRIMARY KEY (partition, oid, tid)) WITHOUT ROWID;
                    INSERT INTO new_obj SELECT partition, oid, tid, data_id, value_tid FROM obj;
                    DROP TABLE obj
                    """
            )
        }
        try queue.close()
        let database = try golden.open()
        #expect(try Contents(of: database.makeReader()) == Contents(golden.sidecar, prefix: golden.prefix))
        try database.writer.close()
    }

    @Test(arguments: ["future-v5", "old-v0-unfinished"])
    func refused(name: String) throws {
        let golden = try GoldenDatabase(name)
        let before = try golden.folder.bytes(of: "\(name).sqlite")
        let failure = #expect(throws: DatabaseFailure.self) { try golden.open() }
        #expect(failure?.code == (name == "future-v5" ? .wrongFormat : .unfinishedTransactions))
        #expect(failure?.message.hasPrefix(golden.sidecar["refused"].string ?? "?") ?? false)
        #expect(try golden.folder.bytes(of: "\(name).sqlite") == before)
    }

    /// The migrated file is the same in the eyes of the independent reader.
    @Test(arguments: GoldenDatabase.names)
    func describedByPython(name: String) throws {
        let golden = try GoldenDatabase(name)
        try golden.open().writer.close()
        let described = try describe(golden.path)
        for table in ["config", "pt", "pack", "transactions", "objects", "data", "ttrans", "tobj"] {
            #expect(described[table] == golden.sidecar[golden.prefix + table], "\(table)")
        }
    }
}

/// Runs the reader of the golden databases, which shares nothing with ours.
func describe(_ path: String) throws -> JSON {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["python3", Vectors.folder.appendingPathComponent("databases/describe.py").path, path]
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let bytes = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    return try JSONDecoder().decode(JSON.self, from: bytes)
}
