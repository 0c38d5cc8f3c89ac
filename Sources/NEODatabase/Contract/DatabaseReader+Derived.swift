import NEOProtocol
import NIOCore

extension DatabaseReader {
    /// Over several partitions: see ``lastIDs(in:)-(PartitionID)``.
    public func lastIDs(in partitions: [PartitionID]) throws -> LastIDs {
        var last = LastIDs()
        for partition in partitions {
            let ids = try lastIDs(in: partition)
            last.transactionTID = largest(last.transactionTID, ids.transactionTID)
            last.recordTID = largest(last.recordTID, ids.recordTID)
            last.oid = largest(last.oid, ids.oid)
        }
        return last
    }

    /// How to undo what transaction `undoneTID` did to an object (`spec/storage.md §12`, steps 2 to 5).
    /// - Parameters:
    ///   - bound: excluded bound of the transactions that the undoing one sees; nil: it sees them all.
    ///   - current: what the undoing transaction itself stored: the target of its undo, or its TTID.
    public func undo(
        of oid: OID,
        in partition: PartitionID,
        undoneTID: TID,
        before bound: TID?,
        current: TID?
    ) throws -> UndoOutcome {
        let chain = try revisions(of: oid, from: undoneTID, in: partition)
        guard chain.revisions.first?.tid == undoneTID else { return .nothingToUndo }
        let later = chain.revisions.dropFirst()

        var visible = current
        if visible == nil {
            visible = later.last { revision in bound.map { revision.tid < $0 } ?? true }?.tid
        }
        if visible == nil, let bound, bound <= undoneTID { return .notVisible }
        let current = visible ?? undoneTID

        var same = undoneTID
        var target = chain.previous
        var isCurrent = current == undoneTID
        for revision in later {
            guard let dataTID = revision.dataTID else { continue }
            if dataTID == target {
                target = revision.tid
            } else if dataTID == same {
                if revision.tid == current { isCurrent = true } else { same = revision.tid }
            }
        }
        return .found(UndoRecord(current: current, undo: target, isCurrent: isCurrent))
    }

    /// Digest of the transactions of a range (`spec/database.md §7.3`, checkTIDRange).
    public func transactionDigest(
        in partition: PartitionID,
        _ range: ClosedRange<TID>,
        limit: Int
    ) throws -> TransactionDigest {
        let tids = try tids(in: partition, range, limit: limit)
        guard let last = tids.last else { return TransactionDigest(count: 0, checksum: .zero, lastTID: .zero) }
        return TransactionDigest(count: tids.count, checksum: decimalChecksum(tids.map(\.rawValue)), lastTID: last)
    }

    /// Digest of object records from (`from`, `oid`) on (`spec/database.md §7.3`, checkSerialRange).
    public func objectDigest(
        in partition: PartitionID,
        from: TID,
        oid: OID,
        through: TID,
        limit: Int
    ) throws -> ObjectDigest {
        let records = try objectRecords(in: partition, from: from, oid: oid, through: through, limit: limit)
        guard let last = records.last else {
            return ObjectDigest(count: 0, tidChecksum: .zero, lastTID: .zero, oidChecksum: .zero, lastOID: .zero)
        }
        return ObjectDigest(
            count: records.count,
            tidChecksum: decimalChecksum(records.map(\.tid.rawValue)),
            lastTID: last.tid,
            oidChecksum: decimalChecksum(records.map(\.oid.rawValue)),
            lastOID: last.oid
        )
    }
}

/// SHA-1 of the decimal texts of `values`, joined by commas.
private func decimalChecksum(_ values: [UInt64]) -> Checksum {
    var text = ByteBuffer()
    text.reserveCapacity(values.count * 20)
    for (index, value) in values.enumerated() {
        if index > 0 { text.writeInteger(UInt8(ascii: ",")) }
        text.writeString(String(value))
    }
    return Checksum(of: text)
}

/// The greater of two values of which any may be missing.
func largest<Value: Comparable>(_ left: Value?, _ right: Value?) -> Value? {
    guard let left else { return right }
    guard let right else { return left }
    return max(left, right)
}
