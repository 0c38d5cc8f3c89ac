import NEOProtocol
import NEOTopology

/// The notation of `spec/master.md §10.3`: columns are nodes by increasing NID, rows are separated by `|`,
/// `.` is no cell.
func table(_ text: String, replicas: Int = 0) throws -> PartitionTable {
    let rows = text.split(separator: "|").map { row in
        row.enumerated().compactMap { column, letter in
            CellState.allCases.first { $0.letter == letter }
                .map { CellRecord(nid: NID(.storage, Int32(column + 1)), state: $0) }
        }
    }
    return try PartitionTable(ptid: 1, replicas: replicas, rows: rows)
}

func notation(_ table: PartitionTable, nodes: Int) -> String {
    (0..<table.partitions).map { partition in
        String(
            (1...nodes).map { number -> Character in
                table.state(of: partition, at: NID(.storage, Int32(number)))?.letter ?? "."
            }
        )
    }.joined(separator: "|")
}

func storages(_ numbers: Int32...) -> Set<NID> { Set(numbers.map { NID(.storage, $0) }) }

/// A cell becomes up to date, and the storages of those that it replaces know of it.
func replicate(_ partition: PartitionID, at nid: NID, in table: inout PartitionTable) {
    _ = table.setUpToDate(partition, at: nid)
    table.apply(table.replacedCells(of: partition).map { CellChange(partition: partition, nid: $0, state: .discarded) })
}
