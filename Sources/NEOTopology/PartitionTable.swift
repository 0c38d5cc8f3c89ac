import NEOProtocol

/// Which storages have which partitions, and in what state (`spec/master.md §10`).
///
/// A value: a reader can keep a copy. Rows keep the order in which cells were added.
public struct PartitionTable: Hashable, Sendable {
    /// Version of the table; nil as long as none was created. Each change increments it by 1.
    public internal(set) var ptid: Int?
    /// Wanted number of copies besides the first one.
    public internal(set) var replicas: Int
    /// The cells of each partition. A node stands at most once in a row.
    public internal(set) var rows: [[CellRecord]]

    /// A table that was not created yet: all rows are empty.
    public init(partitions: Int, replicas: Int) {
        self.ptid = nil
        self.replicas = replicas
        self.rows = Array(repeating: [], count: partitions)
    }

    /// A table as it travels or is stored.
    /// - Throws: ``TopologyError`` if it has no row, a cell twice, or a discarded cell.
    public init(ptid: Int?, replicas: Int, rows: [[CellRecord]]) throws(TopologyError) {
        guard !rows.isEmpty else { throw .invalidTable("expected at least one partition, got none") }
        guard replicas >= 0 else { throw .invalidTable("expected a number of replicas, got \(replicas)") }
        for (partition, row) in rows.enumerated() {
            var nids: Set<NID> = []
            for cell in row {
                guard cell.state != .discarded else {
                    throw .invalidTable("cell of \(cell.nid) for partition \(partition) is discarded")
                }
                guard nids.insert(cell.nid).inserted else {
                    throw .invalidTable("two cells of \(cell.nid) for partition \(partition)")
                }
            }
        }
        self.ptid = ptid
        self.replicas = replicas
        self.rows = rows
    }

    // MARK: Lookup

    /// Number of partitions.
    public var partitions: Int { rows.count }

    public func partition(of oid: OID) -> PartitionID { oid.partition(of: rows.count) }

    public func partition(of tid: TID) -> PartitionID { tid.partition(of: rows.count) }

    /// The cells of a partition; none if there is no such partition.
    public func cells(of partition: PartitionID) -> [CellRecord] {
        rows.indices.contains(partition) ? rows[partition] : []
    }

    /// The state of the cell of `nid`; nil if it has none.
    public func state(of partition: PartitionID, at nid: NID) -> CellState? {
        guard rows.indices.contains(partition) else { return nil }
        return rows[partition].first { $0.nid == nid }?.state
    }

    public func isReadable(_ partition: PartitionID, at nid: NID) -> Bool {
        state(of: partition, at: nid)?.isReadable ?? false
    }

    /// The partitions for which `nid` has a cell, with its state, ascending.
    public func cells(at nid: NID) -> [(partition: PartitionID, state: CellState)] {
        rows.indices.compactMap { partition in
            state(of: partition, at: nid).map { (partition, $0) }
        }
    }

    /// All the nodes that have a cell.
    public var nids: Set<NID> {
        var nids: Set<NID> = []
        for row in rows { for cell in row { nids.insert(cell.nid) } }
        return nids
    }

    /// The nodes that have at least one readable cell.
    public var readableNIDs: Set<NID> {
        var nids: Set<NID> = []
        for row in rows { for cell in row where cell.state.isReadable { nids.insert(cell.nid) } }
        return nids
    }

    /// Number of cells in each state that exists.
    public var cellCounts: [CellState: Int] {
        var counts: [CellState: Int] = [:]
        for row in rows { for cell in row { counts[cell.state, default: 0] += 1 } }
        return counts
    }

    /// Whether each partition has a cell.
    public var isFilled: Bool { rows.allSatisfy { !$0.isEmpty } }

    /// Whether each partition has a readable cell on a node that serves.
    public func isOperational(_ isServing: (NID) -> Bool) -> Bool {
        rows.allSatisfy { row in row.contains { $0.state.isReadable && isServing($0.nid) } }
    }

    // MARK: Changes

    /// Sets the states of cells and moves on to `ptid` (`spec/master.md §10.4`).
    ///
    /// - Throws: ``TopologyError``, and nothing is changed, if `ptid` is not greater than the current one or a partition
    ///   does not exist. A storage must check by itself that it is exactly the next one.
    public mutating func apply(ptid: Int, replicas: Int, cells: [CellChange]) throws(TopologyError) {
        guard let current = self.ptid, ptid > current else {
            throw .unexpectedPTID(current: self.ptid, received: ptid)
        }
        guard replicas >= 0 else { throw .invalidTable("expected a number of replicas, got \(replicas)") }
        for change in cells where !rows.indices.contains(change.partition) {
            throw .noSuchPartition(change.partition, partitions: rows.count)
        }
        self.ptid = ptid
        self.replicas = replicas
        for change in cells { set(change) }
    }

    /// Applies one change; the partition must exist.
    mutating func set(_ change: CellChange) {
        let index = rows[change.partition].firstIndex { $0.nid == change.nid }
        switch (change.state, index) {
        case (.discarded, let index?): rows[change.partition].remove(at: index)
        case (.discarded, nil): break
        case (let state, let index?): rows[change.partition][index].state = state
        case (let state, nil): rows[change.partition].append(CellRecord(nid: change.nid, state: state))
        }
    }
}

/// Why a table or a list of nodes was refused.
public enum TopologyError: Error, Hashable, Sendable, CustomStringConvertible {
    case invalidTable(String)
    case unexpectedPTID(current: Int?, received: Int)
    case noSuchPartition(PartitionID, partitions: Int)
    case invalidNode(String)
    case refused(String)

    public var description: String {
        switch self {
        case .invalidTable(let detail): "invalid partition table: \(detail)"
        case .unexpectedPTID(let current, let received):
            "expected a PTID after \(current.map(String.init) ?? "none"), got \(received)"
        case .noSuchPartition(let partition, let partitions):
            "no partition \(partition): there are \(partitions) partitions"
        case .invalidNode(let detail): "invalid node: \(detail)"
        case .refused(let detail): detail
        }
    }
}
