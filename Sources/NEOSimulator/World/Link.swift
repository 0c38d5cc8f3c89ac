import DequeModule
import NEOEngine
import NIOCore

/// A connection between two simulated nodes.
public final class Link {
    /// What is on its way to an end.
    enum Delivery {
        case bytes(ByteBuffer)
        case closure(CloseReason)
    }

    /// One end: where what the other one sends arrives, in order.
    final class End {
        /// Of the world, and holds the link.
        unowned let node: SimulatedNode
        let id: ConnectionID
        /// On its way, the first to arrive first.
        var deliveries: Deque<(time: UInt64, delivery: Delivery)> = []
        /// Nothing overtakes.
        var lastArrival: UInt64 = 0
        /// Nothing arrives before.
        var stalledUntil: UInt64 = 0
        /// The node closed it, or was told that it is closed.
        var isClosed = false

        init(node: SimulatedNode, id: ConnectionID) {
            self.node = node
            self.id = id
        }

        /// Loses all but the first `count` deliveries.
        func keep(first count: Int) {
            if deliveries.count > count { deliveries.removeLast(deliveries.count - count) }
        }
    }

    let near: End
    let far: End

    init(near: End, far: End) {
        self.near = near
        self.far = far
    }

    var ends: [End] { [near, far] }

    var isOver: Bool { near.isClosed && far.isClosed }

    func joins(_ node: SimulatedNode) -> Bool { near.node === node || far.node === node }

    func end(of id: ConnectionID, _ node: SimulatedNode) -> End { near.node === node && near.id == id ? near : far }

    func opposite(of end: End) -> End { end === near ? far : near }
}
