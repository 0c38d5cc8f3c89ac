import NEOClient
import NEOEngine
import NEOProtocol
import NIOCore
import Testing

/// B13: what the cache keeps, beside the algorithm of the reference (`spec/client.md §14`) on the same traces.
@Suite struct CachePolicyTests {
    /// The algorithm as it is specified, without regard to speed: current revisions only.
    private struct Reference {
        final class Entry {
            let oid: Int
            let cost: Int
            var hasData = true
            var counter = 0
            var level = 0
            var expire = 0

            init(_ oid: Int, _ cost: Int) {
                self.oid = oid
                self.cost = cost
            }
        }

        let maximumBytes: Int
        let lifeTime: Int
        let maximumHistoryCount: Int
        var time = 0
        var bytes = 0
        var hits = 0
        /// The current revision of each object, with data or in the history.
        var current: [Int: Entry] = [:]
        /// Level 0 is the history; the first of a queue is its head.
        var queues: [[Entry]] = [[], []]

        mutating func take(_ entry: Entry) {
            queues[entry.level].removeAll { $0 === entry }
        }

        mutating func append(_ entry: Entry, level: Int) {
            while queues.count <= level { queues.append([]) }
            entry.level = level
            entry.expire = time + lifeTime
            queues[level].append(entry)
        }

        mutating func forget(_ entry: Entry) {
            if current[entry.oid] === entry { current[entry.oid] = nil }
        }

        /// The data of an entry that is in no queue goes.
        mutating func retire(_ entry: Entry) {
            bytes -= entry.cost
            entry.hasData = false
            if entry.counter > 0 { append(entry, level: 0) } else { forget(entry) }
        }

        mutating func access(_ entry: Entry, isQueued: Bool = true) {
            if isQueued { take(entry) }
            entry.counter += 1
            append(entry, level: 1 + Int(Double(entry.counter).exponent))
            time += 1
            for level in queues.indices.dropFirst() {
                guard let head = queues[level].first, head.expire < time else { continue }
                take(head)
                if level > 1 { append(head, level: level - 1) } else { retire(head) }
                break
            }
            while queues[0].count > maximumHistoryCount { forget(queues[0].removeFirst()) }
        }

        mutating func load(_ oid: Int) -> Bool {
            guard let entry = current[oid], entry.hasData else { return false }
            hits += 1
            access(entry)
            return true
        }

        /// - Parameter isNew: whether it is another revision than the one that the cache may have.
        mutating func store(_ oid: Int, cost: Int, isNew: Bool) {
            guard cost < maximumBytes else { return }
            let entry: Entry
            if let known = current[oid], !isNew {
                guard !known.hasData else { return }
                known.hasData = true
                access(known)
                bytes += cost
                return evict()
            }
            entry = Entry(oid, cost)
            if let previous = current[oid] {
                entry.counter = previous.counter
                if previous.hasData {
                    previous.counter = 0
                    if previous.level > 1 { access(previous) }
                } else {
                    take(previous)
                }
            }
            current[oid] = entry
            access(entry, isQueued: false)
            bytes += cost
            evict()
        }

        mutating func evict() {
            while bytes > maximumBytes {
                guard let level = queues.indices.dropFirst().first(where: { !queues[$0].isEmpty }) else { return }
                retire(queues[level].removeFirst())
            }
        }
    }

    /// Programs that read, and now and then write, objects of different sizes.
    enum Trace: String, CaseIterable {
        /// Few objects are used often.
        case skewed
        /// The same, and now and then everything is read once.
        case scans
        /// A working set that moves.
        case moving
        /// Everything in turn, more than fits.
        case loops

        func oid(_ step: Int, _ random: inout SplitMix64) -> Int {
            let share = Double.random(in: 0..<1, using: &random)
            let skewed = Int(share * share * share * 2000)
            switch self {
            case .skewed: return skewed
            case .scans: return step % 5000 < 2000 ? step % 5000 : skewed
            case .moving: return skewed / 4 + step / 200
            case .loops: return step % 1000
            }
        }
    }

    @Test(arguments: Trace.allCases) func hitRatio(_ trace: Trace) {
        let maximumBytes = 128 << 10
        var cache = RecordCache(maximumBytes: maximumBytes, lifeTime: 3000, maximumHistoryCount: 500)
        // What an entry costs besides its data counts for both.
        var reference = Reference(maximumBytes: maximumBytes, lifeTime: 3000, maximumHistoryCount: 500)
        var random = SplitMix64(seed: 1)
        var serials: [Int: UInt64] = [:]
        var tid: UInt64 = 1
        for step in 0..<40_000 {
            let number = trace.oid(step, &random)
            let oid = OID(UInt64(number))
            let data = ByteBuffer(repeating: 0, count: 50 + number % 7 * 60)
            let cost = data.readableBytes + 128
            if Int.random(in: 0..<20, using: &random) == 0 {
                tid += 1
                serials[number] = tid
                cache.invalidate(oid, TID(tid))
                cache.store(oid, data, serial: TID(tid), next: nil)
                reference.store(number, cost: cost, isNew: true)
                continue
            }
            if cache.load(oid, .current) == nil {
                cache.store(oid, data, serial: TID(serials[number] ?? 1), next: nil)
            }
            if !reference.load(number) { reference.store(number, cost: cost, isNew: false) }
        }
        #expect(cache.hits >= reference.hits)
        #expect(cache.hits > 0 || trace == .loops)
    }
}
