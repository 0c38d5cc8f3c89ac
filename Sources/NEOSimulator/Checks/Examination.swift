import NEODatabase
import NEOMaster
import NEOProtocol
import NEOTopology
import NIOCore

/// A cluster at rest, and all that was done with it.
struct ClusterView {
    let ledger: Ledger
    let rows: [[CellRecord]]
    let ptid: Int?
    /// What is in the readable cells, by partition, in the order of the rows.
    let contents: [[(nid: NID, content: CellContent)]]
    /// The cells that each storage recorded, by partition, then by node.
    let recorded: [(nid: NID, ptid: Int?, cells: [StoredCell])]

    /// Nil: something cannot be read.
    init?(_ cluster: SimulatedCluster, _ ledger: Ledger) {
        self.ledger = ledger
        rows = cluster.cells
        ptid = cluster.primary?.table.ptid
        let readers = cluster.inspectors
        do {
            contents = try rows.enumerated().map { partition, row in
                try row.filter(\.state.isReadable).compactMap { cell in
                    guard let reader = readers[cell.nid] else { return nil }
                    return (cell.nid, try CellContent(partition, reader))
                }
            }
            recorded = try readers.sorted { $0.key < $1.key }.map { nid, reader in
                (nid, try reader.configuration().ptid, try reader.cells())
            }
        } catch {
            return nil
        }
        committed = Self.committed(contents)
        let packed = ledger.packed
        var writes: [OID: [TID]] = [:]
        for attempt in ledger.attempts {
            guard let tid = committed[attempt.number], tid <= packed else { continue }
            for write in attempt.writes { writes[write.oid, default: []].append(tid) }
        }
        lastBeforePack = writes.mapValues { $0.max() ?? .zero }
    }

    /// Of each object, the revision that packs leave.
    private let lastBeforePack: [OID: TID]

    /// Whether a pack may have deleted a revision.
    func isPacked(_ oid: OID, at tid: TID) -> Bool { lastBeforePack[oid].map { tid < $0 } ?? false }

    var partitions: Int { rows.count }

    /// Attempts by number, with the TID under which each is in the database.
    let committed: [UInt64: TID]

    private static func committed(_ contents: [[(nid: NID, content: CellContent)]]) -> [UInt64: TID] {
        var tids: [UInt64: TID] = [:]
        for row in contents {
            for (_, content) in row {
                for (tid, transaction) in content.transactions {
                    guard let number = Ledger.number(in: transaction.description) else { continue }
                    tids[number] = tid
                }
            }
        }
        return tids
    }
}

/// Something that must hold of each history.
protocol Checker: Sendable {
    func violations(in view: ClusterView) -> [String]
}

enum Examination {
    static let checkers: [any Checker] = [
        CellChecker(), CommitChecker(), OrderChecker(), SnapshotChecker(), TableChecker(), TruncationChecker(),
    ]
}

/// The readable cells of a partition are identical.
struct CellChecker: Checker {
    func violations(in view: ClusterView) -> [String] {
        var violations: [String] = []
        for (partition, row) in view.contents.enumerated() {
            guard let first = row.first else {
                violations.append("partition \(partition) has no readable cell with a database")
                continue
            }
            for other in row.dropFirst() where other.content != first.content {
                violations.append(
                    "partition \(partition) differs at \(first.nid) and \(other.nid): "
                        + first.content.difference(from: other.content)
                )
            }
        }
        return violations
    }
}

/// What was acknowledged is there, on every readable cell; what was not is whole or absent; nothing else is there.
struct CommitChecker: Checker {
    func violations(in view: ClusterView) -> [String] {
        guard view.partitions > 0 else { return ["there is no partition table"] }
        var violations: [String] = []
        let committed = view.committed
        var expected: [ObjectRecordID: ByteBuffer?] = [:]
        for attempt in view.ledger.attempts {
            let found = committed[attempt.number]
            switch attempt.outcome {
            case .committed(let tid) where found == nil && view.ledger.mayBeTruncated(attempt, at: tid): break
            case .committed(let tid) where found != tid:
                violations.append(
                    "attempt \(attempt.number), acknowledged as \(tid), is \(found.map { "\($0)" } ?? "not there")"
                )
            case .committed: break
            default:
                if let found, !attempt.isUncertain {
                    violations.append("attempt \(attempt.number) was aborted and is there as \(found)")
                }
            }
            guard let found else { continue }
            for write in attempt.writes { expected[ObjectRecordID(tid: found, oid: write.oid)] = .some(write.data) }
            for cell in view.contents[found.partition(of: view.partitions)]
            where cell.content.transactions[found] == nil {
                violations.append("\(cell.nid) lacks transaction \(found) of attempt \(attempt.number)")
            }
        }
        for (key, data) in expected.sorted(by: { $0.key < $1.key }) {
            for cell in view.contents[key.oid.partition(of: view.partitions)] {
                guard let revision = cell.content.revisions[key] else {
                    if view.isPacked(key.oid, at: key.tid) { continue }
                    violations.append("\(cell.nid) lacks object \(key.oid) at \(key.tid)")
                    continue
                }
                if Self.record(revision) != data {
                    violations.append("\(cell.nid) has something else as object \(key.oid) at \(key.tid)")
                }
            }
        }
        for row in view.contents {
            for cell in row {
                for key in cell.content.revisions.keys.sorted() where expected[key] == nil {
                    violations.append("\(cell.nid) has object \(key.oid) at \(key.tid), of no committed attempt")
                }
            }
        }
        return violations
    }

