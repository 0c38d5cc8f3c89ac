import NEOProtocol
import NIOCore

/// The records that were read or written, with the interval in which each is valid (`spec/client.md §14`).
///
/// Bounded in bytes. Entries live in queues by how often they were used (*Multi-Queue*): level 0 is the *history*, entries
/// that lost their data and are remembered for their counter; an entry used `c` times belongs to level `1 + ⌊log2 c⌋`.
///
/// Invariants: only the last entry of an object has no next revision; entries of an object do not overlap.
public struct RecordCache: Sendable {
    /// What an entry costs besides its data, so that many small records are bounded as well (`spec/client.md §20.35`).
    static let entryBytes = 128

    struct Entry: Sendable {
        var oid: OID
        var serial: TID
        var next: TID?
        /// Nil in the history.
        var data: ByteBuffer?
        var counter = 0
        var level = 0
        var expire = 0
        /// The entry of the same object with the next lower serial.
        var older: Int?
        // Neighbours in the queue of its level.
        var previousInQueue: Int?
        var nextInQueue: Int?
        var isQueued = false
    }

    struct Queue: Sendable {
        var head: Int?
        var tail: Int?
        var count = 0
    }

    public let maximumBytes: Int
    let lifeTime: Int
    let maximumHistoryCount: Int
    /// Number of accesses.
    private(set) var time = 0
    /// Bytes of the entries with data, their overhead included.
    public private(set) var bytes = 0
    public private(set) var hits = 0
    public private(set) var misses = 0
    /// Bytes that were ever added, their overhead included; not by ``restore(_:)``.
    public internal(set) var addedBytes = 0

    private(set) var entries: [Entry] = []
    private var free: [Int] = []
    /// The entry with the greatest serial of each object.
    private var newest: [OID: Int] = [:]
    private(set) var queues: [Queue] = [Queue(), Queue()]

    public init(maximumBytes: Int, lifeTime: Int = 10_000, maximumHistoryCount: Int = 100_000) {
        self.maximumBytes = maximumBytes
        self.lifeTime = lifeTime
        self.maximumHistoryCount = maximumHistoryCount
    }

    /// Number of entries with data.
    public var count: Int { queues.dropFirst().reduce(0) { $0 + $1.count } }
    /// Number of entries without data.
    public var historyCount: Int { queues[0].count }
    /// Number of objects known.
    public var objectCount: Int { newest.count }

    // MARK: Look-up

    /// The record wanted, if it is known. Counts a hit, or a miss unless the caller will look again.
    public mutating func load(_ oid: OID, _ revision: Revision, countsMiss: Bool = true) -> Record? {
        guard let index = find(oid, revision), let data = entries[index].data else {
            if countsMiss { misses += 1 }
            return nil
        }
        hits += 1
        let record = Record(data: data, serial: entries[index].serial, next: entries[index].next)
        access(index)
        return record
    }

    /// Whether the record is there, without counting.
    public func contains(_ oid: OID, _ revision: Revision) -> Bool {
        find(oid, revision).map { entries[$0].data != nil } ?? false
    }

    private func find(_ oid: OID, _ revision: Revision) -> Int? {
        var cursor = newest[oid]
        switch revision {
        case .current:
            guard let index = cursor, entries[index].next == nil else { return nil }
            return index
        case .before(let tid):
            while let index = cursor, entries[index].serial >= tid { cursor = entries[index].older }
            guard let index = cursor else { return nil }
            if let next = entries[index].next, next < tid { return nil }
            return index
        case .at(let tid):
            while let index = cursor, entries[index].serial > tid { cursor = entries[index].older }
            guard let index = cursor, entries[index].serial == tid else { return nil }
            return index
        }
    }

    // MARK: Changes

    /// The same bytes without the rest of what was received with them: a small slice would keep all of that in memory,
    /// and the limit of the cache would mean nothing.
    private static func compacted(_ data: ByteBuffer) -> ByteBuffer {
        guard data.storageCapacity > 2 * data.readableBytes + 64 else { return data }
        return ByteBuffer(bytes: data.readableBytesView)
    }

