import NEOProtocol

/// Rows of a partition table, one line each (`spec/tools.md §9.6.2`).
struct PartitionRows {
    let lines: [String]

    /// - Parameter nid: only the partitions of which this node has a cell.
    init(first: PartitionID, rows: [[CellRecord]], only nid: NID? = nil) {
        lines = rows.enumerated().compactMap { index, row in
            if let nid, !row.contains(where: { $0.nid == nid }) { return nil }
            let offset = String(first + index)
            let cells = row.map { " \($0.nid) - \($0.state.name) |" }
            return String(repeating: "0", count: max(0, 3 - offset.count)) + offset + " |" + cells.joined()
        }
    }
}
