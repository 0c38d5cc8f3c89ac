import NEOProtocol
import NIOCore

/// What a client keeps of its record cache until the program starts again.
public struct SavedCache: Sendable {
    public struct Entry: Sendable {
        public var oid: OID
        /// If it has no next revision, it was current at ``SavedCache/tid``.
        public var record: Record
        /// How often it was used.
        public var useCount: Int

        public init(oid: OID, record: Record, useCount: Int) {
            self.oid = oid
            self.record = record
            self.useCount = useCount
        }
    }

    /// The last transaction whose effects are in the records.
    public var tid: TID
    /// The most useful ones first.
    public var entries: [Entry]

    public init(tid: TID, entries: [Entry]) {
        self.tid = tid
        self.entries = entries
    }
}

extension RecordCache {
    /// The records, the most useful ones first.
    var saved: [SavedCache.Entry] {
        var saved: [SavedCache.Entry] = []
        saved.reserveCapacity(count)
        for queue in queues.dropFirst().reversed() {
            var cursor = queue.tail
            while let index = cursor {
                let entry = entries[index]
                cursor = entry.previousInQueue
                guard let data = entry.data else { continue }
                let record = Record(data: data, serial: entry.serial, next: entry.next)
                saved.append(SavedCache.Entry(oid: entry.oid, record: record, useCount: entry.counter))
            }
        }
        return saved
    }

    /// Adds what an earlier cache had, with the rank that it had there.
    mutating func restore(_ entry: SavedCache.Entry) {
        let (record, uses, added) = (entry.record, max(0, entry.useCount - 1), addedBytes)
        store(entry.oid, record.data, serial: record.serial, next: record.next, useCount: uses)
        addedBytes = added
    }
}