    /// Adds a revision.
    /// - Parameter useCount: how often it was used before it comes here.
    public mutating func store(_ oid: OID, _ data: ByteBuffer, serial: TID, next: TID?, useCount: Int = 0) {
        let cost = data.readableBytes + Self.entryBytes
        guard cost <= maximumBytes, data.readableBytes < maximumBytes else { return }
        let data = Self.compacted(data)
        // The entry just above and the one just below, by serial.
        var above: Int?
        var below = newest[oid]
        while let index = below, entries[index].serial > serial {
            above = index
            below = entries[index].older
        }
        if let below, entries[below].serial == serial {
            if entries[below].data != nil { return }
            // An invalidation that came meanwhile has said more than the caller knows.
            if entries[below].next == nil { entries[below].next = next ?? above.map { entries[$0].serial } }
            put(data, at: below)
            return
        }
        // What is known of the neighbours bounds the interval: entries never overlap.
        var next = next
        if let above { next = min(next ?? entries[above].serial, entries[above].serial) }
        var counter = useCount
        var older = below
        if let below {
            if entries[below].next.map({ $0 > serial }) ?? true { entries[below].next = serial }
            if next == nil {
                // The new current revision takes the place of the previous one in the statistics.
                counter = max(counter, entries[below].counter)
                if entries[below].data == nil {
                    older = entries[below].older
                    remove(below)
                } else {
                    entries[below].counter = 0
                    if entries[below].level > 1 { access(below) }
                }
            }
        }
        var entry = Entry(oid: oid, serial: serial, next: next)
        entry.counter = counter
        entry.older = older
        let index: Int
        if let reused = free.popLast() {
            entries[reused] = entry
            index = reused
        } else {
            index = entries.count
            entries.append(entry)
        }
        if let above { entries[above].older = index } else { newest[oid] = index }
        put(data, at: index)
    }

    private mutating func put(_ data: ByteBuffer, at index: Int) {
        entries[index].data = data
        bytes += data.readableBytes + Self.entryBytes
        addedBytes += data.readableBytes + Self.entryBytes
        access(index)
        var level = 1
        while bytes > maximumBytes, level < queues.count {
            if let head = queues[level].head { retire(head) } else { level += 1 }
        }
        trimHistory()
    }

    /// A transaction changed the object: its current revision is no more current.
    public mutating func invalidate(_ oid: OID, _ tid: TID) {
        guard let index = newest[oid], entries[index].next == nil, entries[index].serial < tid else { return }
        entries[index].next = tid
    }

    /// Invalidations may have been missed: forgets what was current (`spec/client.md §10.3`).
    public mutating func dropCurrent() {
        for index in entries.indices where entries[index].isQueued && entries[index].next == nil {
            remove(index)
        }
    }

    /// Forgets the revisions that were followed by another one up to `tid`: a pack removes them.
    public mutating func dropSuperseded(through tid: TID) {
        for index in entries.indices where entries[index].isQueued && entries[index].next.map({ $0 <= tid }) ?? false {
            remove(index)
        }
    }

    public mutating func removeAll() {
        let addedBytes = addedBytes
        self = RecordCache(maximumBytes: maximumBytes, lifeTime: lifeTime, maximumHistoryCount: maximumHistoryCount)
        self.addedBytes = addedBytes
    }

    // MARK: Queues

    private mutating func access(_ index: Int) {
        unqueue(index)
        entries[index].counter += 1
        let counter = entries[index].counter
        enqueue(index, level: 1 + (Int.bitWidth - 1 - counter.leadingZeroBitCount))
        time += 1
        for level in 1..<queues.count {
            guard let head = queues[level].head, entries[head].expire < time else { continue }
            if level == 1 {
                retire(head)
            } else {
                unqueue(head)
                enqueue(head, level: level - 1)
            }
            break
        }
        trimHistory()
    }

    /// Takes the data of an entry, and keeps the rest in the history if it was used.
    private mutating func retire(_ index: Int) {
        guard entries[index].counter > 0 else { return remove(index) }
        unqueue(index)
        dropData(index)
        enqueue(index, level: 0)
    }

    private mutating func dropData(_ index: Int) {
        guard let data = entries[index].data else { return }
        bytes -= data.readableBytes + Self.entryBytes
        entries[index].data = nil
    }

    private mutating func trimHistory() {
        while queues[0].count > maximumHistoryCount, let head = queues[0].head { remove(head) }
    }

    private mutating func remove(_ index: Int) {
        unqueue(index)
        dropData(index)
        let oid = entries[index].oid
        if newest[oid] == index {
            newest[oid] = entries[index].older
        } else {
            var cursor = newest[oid]
            while let newer = cursor, entries[newer].older != index { cursor = entries[newer].older }
            if let newer = cursor { entries[newer].older = entries[index].older }
        }
        free.append(index)
    }

    private mutating func enqueue(_ index: Int, level: Int) {
        while queues.count <= level { queues.append(Queue()) }
        let tail = queues[level].tail
        entries[index].level = level
        entries[index].expire = time + lifeTime
        entries[index].isQueued = true
        entries[index].previousInQueue = tail
        entries[index].nextInQueue = nil
        if let tail { entries[tail].nextInQueue = index } else { queues[level].head = index }
        queues[level].tail = index
        queues[level].count += 1
    }

    private mutating func unqueue(_ index: Int) {
        guard entries[index].isQueued else { return }
        let level = entries[index].level
        let previous = entries[index].previousInQueue
        let next = entries[index].nextInQueue
        if let previous { entries[previous].nextInQueue = next } else { queues[level].head = next }
        if let next { entries[next].previousInQueue = previous } else { queues[level].tail = previous }
        queues[level].count -= 1
        entries[index].isQueued = false
    }
}
