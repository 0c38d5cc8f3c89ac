import NEOEngine
import NEOProtocol

/// Requests that wait until a transaction ends (`spec/storage.md §8`).
///
/// They are retried in passes from the beginning to the end. A pass that is asked for while another one goes on makes
/// that one begin again.
struct DelayedQueue<Request: Sendable>: Sendable {
    struct Event: Sendable {
        let sequence: UInt64
        let connection: ConnectionID
        /// The id of the request, that of its answer.
        let request: UInt32
        let packet: Request
        let received: Instant
        /// Events are in the order of their keys; those of the same key in the order of their arrival.
        let key: TID
        /// Bytes of object data.
        let bytes: Int
    }

    private(set) var events: [Event] = []
    private(set) var bytes = 0
    private var lastSequence: UInt64 = 0
    /// Of the next event of the pass that goes on; nil: none does.
    private var cursor: Int?

    var count: Int { events.count }

    mutating func append(
        _ packet: Request,
        from connection: ConnectionID,
        _ request: UInt32,
        key: TID = .zero,
        bytes: Int = 0,
        received: Instant
    ) {
        assert(cursor == nil, "nothing is queued during a pass")
        lastSequence &+= 1
        var index = events.endIndex
        while index > 0, events[index - 1].key > key { index -= 1 }
        let event = Event(
            sequence: lastSequence,
            connection: connection,
            request: request,
            packet: packet,
            received: received,
            key: key,
            bytes: bytes
        )
        events.insert(event, at: index)
        self.bytes += bytes
    }

    /// Drops the events of a connection that is over.
    /// - Returns: them.
    mutating func removeAll(of connection: ConnectionID) -> [Event] {
        let removed = events.filter { $0.connection == connection }
        for event in removed { remove(event) }
        return removed
    }

    // MARK: Passes

    /// - Returns: whether the caller has to run the pass; otherwise the one that goes on begins again.
    mutating func beginPass() -> Bool {
        defer { cursor = 0 }
        return cursor == nil
    }

    /// The next event of the pass; nil: it is over. The event stays in the queue until it is removed.
    mutating func next() -> Event? {
        guard let cursor, cursor < events.count else {
            self.cursor = nil
            return nil
        }
        self.cursor = cursor + 1
        return events[cursor]
    }

    /// - Returns: false if it is not there any more.
    @discardableResult
    mutating func remove(_ event: Event) -> Bool {
        guard let index = events.firstIndex(where: { $0.sequence == event.sequence }) else { return false }
        events.remove(at: index)
        bytes -= event.bytes
        if let cursor, index < cursor { self.cursor = cursor - 1 }
        return true
    }
}
