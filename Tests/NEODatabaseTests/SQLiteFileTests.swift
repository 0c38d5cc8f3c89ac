import Foundation
import GRDB
import NEOProtocol
import NIOCore
import Synchronization
import Testing

@testable import NEODatabase

/// What belongs to the file: its schema, its lock, its options, and what is refused.
@Suite struct SQLiteFileTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    private var path: String { folder.path("neo.sqlite") }

    private func open(_ options: OpenOptions = OpenOptions(clusterName: "test")) throws -> SQLiteDatabase {
        try .open(SQLiteLocation(path: path), options)
    }

    /// What we write is read alike by a reader that shares nothing with ours.
    @Test func describedByPython() throws {
        let test = try TestDatabase(.sqlite)
        try test.commit(8, 10, [(1, "a"), (2, "")], pack: PackRequest(oids: OIDList([OID(1)]), tid: TID(9)))
        try test.commit(18, 20, [(1, nil)])
        let undo = DatabaseJob.PendingObject(oid: OID(1), data: nil, dataTID: TID(10))
        try test.steps.perform(together: [
            .store(TTID(28), undo, undoTargetRequired: true),
            .vote(TTID(28), TransactionMetadata(OID(1))),
            .lock(TTID(28), TID(30), approvesPack: false),
        ])
        let expected = try Contents(of: test.reader)
        try test.reopen()
        try test.database.writer.close()
        let described = try describe(test.path)
        #expect(Contents(described) == expected)
        #expect(
            described["config"]
                == .object([
                    "name": .string("test"), "nid": .string("1"), "ptid": .string("1"), "replicas": .string("0"),
                    "version": .string("4"),
                ])
        )
        // Ids of data follow the partition.
        #expect(described["data"].array.map { $0["id"].integer } == [0, 1 << 48])
        let golden = try GoldenDatabase("a-single")
        #expect(described["tables"] == golden.sidecar["tables"])
    }

    /// The log is copied beside the writer, and begins again at its start.
    @Test func theLogDoesNotGrowWithWhatIsWritten() throws {
        let test = try TestDatabase(.sqlite)
        let database = try #require(test.database as? SQLiteDatabase)
        let checkpointer = try #require(database.sqliteWriter.checkpointer)
        var copies = 0
        for number in 1...400 as ClosedRange<UInt64> {
            let record = ByteBuffer(repeating: UInt8(number % 256), count: 100_000 + Int(number))
            let data = StoredData(compression: 0, checksum: Checksum(of: record), data: record)
            let object = DatabaseJob.PendingObject(oid: OID(number), data: data, dataTID: nil)
            try test.steps.perform(together: [
                .store(TTID(number), object, undoTargetRequired: false),
                .vote(TTID(number), TransactionMetadata(OID(number))),
                .lock(TTID(number), TID(number), approvesPack: false),
                .unlock(TTID(number), TID(number)),
            ])
            database.writer.settle()
            guard checkpointer.isCopying else { continue }
            copies += 1
            while checkpointer.isCopying { usleep(1000) }
            // Nothing of it is left for the writer.
            try FileManager.default.copyItem(atPath: test.path, toPath: path)
            let count = try DatabaseQueue(path: path).read { try Int.fetchOne($0, sql: "SELECT count(*) FROM obj") }
            #expect(count == Int(number))
            try FileManager.default.removeItem(atPath: path)
        }
        #expect(copies > 0)
        // 40 MB were written.
        let log = try FileManager.default.attributesOfItem(atPath: test.path + "-wal")[.size] as? Int
        #expect(try #require(log) < (Int(SQLiteCheckpointer.longLog) + 1000) * 4096)
        try test.database.writer.close()
        // The file has it all.
        try FileManager.default.copyItem(atPath: test.path, toPath: path)
        let copy = try open()
        let reader = try copy.makeReader()
        for number in 1...400 as ClosedRange<UInt64> {
            #expect(try reader.lastTID(of: OID(number), in: Int(number % 2)) == TID(number))
        }
        try copy.writer.close()
    }

    @Test func oneProcessAtATime() throws {
        let database = try open()
        #expect(throws: DatabaseFailure(.locked, "database is locked")) { try open() }
        try database.writer.close()
        try open().writer.close()
    }

    /// A back-up, or somebody with the tool of SQLite, reads the file: with a rollback journal, a commit waits until that is over.
    @Test(arguments: [Backend.sqlite, .sqliteWithRollbackJournal])
    func readByAnotherProcessDuringACommit(backend: Backend) throws {
        let test = try TestDatabase(backend)
        try test.commit(8, 10, [(1, "a")])
        var configuration = Configuration()
        configuration.allowsUnsafeTransactions = true
        let other = try DatabaseQueue(path: test.path, configuration: configuration)
        try other.inDatabase { try $0.execute(sql: "BEGIN; SELECT count(*) FROM obj") }
        let hasEnded = Atomic(false)
        if backend == .sqlite {
            try test.commit(18, 20, [(1, "b")])
        } else {
            Thread.detachNewThread {
                usleep(100_000)
                hasEnded.store(true, ordering: .releasing)
                try? other.inDatabase { try $0.execute(sql: "COMMIT") }
            }
            try test.commit(18, 20, [(1, "b")])
            let hasWaited = hasEnded.load(ordering: .acquiring)
            #expect(hasWaited)
        }
        #expect(try test.tids(1) == [20, 10])
        try other.close()
    }

    /// A lock is on an inode: that of a file that was deleted must not be given to another one before it is released.
    @Test func lockOfADeletedFileHindersNobody() throws {
        try open().writer.close()
        let lock = try SQLiteFileLock(path: path)
        for name in ["neo.sqlite", "neo.sqlite-wal", "neo.sqlite-shm"] {
            try? FileManager.default.removeItem(atPath: folder.path(name))
        }
        for index in 0..<8 {
            let location = SQLiteLocation(path: folder.path("\(index).sqlite"))
            try SQLiteDatabase.open(location, OpenOptions(clusterName: "test")).writer.close()
        }
        withExtendedLifetime(lock) {}
    }

    @Test func anotherClusterIsRefusedUnlessReset() throws {
        try open().writer.close()
        let before = try folder.bytes(of: "neo.sqlite")
        let failure = #expect(throws: DatabaseFailure.self) { try open(OpenOptions(clusterName: "other")) }
        #expect(failure?.code == .wrongCluster)
        #expect(failure?.message.contains("other") ?? false)
        #expect(try folder.bytes(of: "neo.sqlite") == before)
        let database = try open(OpenOptions(clusterName: "other", reset: true))
        #expect(try database.makeReader().configuration() == DatabaseConfiguration(clusterName: "other"))
    }

    @Test func filesOfOthersAreRefused() throws {
        try Data("This is not a database, but a text long enough to be taken for one. ".utf8).write(
            to: URL(fileURLWithPath: path)
        )
        #expect(#expect(throws: DatabaseFailure.self) { try open() }?.code == .corrupted)
        #expect(
            #expect(throws: DatabaseFailure.self) {
                try SQLiteDatabase.open(
                    SQLiteLocation(path: folder.path("missing/neo.sqlite")),
                    OpenOptions(clusterName: "test")
                )
            }?.code == .failed
        )
    }

    /// Written without the checksums that its pages have, it would be taken for damaged by who verifies them.
    @Test func pageChecksumsAreNotSpoilt() throws {
        try open().writer.close()
        var bytes = try folder.bytes(of: "neo.sqlite")
        bytes[20] = 8
        try bytes.write(to: URL(fileURLWithPath: path))
        let failure = #expect(throws: DatabaseFailure.self) { try open() }
        #expect(failure?.code == .wrongFormat)
        #expect(failure?.message.contains("8 bytes") ?? false)
        #expect(try folder.bytes(of: "neo.sqlite") == bytes)
    }

    /// A page in the middle that is damaged: told as such, whatever is read.
    @Test func damagedFile() throws {
        let golden = try GoldenDatabase("a-single")
        var bytes = try golden.folder.bytes(of: "a-single.sqlite")
        bytes.replaceSubrange(4096 * 2..<bytes.count, with: Data(repeating: 0xa5, count: bytes.count - 4096 * 2))
        try bytes.write(to: URL(fileURLWithPath: golden.path))
        let failure = #expect(throws: DatabaseFailure.self) {
            let reader = try golden.open().makeReader()
            _ = try Contents(of: reader)
        }
        #expect(failure?.code == .corrupted)
    }

    /// `--reset` is what an operator does with a damaged database: it must not need what is damaged.
    @Test func resetOfADamagedFile() throws {
        let golden = try GoldenDatabase("a-single")
        let whole = try golden.folder.bytes(of: "a-single.sqlite")
        for first in [2, 3, 10] {
            var bytes = whole
            bytes.replaceSubrange(
                4096 * first..<bytes.count,
                with: Data(repeating: 0xa5, count: bytes.count - 4096 * first)
            )
            try bytes.write(to: URL(fileURLWithPath: golden.path))
            let database = try SQLiteDatabase.open(
                SQLiteLocation(path: golden.path),
                OpenOptions(clusterName: "new", reset: true)
            )
            #expect(throws: DatabaseFailure(.locked, "database is locked")) {
                try SQLiteDatabase.open(SQLiteLocation(path: golden.path), OpenOptions(clusterName: "new"))
            }
            #expect(try database.makeReader().configuration() == DatabaseConfiguration(clusterName: "new"))
            try database.writer.close()
            try SQLiteDatabase.open(SQLiteLocation(path: golden.path), OpenOptions(clusterName: "new")).writer.close()
        }
        // Nobody knows whether this one was a database of a storage.
        let unknown = whole.prefix(4096 * 2 + 100)
        try unknown.write(to: URL(fileURLWithPath: golden.path))
        #expect(throws: DatabaseFailure.self) {
            try SQLiteDatabase.open(
                SQLiteLocation(path: golden.path),
                OpenOptions(clusterName: "new", reset: true)
            )
        }
        #expect(try golden.folder.bytes(of: "a-single.sqlite") == unknown)
    }

    @Test func failedBatchStopsTheWriter() throws {
        let database = try open()
        var steps = Steps(database.writer)
        let object = DatabaseJob.PendingObject(oid: OID(1), data: StoredData("x"))
        // No partition table: where would it go?
        #expect(throws: DatabaseFailure.self) {
            try steps.perform(together: [.setNID(NID(5)), .store(TTID(1), object, undoTargetRequired: false)])
        }
        #expect(throws: DatabaseFailure.self) { try steps.perform(.flush) }
        #expect(try database.makeReader().configuration().nid == nil)
    }

    @Test func connectionStrings() throws {
        #expect(try SQLiteLocation("/a/b?c").path == "/a/b?c")
        #expect(try SQLiteLocation("file:/a%20b?cache_size=-1000&journal_mode=DELETE").path == "/a%20b")
        #expect(try SQLiteLocation("file:neo.sqlite?cksumvfs=0").pragmas.isEmpty)
        #expect(try !SQLiteLocation("~/neo").path.contains("~"))
        for wrong in ["cache_size=1&cache_size=2", "cache_size", "page_size=512", "cksumvfs=1", "synchronous=1;DROP"] {
            #expect(throws: DatabaseFailure.self, "\(wrong)") { try SQLiteLocation("file:/a?\(wrong)") }
        }
    }

    /// Bytes are stored as they came, whatever their number.
    @Test(arguments: [0, 1, 4096, 100_000, 1 << 24])
    func sizes(count: Int) throws {
        let test = try TestDatabase(.sqlite)
        let data = ByteBuffer(repeating: 0x5a, count: count)
        let stored = StoredData(compression: 1, checksum: Checksum(of: data), data: data)
        try test.steps.perform(together: [
            .store(TTID(8), .init(oid: OID(1), data: stored), undoTargetRequired: false),
            .vote(TTID(8), nil), .unlock(TTID(8), TID(10)),
        ])
        #expect(try test.reader.revision(of: OID(1), at: TID(10), in: 1)?.data == stored)
        #expect(try test.reader.history(of: OID(1), in: 1, skip: 0, limit: 1).first?.size == count)
    }

    /// Without deduplication too: an undo that is replicated with its value shares the row of the revision that it goes back
    /// to; a value that has only the same bytes does not (`spec/replication.md §11`, R18).
    @Test func replicatedUndoSharesItsRow() throws {
        let test = try TestDatabase(.sqlite)
        let value = StoredData("a")
        let objects = [(11, 3, nil), (11, 1, nil), (13, 1, nil), (15, 1, 11)].map { (tid, oid, target: UInt64?) in
            ReplicatedObject(oid: OID(oid), tid: TID(tid), data: value, dataTID: target.map { TID($0) })
        }
        try test.steps.perform(.replicate(.init(partition: 1, objects: objects)))
        #expect(try test.text(1) == "a")
        try test.reopen()
        try test.database.writer.close()
        #expect(try describe(test.path)["data"].array.count == 3)
    }

    @Test func deduplicationIsChosenAtCreation() throws {
        let test = try TestDatabase(.sqliteWithDeduplication)
        try test.commit(8, 10, [(1, "same"), (2, "same")])
        try test.commit(18, 20, [(3, "same"), (5, "other")])
        try test.reopen()
        try test.database.writer.close()
        #expect(try describe(test.path)["data"].array.count == 2)
    }
}
