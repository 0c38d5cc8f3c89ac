import NEODatabase
import NEOEngine
import NEOProtocol
import Testing

@testable import NEOStorage

/// A storage that is alone syncs the vote with the lock; what is acknowledged at the end is as durable.
@Suite struct AloneTests {
    private func scenario(_ disk: MemoryDisk, isAlone: Bool) throws -> StorageScenario {
        let database = try MemoryDatabase.open(disk, OpenOptions(clusterName: "differential"))
        var scenario = try StorageScenario(database)
        if isAlone {
            let up = CellRecord(nid: StorageScenario.own, state: .upToDate)
            let rows = Array(repeating: [up], count: 4)
            let changes = rows.indices.flatMap { partition in
                [
                    CellChange(partition: partition, nid: StorageScenario.own, state: .upToDate),
                    CellChange(partition: partition, nid: StorageScenario.other, state: .discarded),
                ]
            }
            try scenario.tell(.notifyPartitionChanges(NotifyPartitionChanges(ptid: 2, replicas: 0, cells: changes)))
            try scenario.host.completeJobs()
        }
        return scenario
    }

    private func vote(_ scenario: inout StorageScenario) throws {
        try scenario.store(1, 0x1000, by: scenario.a)
        try scenario.vote(0x1000, [1], by: scenario.a)
        try scenario.host.completeJobs()
        #expect(scenario.host.packets(scenario.a).map(\.code.name) == ["AnswerStoreObject", "AnswerStoreTransaction"])
    }

    @Test(arguments: [false, true])
    func voteIsSynced(isAlone: Bool) throws {
        let disk = MemoryDisk()
        var scenario = try scenario(disk, isAlone: isAlone)
        try vote(&scenario)
        #expect(disk.unsyncedBatches == (isAlone ? 1 : 0))
    }

    @Test func lockSyncsTheVote() throws {
        let disk = MemoryDisk()
        var scenario = try scenario(disk, isAlone: true)
        try vote(&scenario)
        try scenario.lock(0x1000, at: 0x1004)
        try scenario.host.completeJobs()
        #expect(scenario.host.packets(scenario.master).map(\.code.name) == ["AnswerInformationLocked"])
        #expect(disk.unsyncedBatches == 0)
    }

    /// Another storage is known, that may get cells any time.
    @Test func otherStorageWithoutCells() throws {
        let disk = MemoryDisk()
        var scenario = try scenario(disk, isAlone: true)
        scenario.timestamp += 1
        let other = NodeRecord(
            type: .storage,
            address: NodeAddress(host: "127.0.0.1", port: 2001),
            nid: StorageScenario.other,
            state: .running,
            idTimestamp: 2
        )
        let information = NotifyNodeInformation(timestamp: scenario.timestamp, nodes: [other])
        try scenario.tell(.notifyNodeInformation(information))
        try vote(&scenario)
        #expect(disk.unsyncedBatches == 0)
    }
}