    private static func record(_ revision: Revision) -> ByteBuffer? {
        guard let data = revision.data else { return nil }
        return try? data.record()
    }
}

/// TIDs grow in real-time order: what was requested after something else was acknowledged has a greater TID.
struct OrderChecker: Checker {
    func violations(in view: ClusterView) -> [String] {
        let committed = view.committed
        var requests: [(time: UInt64, number: UInt64, tid: TID)] = []
        var acknowledgements: [(time: UInt64, tid: TID)] = []
        for attempt in view.ledger.attempts {
            guard let tid = committed[attempt.number], let requested = attempt.requested else { continue }
            requests.append((requested, attempt.number, tid))
            if case .committed = attempt.outcome, let ended = attempt.ended { acknowledgements.append((ended, tid)) }
        }
        requests.sort { ($0.time, $0.number) < ($1.time, $1.number) }
        acknowledgements.sort { $0.time < $1.time }
        var violations: [String] = []
        if Set(requests.map(\.tid)).count != requests.count { violations.append("a TID was given twice") }
        var next = 0
        var highest = TID.zero
        for request in requests {
            while next < acknowledgements.count, acknowledgements[next].time < request.time {
                highest = max(highest, acknowledgements[next].tid)
                next += 1
            }
            if request.tid <= highest {
                violations.append("attempt \(request.number) is \(request.tid), requested after \(highest) was over")
            }
        }
        return violations
    }
}

/// Every snapshot that a client read existed, and was not older than it may be.
struct SnapshotChecker: Checker {
    func violations(in view: ClusterView) -> [String] {
        let committed = view.committed
        var revisions: [OID: [(tid: TID, data: ByteBuffer?)]] = [:]
        var acknowledgements: [(time: UInt64, tid: TID)] = []
        for attempt in view.ledger.attempts {
            guard let tid = committed[attempt.number] else { continue }
            for write in attempt.writes { revisions[write.oid, default: []].append((tid, write.data)) }
            if case .committed = attempt.outcome, let ended = attempt.ended { acknowledgements.append((ended, tid)) }
        }
        for oid in Array(revisions.keys) { revisions[oid]?.sort { $0.tid < $1.tid } }
        acknowledgements.sort { $0.time < $1.time }
        // The greatest TID up to each acknowledgement.
        var highest: [TID] = []
        for acknowledgement in acknowledgements { highest.append(max(highest.last ?? .zero, acknowledgement.tid)) }

        var violations: [String] = []
        for observation in view.ledger.observations {
            for read in observation.reads {
                let known = revisions[read.oid] ?? []
                let count = known.partitionPoint { $0.tid > observation.tid }
                let expected = count > 0 ? known[count - 1] : nil
                if let expected, view.isPacked(read.oid, at: expected.tid) { continue }
                let serial = expected?.data == nil ? TID.zero : expected?.tid ?? .zero
                if read.serial != serial || read.data != expected?.data {
                    violations.append(
                        "\(observation.client) read object \(read.oid) as of \(observation.tid): \(read.serial), not \(serial)"
                    )
                }
            }
            guard let synced = observation.synced else { continue }
            let count = acknowledgements.partitionPoint { $0.time >= synced }
            if count > 0, observation.tid < highest[count - 1] {
                violations.append(
                    "\(observation.client) was given \(observation.tid) as the last transaction after \(highest[count - 1])"
                )
            }
        }
        return violations
    }
}

/// Every storage recorded the table of the master.
struct TableChecker: Checker {
    func violations(in view: ClusterView) -> [String] {
        let members = Set(view.rows.flatMap { $0.map(\.nid) })
        return view.recorded.filter { members.contains($0.nid) }.compactMap { nid, ptid, cells in
            var rows: [[CellRecord]] = Array(repeating: [], count: view.partitions)
            for cell in cells where rows.indices.contains(cell.partition) {
                rows[cell.partition].append(CellRecord(nid: cell.nid, state: cell.state))
            }
            let isSame =
                ptid == view.ptid
                && zip(rows, view.rows).allSatisfy { $0 == $1.sorted { $0.nid < $1.nid } }
            return isSame
                ? nil : "\(nid) recorded another partition table, \(ptid.map(String.init) ?? "none"), than the master"
        }
    }
}

/// Nothing is left above a truncation, or all is.
struct TruncationChecker: Checker {
    func violations(in view: ClusterView) -> [String] {
        guard let truncation = view.ledger.truncation else { return [] }
        var kept: [UInt64] = []
        var lost: [UInt64] = []
        for attempt in view.ledger.attempts {
            if let found = view.committed[attempt.number], view.ledger.mayBeTruncated(attempt, at: found) {
                kept.append(attempt.number)
            } else if case .committed(let tid) = attempt.outcome, view.ledger.mayBeTruncated(attempt, at: tid) {
                lost.append(attempt.number)
            }
        }
        if truncation.isDone == true, let first = kept.first {
            return ["attempt \(first) is above the truncation after \(truncation.tid), and still there"]
        }
        guard let first = kept.first, let other = lost.first else { return [] }
        return ["the truncation after \(truncation.tid) removed attempt \(other), and not \(first)"]
    }
}

extension Array {
    /// The number of elements at the beginning that are not `isBehind`; those that are come last.
    func partitionPoint(_ isBehind: (Element) -> Bool) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if isBehind(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
