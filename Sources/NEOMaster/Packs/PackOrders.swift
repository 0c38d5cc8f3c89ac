import NEOEngine
import NEOProtocol
import OrderedCollections

/// The pack orders that are not known to be completed everywhere (`spec/master.md §13`).
struct PackOrders: Hashable, Sendable {
    /// Sorted by id.
    private var orders: [PackOrder] = []
    /// The highest order known to be completed.
    private(set) var maxCompleted: TID?
    /// The last order that each storage completed in all its partitions.
    private var completedBy: [NID: TID] = [:]
    private var waiters: [(id: TID, source: Source)] = []
    var queries: OrderedDictionary<PackOrderQuery.ID, PackOrderQuery> = [:]
    private var lastQuery = 0

    static func == (left: PackOrders, right: PackOrders) -> Bool {
        left.orders == right.orders && left.maxCompleted == right.maxCompleted
            && left.completedBy == right.completedBy && left.queries == right.queries
    }

    func hash(into hasher: inout Hasher) {
        hasher.combine(orders)
        hasher.combine(maxCompleted)
    }

    private func index(of id: TID) -> Int? { orders.firstIndex { $0.id == id } }

    private mutating func insert(_ order: PackOrder) {
        orders.insert(order, at: orders.firstIndex { $0.id > order.id } ?? orders.count)
    }

    // MARK: Orders

    /// A new order (`§13.1`). It is signed at once, unless an order waits for a signature.
    /// - Returns: whether it is approved.
    mutating func add(_ request: PackRequest, id: TID) -> Bool {
        let isApproved = !orders.contains { $0.approved == nil }
        insert(
            PackOrder(
                id: id,
                approved: isApproved ? true : nil,
                isPartial: !(request.oids?.oids.isEmpty ?? true),
                oids: request.oids,
                tid: request.tid
            )
        )
        return isApproved
    }

    /// Orders reported by storages (`§13.2`).
    mutating func merge(_ reported: [PackOrder]) {
        for order in reported {
            if let index = index(of: order.id) {
                if orders[index].approved == nil { orders[index].approved = order.approved }
                continue
            }
            insert(order)
            if let completed = maxCompleted, completed >= order.id { setCompleted(below: order.id) }
        }
    }

    /// Nothing is completed from `id` on. Nothing ever is below 1 (`§18.5`).
    mutating func setCompleted(below id: TID) {
        maxCompleted = id > .zero ? TID(id.rawValue - 1) : nil
    }

    func isApproved(_ id: TID) -> Bool { index(of: id).map { orders[$0].approved == true } ?? false }

    /// What a storage that becomes ready must know (`§13.3`).
    var signatures: NotifyPackSigned? {
        let approved = (maxCompleted.map { [$0] } ?? []) + orders.filter { $0.approved == true }.map(\.id)
        let rejected = orders.filter { $0.approved == false }.map(\.id)
        return approved.isEmpty && rejected.isEmpty ? nil : NotifyPackSigned(approved: approved, rejected: rejected)
    }

    /// The orders to answer (`§13.4`): a storage gets the next one to execute.
    func orders(from min: TID, isStorage: Bool) -> [PackOrder] {
        let known = orders.filter { $0.id >= min }
        return isStorage ? Array(known.filter { $0.approved == true }.prefix(1)) : known
    }

    /// Whether what was packed after `tid` cannot be undone (`§13.6`).
    func preventsTruncation(after tid: TID) -> Bool {
        (maxCompleted.map { $0 > tid } ?? false) || orders.contains { $0.approved == true && $0.id > tid }
    }

    // MARK: Completion

    mutating func completed(_ id: TID, by nid: NID) { completedBy[nid] = id }

    mutating func lost(_ nid: NID) { completedBy[nid] = nil }

    /// The last order that all of `nids` completed; those that never reported one do not count.
    func completion(of nids: Set<NID>) -> TID? {
        completedBy.filter { nids.contains($0.key) }.values.min()
    }

    /// Forgets the orders that all of `nids` completed.
    /// - Returns: those who wait for them.
    mutating func complete(at nids: Set<NID>) -> [Source] {
        guard let minimum = completion(of: nids) else { return [] }
        let done = orders.prefix { $0.id <= minimum }
        guard let highest = done.last else { return [] }
        orders.removeFirst(done.count)
        maxCompleted = max(maxCompleted ?? .zero, highest.id)
        let all = waiters
        waiters = all.filter { index(of: $0.id) != nil }
        return all.filter { index(of: $0.id) == nil }.map(\.source)
    }

    /// - Returns: false if the order is completed, or there is no such order.
    mutating func wait(for id: TID, _ source: Source) -> Bool {
        guard index(of: id) != nil else { return false }
        waiters.append((id, source))
        return true
    }

    /// What a connection waits for.
    func heldCount(_ connection: ConnectionID) -> Int {
        waiters.count { $0.source.connection == connection }
            + queries.values.count { $0.source.connection == connection }
    }

    mutating func forget(_ connection: ConnectionID) {
        waiters.removeAll { $0.source.connection == connection }
        queries.removeAll { $0.value.source.connection == connection }
    }

    // MARK: Queries

    mutating func add(_ query: PackOrderQuery) -> PackOrderQuery.ID {
        lastQuery += 1
        queries[lastQuery] = query
        return lastQuery
    }
}
