import NEODatabase
import NEOProtocol

/// The pack order that this node executes, and how far it is (`spec/storage.md §15.3-15.5`).
///
/// ```
///            evaluate: cells are behind           received
///     idle ─────────────────────────────▶ asking ──────────▶ working ──▶ … each cell, slice by slice,
///      ▲                                     │                  │            then its completion is recorded
///      ├──────────── no such order ──────────┘                  │
///      └──────────────────── no cell is left ───────────────────┘
/// ```
///
/// Orders are executed by increasing id, each on all the cells that did not execute it, the smallest partition first. What
/// is recorded is the last order that each cell completed: after an interruption its partition is begun again, and what
/// was packed of it is only looked at.
struct Packing: Hashable, Sendable {
    /// A cell of this node, and the last order that it completed.
    struct Cell: Hashable, Sendable {
        var partition: PartitionID
        var packed: TID
    }

    /// An order, and from where cells execute it.
    struct Order: Hashable, Sendable {
        var id: TID
        /// Revisions after it are kept.
        var tid: TID
        /// Objects by partition, ascending; nil: all.
        var objects: [PartitionID: [OID]]?
        /// The last order that its cells completed before.
        var base: TID
    }

    struct Work: Hashable, Sendable {
        /// Cells to do, ascending.
        var remaining: [PartitionID]
        /// Where the next slice of the first one begins.
        var position = OID.zero
        /// A slice of it is under way, or its completion is being recorded. It may have been taken away since.
        var underway: PartitionID?
    }

    enum State: Hashable, Sendable {
        case idle
        /// The master was asked for the order that follows this one.
        case asking(after: TID)
        case working(Work)
    }

    enum Action: Hashable, Sendable {
        case none
        case ask(min: TID)
        case work
    }

    /// What follows a slice.
    enum Step: Hashable, Sendable {
        /// Another slice.
        case next
        /// The cell has executed this order: that is to be recorded.
        case record(TID)
        /// The cells that were left were taken away: evaluate again.
        case end
    }

    private(set) var state = State.idle
    /// The last order received. Cells that could not execute it with the others do it later.
    private(set) var order: Order?

    // MARK: Choice

    /// What is to be done next.
    /// - Parameters:
    ///   - cells: those that are up to date.
    ///   - last: the last order that was approved.
    ///   - isEligible: whether a cell has all that an order is about.
    mutating func evaluate(_ cells: [Cell], last: TID, isEligible: (PartitionID, TID) -> Bool) -> Action {
        guard state == .idle else { return .none }
        guard let packed = cells.map(\.packed).min(), packed < last else {
            // The list of its objects may be long.
            order = nil
            return .none
        }
        guard let order, order.base == packed else {
            state = .asking(after: packed)
            return .ask(min: TID(packed.rawValue + 1))
        }
        let partitions = cells.filter { $0.packed == packed && isEligible($0.partition, order.id) }.map(\.partition)
        guard !partitions.isEmpty else { return .none }
        state = .working(Work(remaining: partitions.sorted()))
        return .work
    }

    /// The answer of the master to what ``evaluate(_:last:isEligible:)`` asked.
    /// - Returns: whether there is an order to execute: evaluate again.
    mutating func received(_ orders: [PackOrder], after packed: TID, partitions: Int) -> Bool {
        guard state == .asking(after: packed) else { return false }
        state = .idle
        order = nil
        guard let next = orders.first(where: { $0.id > packed && $0.approved == true }) else { return false }
        order = Order(
            id: next.id,
            tid: next.tid,
            objects: next.isPartial ? Self.objects(of: next, partitions: partitions) : nil,
            base: packed
        )
        return true
    }

    private static func objects(of order: PackOrder, partitions: Int) -> [PartitionID: [OID]] {
        var objects: [PartitionID: [OID]] = [:]
        var previous: OID?
        let oids = order.oids?.oids ?? []
        let isSorted = zip(oids, oids.dropFirst()).allSatisfy { $0 <= $1 }
        for oid in isSorted ? oids : oids.sorted() where oid != previous {
            objects[oid.partition(of: partitions), default: []].append(oid)
            previous = oid
        }
        return objects
    }

    // MARK: Execution

    /// The next slice; nil: there is nothing to pack, or the result of a slice is awaited.
    mutating func nextSlice() -> (partition: PartitionID, slice: PackSlice)? {
        guard case .working(var work) = state, work.underway == nil, let partition = work.remaining.first, let order
        else { return nil }
        work.underway = partition
        state = .working(work)
        let oids = order.objects.map { $0[partition] ?? [] }
        return (partition, PackSlice(tid: order.tid, oids: oids, from: work.position))
    }

    /// A slice is over.
    mutating func packed(_ partition: PartitionID, next: OID?) -> Step {
        guard case .working(var work) = state, let order else { return .next }
        if work.remaining.first == partition {
            // The next slice waits until the completion is recorded.
            guard let next else { return .record(order.id) }
            work.position = next
        }
        // Else the cell was discarded, and perhaps assigned again: what was packed stays so, nothing is recorded.
        work.underway = nil
        state = work.remaining.isEmpty ? .idle : .working(work)
        return work.remaining.isEmpty ? .end : .next
    }

    /// The completion of a cell is recorded.
    /// - Returns: whether it was the last one: evaluate again.
    mutating func recorded(_ partition: PartitionID) -> Bool {
        guard case .working(var work) = state else { return false }
        if work.remaining.first == partition {
            work.remaining.removeFirst()
            work.position = .zero
        }
        work.underway = nil
        state = work.remaining.isEmpty ? .idle : .working(work)
        return work.remaining.isEmpty
    }

    /// A cell is not up to date any more. Its order stays to be executed.
    mutating func remove(_ partition: PartitionID) {
        guard case .working(var work) = state, let index = work.remaining.firstIndex(of: partition) else { return }
        work.remaining.remove(at: index)
        if index == 0 { work.position = .zero }
        state = work.remaining.isEmpty && work.underway == nil ? .idle : .working(work)
    }
}
