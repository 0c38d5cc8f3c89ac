import NEODatabase
import NEOProtocol
import Testing

/// How cells are recorded (`spec/storage.md §14.2`).
@Suite struct PartitionTableTests {
    private func change(
        _ test: TestDatabase,
        _ ptid: Int,
        _ cells: [CellChange],
        isComplete: Bool = false,
        lastPackID: UInt64 = 0
    ) throws {
        try test.steps.perform(
            .changePartitionTable(
                .init(ptid: ptid, replicas: 1, cells: cells, isComplete: isComplete, lastPackID: TID(lastPackID))
            )
        )
    }

    private func ownCell(_ test: TestDatabase, _ partition: PartitionID) throws -> StoredCell? {
        try test.reader.cells().first { $0.partition == partition && $0.nid == NID(1) }
    }

    @Test(arguments: Backend.allCases)
    func outOfDateCellsRememberWhereTheyWere(backend: Backend) throws {
        let test = try TestDatabase(backend)
        let cell = { (state: CellState) in CellChange(partition: 1, nid: NID(1), state: state) }
        try test.commit(8, 10, [(1, "a")])

        try change(test, 2, [cell(.outOfDate)])
        #expect(try ownCell(test, 1)?.tid == TID(10))
        try change(test, 3, [cell(.outOfDate)])
        #expect(try ownCell(test, 1)?.tid == TID(10))
        try change(test, 4, [cell(.corrupted)])
        #expect(try ownCell(test, 1)?.tid == nil)
        try change(test, 5, [cell(.outOfDate)])
        #expect(try ownCell(test, 1)?.tid == .zero)
        try change(test, 6, [cell(.feeding)])
        try test.steps.perform(.setBackupTID(TID(7)))
        try change(test, 7, [cell(.outOfDate)])
        #expect(try ownCell(test, 1)?.tid == TID(7))
        try change(test, 8, [cell(.upToDate)])
        try test.steps.perform(.setBackupTID(.zero))
        try change(test, 9, [cell(.outOfDate)])
        #expect(try ownCell(test, 1)?.tid == TID(10))
        try change(test, 10, [cell(.discarded)])
        #expect(try ownCell(test, 1) == nil)
        try change(test, 11, [cell(.outOfDate)], lastPackID: 6)
        #expect(
            try ownCell(test, 1) == StoredCell(partition: 1, nid: NID(1), state: .outOfDate, tid: .zero, packed: TID(6))
        )
        let configuration = try test.reader.configuration()
        #expect(configuration.ptid == 11)
        #expect(configuration.replicas == 1)
    }

    @Test(arguments: Backend.allCases)
    func completeTableKeepsPackAndForgetsTheRest(backend: Backend) throws {
        let test = try TestDatabase(backend)
        try change(test, 2, [CellChange(partition: 1, nid: NID(2), state: .outOfDate)])
        #expect(try test.reader.cells()[2] == StoredCell(partition: 1, nid: NID(2), state: .outOfDate, tid: .zero))
        try test.steps.perform(.setPacked(1, TID(5)))
        try test.steps.perform(.lowerPacked(1, TID(9)))
        #expect(try ownCell(test, 1)?.packed == TID(5))
        try test.steps.perform(.lowerPacked(1, TID(4)))
        let cells = [
            CellChange(partition: 0, nid: NID(2), state: .upToDate),
            CellChange(partition: 1, nid: NID(1), state: .feeding),
            CellChange(partition: 2, nid: NID(1), state: .upToDate),
        ]
        try change(test, 7, cells, isComplete: true)
        #expect(
            try test.reader.cells() == [
                StoredCell(partition: 0, nid: NID(2), state: .upToDate),
                StoredCell(partition: 1, nid: NID(1), state: .feeding, packed: TID(4)),
                StoredCell(partition: 2, nid: NID(1), state: .upToDate, packed: .zero),
            ]
        )
        #expect(try test.reader.configuration().partitions == 3)
    }

    @Test(arguments: Backend.allCases)
    func cellsFollowTheNodeID(backend: Backend) throws {
        let test = try TestDatabase(backend)
        try test.steps.perform(.setPacked(0, TID(3)))
        try change(test, 2, [CellChange(partition: 1, nid: NID(1), state: .outOfDate)])
        try test.steps.perform(.setNID(NID(9)))
        #expect(
            try test.reader.cells() == [
                StoredCell(partition: 0, nid: NID(9), state: .upToDate, packed: TID(3)),
                StoredCell(partition: 1, nid: NID(9), state: .outOfDate, tid: .zero, packed: .zero),
            ]
        )
        #expect(try test.reader.configuration().nid == NID(9))
    }
}
