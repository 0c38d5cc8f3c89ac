import NEOEngine
import NEOProtocol
import Testing

@testable import NEOStorage

/// The order of retries (`spec/storage.md §8`).
@Suite struct DelayedQueueTests {
    static let connection = ConnectionID(.incoming, 1)

    static func queue(_ keys: [UInt64]) -> DelayedQueue<Int> {
        var queue = DelayedQueue<Int>()
        for (number, key) in keys.enumerated() {
            queue.append(
                number,
                from: connection,
                UInt32(number),
                key: TID(key),
                bytes: 10,
                received: Instant(nanoseconds: 0)
            )
        }
        return queue
    }

    @Test("Events are in the order of their keys, then of their arrival")
    func order() {
        #expect(Self.queue([3, 1, 2, 1, 3]).events.map(\.packet) == [1, 3, 2, 0, 4])
    }

    @Test("A pass that is asked for during another one makes it begin again after the event")
    func restart() {
        var queue = Self.queue([1, 2, 3])
        var visited: [Int] = []
        let isFirst = queue.beginPass()
        #expect(isFirst)
        while let event = queue.next() {
            visited.append(event.packet)
            if event.packet == 1, queue.count == 3 {
                let isFirst = queue.beginPass()
                #expect(!isFirst)
                queue.remove(event)
            }
        }
        #expect(visited == [0, 1, 0, 2])
        #expect(queue.bytes == 20)
    }

    @Test("A connection that is lost during a pass takes its events along")
    func removal() {
        var queue = Self.queue([1, 2])
        queue.append(
            9,
            from: ConnectionID(.incoming, 2),
            0,
            key: TID(3),
            received: Instant(nanoseconds: 0)
        )
        var visited: [Int] = []
        let isFirst = queue.beginPass()
        #expect(isFirst)
        while let event = queue.next() {
            visited.append(event.packet)
            guard event.packet == 0 else { continue }
            let removed = queue.removeAll(of: Self.connection)
            let isThere = queue.remove(event)
            #expect(removed.count == 2)
            #expect(!isThere)
        }
        #expect(visited == [0, 9])
        #expect(queue.bytes == 0)
    }
}
