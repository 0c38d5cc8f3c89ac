import NEOProtocol

/// A table of nodes (`spec/tools.md §9.6.3`).
struct NodeListing {
    let text: String

    init(_ nodes: [NodeRecord]) {
        guard !nodes.isEmpty else {
            text = "Empty list!"
            return
        }
        let sorted = nodes.sorted { left, right in
            switch (left.nid, right.nid) {
            case (let left?, let right?): left < right
            case (_?, nil): true
            case (nil, _?): false
            case (nil, nil):
                switch (left.address, right.address) {
                case (let left?, let right?): left < right
                case (nil, _?): true
                default: false
                }
            }
        }
        let cells = sorted.map { node in
            [
                node.nid?.description ?? "None",
                node.type.name,
                node.address?.description ?? "",
                node.state.name,
                node.idTimestamp.map { UTCDate(unixTime: $0)?.description ?? String($0) } ?? "None",
            ]
        }
        // The last column is not padded.
        let widths = (0..<4).map { column in cells.map { $0[column].count }.max() ?? 0 }
        text = cells.map { row in
            row.enumerated().map { column, cell in
                column < widths.count ? cell.padded(to: widths[column]) : cell
            }.joined(separator: " | ")
        }.joined(separator: "\n")
    }
}
