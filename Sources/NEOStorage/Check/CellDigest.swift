import NEODatabase
import NEOProtocol

/// The digests of a range of rows, computed by and by (`spec/replication.md §8.4`).
struct CellDigest: Sendable {
    private enum Rows {
        case transactions
        case objects
    }

    private let rows: Rows
    private let partition: PartitionID
    private let through: TID
    private var next: ObjectRecordID
    private var left: Int
    private var tids = RangeDigest()
    private var oids = RangeDigest()
    private var last = ObjectRecordID(tid: .zero, oid: .zero)

    init(_ ask: AskCheckTIDRange) {
        rows = .transactions
        partition = ask.partition
        through = min(ask.max, .max)
        next = ObjectRecordID(tid: ask.min, oid: .zero)
        left = ask.length
    }

    init(_ ask: AskCheckSerialRange) {
        rows = .objects
        partition = ask.partition
        through = min(ask.max, .max)
        next = ObjectRecordID(tid: ask.min, oid: ask.minOID)
        left = ask.length
    }

    /// - Returns: whether all rows were seen.
    mutating func advance(_ reader: any DatabaseReader, rows limit: Int) throws -> Bool {
        let limit = min(limit, left)
        guard limit > 0, next.tid <= through else { return true }
        let keys: [ObjectRecordID]
        switch rows {
        case .transactions:
            keys = try reader.tids(in: partition, next.tid...through, limit: limit).map {
                ObjectRecordID(tid: $0, oid: .zero)
            }
        case .objects:
            keys = try reader.objectRecords(
                in: partition,
                from: next.tid,
                oid: next.oid,
                through: through,
                limit: limit
            )
        }
        for key in keys {
            tids.append(key.tid.rawValue)
            if rows == .objects { oids.append(key.oid.rawValue) }
        }
        left -= keys.count
        guard let last = keys.last, keys.count == limit else {
            self.last = keys.last ?? self.last
            return true
        }
        self.last = last
        next =
            rows == .transactions
            ? ObjectRecordID(tid: TID(last.tid.rawValue + 1), oid: .zero)
            : last.successor
        return left == 0
    }

    var answer: Packet {
        switch rows {
        case .transactions:
            AnswerCheckTIDRange(count: tids.count, digest: tids.checksum, last: last.tid).packet
        case .objects:
            AnswerCheckSerialRange(
                count: tids.count,
                tidDigest: tids.checksum,
                lastTID: last.tid,
                oidDigest: oids.checksum,
                lastOID: last.oid
            ).packet
        }
    }
}
