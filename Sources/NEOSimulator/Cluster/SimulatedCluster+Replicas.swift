import NEODatabase
import NEOMaster
import NEOProtocol
import NEOTopology

/// What must hold of the copies of each partition.
extension SimulatedCluster {
    private var cells: [[CellRecord]] { master.core?.table.rows ?? [] }

    /// Whether all the cells are up to date, as the master sees them.
    public var isUpToDate: Bool {
        !cells.isEmpty && cells.allSatisfy { row in !row.isEmpty && row.allSatisfy { $0.state == .upToDate } }
    }

    /// The cells of each partition.
    public var cellNotation: String {
        cells.map { row in row.map { "\($0.nid) \($0.state.name)" }.joined(separator: " ") }.joined(separator: ", ")
    }

    /// Rows in which readable cells of a partition differ; nothing may be on its way any more.
    public var differences: [String] {
        var readers: [NID: any DatabaseReader] = [:]
        for disk in disks {
            let reader = disk.makeInspector()
            if let nid = try? reader.configuration().nid { readers[nid] = reader }
        }
        var differences: [String] = []
        for (partition, row) in cells.enumerated() {
            let contents = row.filter(\.state.isReadable).map { cell in
                (cell.nid, readers[cell.nid].flatMap { try? CellContent(partition, $0) })
            }
            guard let first = contents.first else { continue }
            for other in contents.dropFirst() where other.1 != first.1 || other.1 == nil {
                differences.append(
                    "partition \(partition) differs at \(first.0) and \(other.0): "
                        + (first.1?.difference(from: other.1) ?? "it cannot be read")
                )
            }
        }
        return differences
    }
}

/// All that is committed in a cell.
private struct CellContent: Equatable {
    var transactions: [TransactionRecord] = []
    var revisions: [ObjectRecordID: Revision] = [:]

    init(_ partition: PartitionID, _ reader: any DatabaseReader) throws {
        for tid in try reader.tids(in: partition, .zero ... .max, limit: .max) {
            if let transaction = try reader.transaction(tid, in: partition, includeLocked: false) {
                transactions.append(transaction)
            }
        }
        let keys = try reader.objectRecords(in: partition, from: .zero, oid: .zero, through: .max, limit: .max)
        for key in keys { revisions[key] = try reader.revision(of: key.oid, at: key.tid, in: partition) }
    }

    func difference(from other: CellContent?) -> String {
        guard let other else { return "the other one cannot be read" }
        let keys = Set(revisions.keys).union(other.revisions.keys).sorted()
        if let key = keys.first(where: { revisions[$0] != other.revisions[$0] }) {
            return "object \(key.oid) at \(key.tid), \(revisions.count) and \(other.revisions.count) records"
        }
        let tids = Set(transactions.map(\.tid)).symmetricDifference(other.transactions.map(\.tid)).sorted()
        return "transactions \(tids.prefix(5)), \(transactions.count) and \(other.transactions.count) in all"
    }
}
