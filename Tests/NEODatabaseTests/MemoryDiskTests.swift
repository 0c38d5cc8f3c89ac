import NEODatabase
import NEOProtocol
import Testing

/// What a crash loses.
@Suite struct MemoryDiskTests {
    private let disk = MemoryDisk()
    private let options = OpenOptions(clusterName: "test")

    private func open() throws -> (Steps, any DatabaseReader) {
        let database = try MemoryDatabase.open(disk, options)
        return (Steps(database.writer), try database.makeReader())
    }

    /// A locked transaction, and its unlock in a batch of its own.
    private func commitWithoutFlush() throws -> any DatabaseReader {
        var (steps, reader) = try open()
        let cells = [CellChange(partition: 0, nid: NID(1), state: .upToDate)]
        try steps.perform(together: [
            .setNID(NID(1)), .changePartitionTable(.init(ptid: 1, replicas: 0, cells: cells, isComplete: true)),
        ])
        let object = DatabaseJob.PendingObject(oid: OID(1), data: StoredData("x"))
        try steps.perform(.store(TTID(10), object, undoTargetRequired: false))
        try steps.perform(.vote(TTID(10), TransactionMetadata(OID(1))))
        try steps.perform(.lock(TTID(10), TID(12), approvesPack: false))
        #expect(disk.unsyncedBatches == 0)
        try steps.perform(.unlock(TTID(10), TID(12)))
        try steps.perform(.store(TTID(14), object, undoTargetRequired: false))
        #expect(disk.unsyncedBatches == 2)
        #expect(try reader.lastTID(of: OID(1), in: 0) == TID(12))
        return reader
    }

    @Test func crashOfTheMachineLosesTheUnlock() throws {
        let before = try commitWithoutFlush()
        disk.interrupt(.machineCrashed(surviving: 0))
        #expect(throws: DatabaseFailure.self) { try before.configuration() }
        let (_, reader) = try open()
        #expect(try reader.lastTID(of: OID(1), in: 0) == nil)
        #expect(try reader.unfinishedTransactions() == [UnfinishedTransaction(ttid: TTID(10), tid: TID(12))])
    }

    @Test func batchesMaySurviveInOrder() throws {
        _ = try commitWithoutFlush()
        disk.interrupt(.machineCrashed(surviving: 1))
        let (_, reader) = try open()
        #expect(try reader.lastTID(of: OID(1), in: 0) == TID(12))
    }

    @Test func crashOfTheProcessLosesOnlyItsMemory() throws {
        _ = try commitWithoutFlush()
        disk.interrupt(.processKilled)
        var (steps, reader) = try open()
        #expect(try reader.lastTID(of: OID(1), in: 0) == TID(12))
        // The store was in the memory of the process.
        try steps.perform(.vote(TTID(14), nil))
        #expect(try reader.unfinishedTransactions().isEmpty)
    }

    @Test func flushMakesDurable() throws {
        var steps = Steps(try MemoryDatabase.open(disk, options).writer)
        try steps.perform(.setNID(NID(1)))
        try steps.perform(.abort(TTID(1)))
        #expect(disk.unsyncedBatches == 1)
        try steps.perform(.flush)
        #expect(disk.unsyncedBatches == 0)
    }

    @Test func oneProcessAtATime() throws {
        let database = try MemoryDatabase.open(disk, options)
        #expect(throws: DatabaseFailure(.locked, "database is locked")) { try open() }
        try database.writer.close()
        _ = try open()
    }
}
