import NEOProtocol

/// A picture of a partition table: one line a storage node, one character a partition (`spec/tools.md §9.6.2`).
struct PartitionTableDrawing {
    let lines: [String]

    /// - Parameters:
    ///   - nodes: the storage nodes, for their states.
    ///   - nid: the only node to draw.
    init(rows: [[CellRecord]], nodes: [NodeRecord], only nid: NID? = nil) {
        var states: [NID: NodeState] = [:]
        for node in nodes {
            if let nid = node.nid { states[nid] = node.state }
        }
        var cells: [NID: [Character]] = [:]
        let empty = [Character](repeating: ".", count: rows.count)
        for (nid, state) in states where state == .running { cells[nid] = empty }
        for (partition, row) in rows.enumerated() {
            for cell in row { cells[cell.nid, default: empty][partition] = cell.state.letter }
        }
        if let nid { cells = cells.filter { $0.key == nid } }
        let drawn = cells.sorted { $0.key < $1.key }
        guard let last = drawn.last else {
            lines = []
            return
        }
        let width = last.key.description.count
        var lines = drawn.map { nid, cells in
            // A node can have gone between the two answers.
            let state = states[nid] ?? .unknown
            return "\(nid.description.padded(to: width)) \(state.letter) \(String(cells))"
        }
        if rows.count > 10 {
            let marks = stride(from: 10, to: rows.count, by: 10).map { String($0).paddedLeft(to: 9) + "v" }
            lines.insert(String(repeating: " ", count: 4 + width) + marks.joined(), at: 0)
        }
        self.lines = lines
    }
}
