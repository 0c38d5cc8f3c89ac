import NEOProtocol
import NEOTopology

/// Which partition table each storage is known to have recorded.
///
/// A storage that comes back alone, under a new master, is believed: the cluster starts with what its table calls
/// readable. So a cell must not be replaced by another one that the table of its storage does not call readable:
///
/// ```
///   PTID 1: S1 up to date, S2 out of date
///   PTID 2: both up to date       S1 is lost before it records it
///   PTID 3: S1 out of date        S2 alone has what is committed from now on
///   all stop; S1 comes back first, with table 1, in which it needs nobody
/// ```
struct TableRecords: Hashable, Sendable {
    private var recorded: [NID: Int] = [:]
    /// The PTID from which on a cell is readable; that of the table which the service began with for all the others.
    private var promotions: [Cell: Int] = [:]
    private var base = 0
    /// Those that came with a table of which it is not known whether it is one of this cluster as it is now.
    private var owners: Set<NID> = []

    /// A storage has this table, or a newer one, on its disk.
    mutating func recorded(_ ptid: Int, at nid: NID) {
        recorded[nid] = max(recorded[nid] ?? 0, ptid)
    }

    /// A storage came with a table.
    mutating func saw(_ nid: NID) { owners.insert(nid) }

    /// Whether a storage is known to have a table, or to have had one.
    func hasTable(_ nid: NID) -> Bool { recorded[nid] != nil || owners.contains(nid) }

    /// A storage told which table it has: a newer one that it may have had is lost.
    mutating func reported(_ ptid: Int?, by nid: NID) { recorded[nid] = ptid }

    /// The cluster starts with a table.
    mutating func begin(with ptid: Int) {
        base = ptid
        promotions = [:]
    }

    mutating func promoted(_ cell: Cell, ptid: Int) { promotions[cell] = ptid }

    /// Whether, for each partition of which `nid` has a readable cell, there is another one that the storage knows of.
    func isReplaceable(_ nid: NID, in table: PartitionTable, isRunning: (NID) -> Bool) -> Bool {
        (0..<table.partitions).allSatisfy { partition in
            !table.isReadable(partition, at: nid)
                || isReplaceable(Cell(partition: partition, nid: nid), in: table, isRunning: isRunning)
        }
    }

    func isReplaceable(_ cell: Cell, in table: PartitionTable, isRunning: (NID) -> Bool) -> Bool {
        !successors(of: cell, in: table, isRunning).isEmpty
    }

    /// Whether the data of a cell may be deleted: another storage has it, and both know that. If only the one that deletes
    /// did, the other one could come back with a table in which its own cell is out of date, to be filled from the deleted
    /// one.
    func isDispensable(_ cell: Cell, in table: PartitionTable, isRunning: (NID) -> Bool) -> Bool {
        successors(of: cell, in: table, isRunning).contains { other in
            promotion(of: cell.partition, at: other) <= recorded[other] ?? 0
        }
    }

    /// The other readable cells that the storage of a cell knows of.
    private func successors(of cell: Cell, in table: PartitionTable, _ isRunning: (NID) -> Bool) -> [NID] {
        let known = recorded[cell.nid] ?? 0
        return table.cells(of: cell.partition).map(\.nid).filter { other in
            other != cell.nid && table.isReadable(cell.partition, at: other) && isRunning(other)
                && promotion(of: cell.partition, at: other) <= known
        }
    }

    private func promotion(of partition: PartitionID, at nid: NID) -> Int {
        promotions[Cell(partition: partition, nid: nid)] ?? base
    }
}
