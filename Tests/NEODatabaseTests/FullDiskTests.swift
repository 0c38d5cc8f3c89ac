import Foundation
import GRDB
import NEOProtocol
import NIOCore
import Testing

@testable import NEODatabase

/// SQLite finds no room: nothing of the batch counts, and what was before is there.
@Suite struct FullDiskTests {
    @Test func aBatchThatFindsNoRoom() throws {
        let path = NSTemporaryDirectory() + "NEOFull-\(UUID().uuidString).sqlite"
        defer { for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + suffix) } }
        let options = OpenOptions(clusterName: "full")
        let ttid = TID(0x1000)
        func job(_ operation: DatabaseJob.Operation) -> DatabaseJob {
            DatabaseJob(id: DatabaseJob.ID(rawValue: 1), operation: operation)
        }
        func store(_ oid: UInt64, bytes: Int) -> DatabaseJob.Operation {
            let data = ByteBuffer(repeating: 1, count: bytes)
            let stored = StoredData(compression: 0, checksum: Checksum(of: data), data: data)
            return .store(ttid, DatabaseJob.PendingObject(oid: OID(oid), data: stored), undoTargetRequired: false)
        }
        let empty = ByteBuffer()
        let metadata = TransactionMetadata(user: empty, description: empty, extensionData: empty, oids: [OID(1)])
        let table = DatabaseJob.PartitionTableChange(
            ptid: 1,
            replicas: 0,
            cells: [CellChange(partition: 0, nid: NID(.storage, 1), state: .upToDate)],
            isComplete: true
        )
        do {
            let database = try SQLiteDatabase.open(SQLiteLocation(path: path), options)
            #expect(try database.makeReader().availableBytes() ?? 0 > 0)
            _ = try database.writer.perform([
                job(.setNID(NID(.storage, 1))), job(.changePartitionTable(table)), job(store(1, bytes: 1)),
                job(.vote(ttid, metadata)), job(.lock(ttid, TID(0x1008), approvesPack: false)),
            ])
            try database.sqliteWriter.queue.unsafeReentrantWrite { connection in
                let pages = try Int.fetchOne(connection, sql: "PRAGMA page_count")
                _ = try Int.fetchOne(connection, sql: "PRAGMA max_page_count = \(pages ?? 1)")
            }
            let failure = #expect(throws: DatabaseFailure.self) {
                _ = try database.writer.perform([job(.unlock(ttid, TID(0x1008))), job(store(2, bytes: 1 << 22))])
            }
            #expect(failure?.code == .full)
            #expect(failure?.message.contains("full") == true)
            // The process must end now.
            #expect(throws: DatabaseFailure.self) { _ = try database.writer.perform([job(.flush)]) }
        }
        let database = try SQLiteDatabase.open(SQLiteLocation(path: path), options)
        #expect(try database.makeReader().unfinishedTransactions().map(\.ttid) == [ttid], "it is locked still")
        _ = try database.writer.perform([job(.validate(ttid, TID(0x1008)))])
        #expect(try database.makeReader().lastTID(of: OID(1), in: 0) == TID(0x1008))
        try database.writer.close()
    }
}
