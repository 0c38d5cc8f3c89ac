import NEOEngine

/// A connection between two simulated nodes.
public final class Link {
    /// One end: where frames of the other one arrive.
    final class End {
        let node: SimulatedNode
        let id: ConnectionID
        /// Frames never overtake each other.
        var lastArrival: UInt64 = 0
        /// Incremented when what is on its way is lost.
        var epoch = 0
        /// The node closed it, or was told that it is closed.
        var isClosed = false

        init(node: SimulatedNode, id: ConnectionID) {
            self.node = node
            self.id = id
        }
    }

    let near: End
    let far: End
    var isOver = false

    init(near: End, far: End) {
        self.near = near
        self.far = far
    }

    func joins(_ node: SimulatedNode) -> Bool { near.node === node || far.node === node }

    func end(of id: ConnectionID, _ node: SimulatedNode) -> End { near.node === node && near.id == id ? near : far }

    func opposite(of id: ConnectionID, _ node: SimulatedNode) -> End {
        near.node === node && near.id == id ? far : near
    }
}
