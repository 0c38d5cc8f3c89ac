import NEOEngine
import NEOProtocol

/// The out-of-date cells of this node, and the transactions that they wait for (`spec/replication.md §4.4-4.7`).
struct Replicator: Sendable {
    private(set) var cells: [PartitionID: CellReplication] = [:]
    /// Transactions in progress whose end the master is going to tell.
    private(set) var awaited: Set<TTID> = []
    private var lastRequest: UInt64 = 0
    private var lastRound: UInt64 = 0
    /// Rows to ask for in the next chunk.
    var length: Int
    var penalties = SourcePenalties()

    init(_ options: ReplicationOptions) {
        length = min(16, options.chunkRows)
    }

    subscript(partition: PartitionID) -> CellReplication? { cells[partition] }

    /// In a stable order.
    var partitions: [PartitionID] { cells.keys.sorted() }

    var roundCount: Int { cells.values.count { $0.round != nil } }

    mutating func update(_ partition: PartitionID, _ change: (inout CellReplication) -> Void) {
        guard cells[partition] != nil else { return }
        change(&cells[partition]!)
    }

    /// The round that goes on, if it is this one.
    func round(_ id: RoundID) -> ReplicationRound? {
        guard let round = cells[id.partition]?.round, round.serial == id.serial else { return nil }
        return round
    }

    // MARK: Orders

    /// New cells, about which the master is being asked.
    /// - Returns: the number of the request.
    mutating func add(_ partitions: [PartitionID]) -> UInt64 {
        lastRequest += 1
        for partition in partitions { cells[partition] = CellReplication(request: lastRequest) }
        return lastRequest
    }

    /// The cell is readable, or not ours any more.
    mutating func forget(_ partition: PartitionID) {
        cells[partition] = nil
    }

    /// `spec/replication.md §4.5`
    ///
    /// Cells that were discarded meanwhile, or assigned again, are not concerned.
    mutating func answered(_ partitions: [PartitionID], request: UInt64, _ answer: AnswerUnfinishedTransactions) {
        awaited.formUnion(answer.ttids)
        for partition in partitions where cells[partition]?.request == request {
            update(partition) {
                $0.awaited = answer.ttids.max().map { .transactions(through: $0) } ?? .nothing
                $0.orderAgain(answer.lastTID)
            }
        }
    }

    /// A transaction that was in progress ended (`spec/replication.md §4.6`).
    /// - Parameter tid: nil if it was aborted.
    /// - Returns: the cells that are complete by that, since all that they awaited was aborted.
    mutating func ended(_ ttid: TTID, at tid: TID?) -> [PartitionID] {
        guard awaited.remove(ttid) != nil else { return [] }
        let oldest = awaited.min()
        var complete: [PartitionID] = []
        for partition in partitions {
            guard var cell = cells[partition], case .transactions(let last) = cell.awaited else { continue }
            if let tid { cell.orderAgain(tid) }
            if oldest.map({ last < $0 }) ?? true {
                cell.awaited = .nothing
                if cell.round == nil, cell.order == nil { complete.append(partition) }
            }
            cells[partition] = cell
        }
        return complete
    }

    // MARK: Rounds

    /// Cells that wait for a source, the one that is furthest behind first (`spec/replication.md §4.7`).
    var ordered: [PartitionID] {
        cells.filter { $0.value.order != nil && $0.value.round == nil }
            .sorted { left, right in
                let a = left.value
                let b = right.value
                return (a.position?.object ?? .zero, a.awaited == .nothing ? 0 : 1, left.key)
                    < (b.position?.object ?? .zero, b.awaited == .nothing ? 0 : 1, right.key)
            }
            .map(\.key)
    }

    mutating func begin(_ partition: PartitionID, from source: NID) -> RoundID? {
        guard let through = cells[partition]?.order else { return nil }
        lastRound += 1
        cells[partition]?.order = nil
        cells[partition]?.round = ReplicationRound(serial: lastRound, through: through, source: source)
        return RoundID(partition: partition, serial: lastRound)
    }

    mutating func setStage(_ stage: ReplicationRound.Stage, of id: RoundID) {
        guard round(id) != nil else { return }
        cells[id.partition]?.round?.stage = stage
    }

    /// Ends a round before its end: what it had to do is to be done by another one.
    /// - Returns: what it had received and not handed over.
    mutating func abandon(_ id: RoundID) -> ReplicationFetch? {
        guard let round = round(id) else { return nil }
        cells[id.partition]?.round = nil
        cells[id.partition]?.orderAgain(round.through)
        return round.fetch
    }

    /// What a round had to bring is in the database.
    /// - Returns: whether the cell is complete.
    mutating func complete(_ id: RoundID) -> Bool {
        guard let round = round(id) else { return false }
        update(id.partition) {
            $0.round = nil
            $0.position = CellReplication.Position(after: round.through)
        }
        guard let cell = cells[id.partition] else { return false }
        return cell.awaited == .nothing && cell.order == nil
    }

    /// The rounds that depend on a source.
    func rounds(from source: NID) -> [RoundID] {
        partitions.compactMap { partition in
            guard let round = cells[partition]?.round, round.source == source, round.stage != .completing else {
                return nil
            }
            return RoundID(partition: partition, serial: round.serial)
        }
    }

    /// The round that waits for what a source sends with the id of a request.
    func round(fetchedBy connection: ConnectionID, _ request: UInt32) -> RoundID? {
        for (partition, cell) in cells {
            guard let round = cell.round, let fetch = round.fetch else { continue }
            if fetch.connection == connection, fetch.request == request {
                return RoundID(partition: partition, serial: round.serial)
            }
        }
        return nil
    }

    /// Changes what a round has received.
    mutating func updateFetch(_ id: RoundID, _ change: (inout ReplicationFetch) -> Void) {
        guard round(id) != nil, case .fetching(var fetch)? = cells[id.partition]?.round?.stage else { return }
        // One reference only: what was received is not copied.
        cells[id.partition]?.round?.stage = .connecting
        change(&fetch)
        cells[id.partition]?.round?.stage = .fetching(fetch)
    }
}
