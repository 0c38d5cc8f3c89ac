import NEODatabase
import NEOMaster
import NEOProtocol
import NEOTopology

/// Cells, as the primary master sees them, and what is in them.
extension SimulatedCluster {
    var cells: [[CellRecord]] { primary?.table.rows ?? [] }

    /// Whether all the cells are up to date.
    public var isUpToDate: Bool {
        !cells.isEmpty && cells.allSatisfy { row in !row.isEmpty && row.allSatisfy { $0.state == .upToDate } }
    }

    /// The cells of each partition.
    public var cellNotation: String {
        cells.map { row in row.map { "\($0.nid) \($0.state.name)" }.joined(separator: " ") }.joined(separator: ", ")
    }

    /// Readers of all the disks, by node id; of two with one id, that of the one that serves.
    var inspectors: [NID: any DatabaseReader] {
        var readers: [NID: any DatabaseReader] = [:]
        for index in disks.indices {
            guard let nid = nid(ofDisk: index), readers[nid] == nil || isServing(index) else { continue }
            readers[nid] = disks[index].makeInspector()
        }
        return readers
    }

    /// The database of a storage that was dropped is erased, to use the machine again.
    func reset(_ nid: NID) {
        guard let index = disks.indices.first(where: { self.nid(ofDisk: $0) == nid && !isServing($0) }) else { return }
        reset(index)
    }

    /// Whether a storage was reset that is refused since another one, that serves with newer tables, has its id, as the documentation
    /// for operators says. Masters have no disk: one may give an id that only a storage which it never saw heard of.
    func resetDuplicate() -> Bool {
        let serving = disks.indices.filter(isServing).compactMap { nid(ofDisk: $0) }
        guard let present = primary?.table.ptid else { return false }
        for index in disks.indices where storages[index].isUp && !isServing(index) {
            guard let own = try? disks[index].makeInspector().configuration(), let nid = own.nid, serving.contains(nid),
                own.ptid ?? 0 < present
            else { continue }
            reset(index)
            return true
        }
        return false
    }

    /// Ids that several databases with cells of their own have: a master could take one for the other.
    var duplicates: [NID] {
        let owners = disks.compactMap { disk -> NID? in
            let inspector = disk.makeInspector()
            guard let nid = try? inspector.configuration().nid, let cells = try? inspector.cells(),
                cells.contains(where: { $0.nid == nid })
            else { return nil }
            return nid
        }
        return Set(owners).filter { nid in owners.count { $0 == nid } > 1 }.sorted()
    }

    /// The machine of a storage loses its power and its disk.
    func lose(_ index: Int) {
        storages[index].crash(ofMachine: true)
        reset(index)
    }

    private func reset(_ index: Int) {
        storages[index].crash()
        world.log.write("\(world.now) \(storages[index].name) is reset")
        do {
            let database = try MemoryDatabase.open(disks[index], OpenOptions(clusterName: Self.name))
            _ = try database.writer.perform([DatabaseJob(id: DatabaseJob.ID(rawValue: 1), operation: .erase)])
        } catch {
            preconditionFailure("a simulated disk cannot be erased: \(error)")
        }
        disks[index].interrupt(.processKilled)
    }

    func hasDatabase(_ nid: NID) -> Bool { disks.indices.contains { self.nid(ofDisk: $0) == nid } }

    func nid(ofDisk index: Int) -> NID? { try? disks[index].makeInspector().configuration().nid }
}

/// All that is committed in a cell.
struct CellContent: Equatable {
    var transactions: [TID: TransactionRecord] = [:]
    var revisions: [ObjectRecordID: Revision] = [:]

    init(_ partition: PartitionID, _ reader: any DatabaseReader) throws {
        for tid in try reader.tids(in: partition, .zero ... .max, limit: .max) {
            transactions[tid] = try reader.transaction(tid, in: partition, includeLocked: false)
        }
        let keys = try reader.objectRecords(in: partition, from: .zero, oid: .zero, through: .max, limit: .max)
        for key in keys { revisions[key] = try reader.revision(of: key.oid, at: key.tid, in: partition) }
    }

    func difference(from other: CellContent) -> String {
        let keys = Set(revisions.keys).union(other.revisions.keys).sorted()
        if let key = keys.first(where: { revisions[$0] != other.revisions[$0] }) {
            return "object \(key.oid) at \(key.tid), \(revisions.count) and \(other.revisions.count) records"
        }
        let tids = Set(transactions.keys).union(other.transactions.keys).sorted()
            .filter { transactions[$0] != other.transactions[$0] }
        return "transactions \(tids.prefix(5)), \(transactions.count) and \(other.transactions.count) in all"
    }
}
