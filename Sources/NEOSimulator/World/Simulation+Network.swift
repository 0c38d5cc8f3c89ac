import DequeModule
import NEOEngine
import NEOProtocol
import NIOCore

/// Two nodes, whichever comes first.
struct Cut: Hashable {
    let low: Int
    let high: Int

    init(_ first: SimulatedNode, _ second: SimulatedNode) {
        low = min(first.index, second.index)
        high = max(first.index, second.index)
    }
}

/// The network: connections that keep the order of what is sent, until they break.
extension Simulation {
    /// How long a node waits for a connection that does not come about.
    private static let connectTimeout: UInt64 = 5_000_000_000
    private static let connectRetry: UInt64 = 500_000_000

    func connect(_ node: SimulatedNode, _ id: ConnectionID, to address: NodeAddress) {
        connect(node, id, to: address, life: node.life, deadline: now + Self.connectTimeout)
    }

    private func connect(
        _ node: SimulatedNode,
        _ id: ConnectionID,
        to address: NodeAddress,
        life: Int,
        deadline: UInt64
    ) {
        schedule(after: latency()) { [self] in
            guard node.life == life, node.wants(id) else { return }
            guard let listener = listeners[address], listener.isUp else {
                node.deliver(.connectFailed(id, reason: "connection refused"))
                return
            }
            if cuts.contains(Cut(node, listener)) {
                guard now < deadline else {
                    node.deliver(.connectFailed(id, reason: "connection timed out"))
                    return
                }
                schedule(after: Self.connectRetry) { [self] in
                    connect(node, id, to: address, life: life, deadline: deadline)
                }
                return
            }
            let link = Link(
                near: Link.End(node: node, id: id),
                far: Link.End(node: listener, id: listener.nextIncoming())
            )
            links.append(link)
            node.attach(link, id)
            listener.attach(link, link.far.id)
            listener.deliver(.accepted(link.far.id, from: NodeAddress(host: "10.1.0.\(node.index)", port: 1)))
            if !link.near.isClosed { node.deliver(.connected(id)) }
        }
    }

    // MARK: Transmission

    /// Sends encoded frames, in order with those sent before from the same end.
    func send(_ bytes: ByteBuffer, on link: Link, from node: SimulatedNode, _ id: ConnectionID) {
        let destination = link.opposite(of: link.end(of: id, node))
        guard !destination.isClosed else { return }
        if bytes.readableBytes > 1, happens(onceIn: settings.splitFrameEvery) {
            let length = Int(draw(1...UInt64(bytes.readableBytes - 1)))
            var rest = bytes
            guard let head = rest.readSlice(length: length) else { return }
            transmit(.bytes(head), on: link, to: destination)
            transmit(.bytes(rest), on: link, to: destination)
        } else {
            transmit(.bytes(bytes), on: link, to: destination)
        }
    }

    private func transmit(_ delivery: Link.Delivery, on link: Link, to destination: Link.End) {
        var delay = latency()
        if happens(onceIn: settings.lateFrameEvery) { delay += draw(settings.lateness) }
        let time = max(now + delay, destination.lastArrival + 1)
        destination.lastArrival = time
        destination.deliveries.append((time, delivery))
        schedule(at: time) { [self] in deliver(on: link, to: destination) }
    }

    /// Hands over what arrived, unless something is in its way: then it is tried again once that is over.
    private func deliver(on link: Link, to end: Link.End) {
        while !end.isClosed, let first = end.deliveries.first, first.time <= now {
            let other = link.opposite(of: end)
            if cuts.contains(Cut(end.node, other.node)) { return }
            guard end.stalledUntil <= now else {
                schedule(at: end.stalledUntil) { [self] in deliver(on: link, to: end) }
                return
            }
            end.deliveries.removeFirst()
            switch first.delivery {
            case .bytes(let bytes): end.node.receive(bytes, end.id)
            case .closure(let reason): lose(end, of: link, reason)
            }
        }
    }

    // MARK: Ends of connections

    /// Ends a link from one end: what it sent before arrives, if `isFlushed`, then the other end sees the closure.
    func close(_ link: Link, from node: SimulatedNode, _ id: ConnectionID, isFlushed: Bool) {
        end(link, at: link.end(of: id, node), isFlushed: isFlushed, reason: .closedByPeer)
    }

    private func end(_ link: Link, at end: Link.End, isFlushed: Bool, reason: CloseReason) {
        end.isClosed = true
        end.deliveries = []
        let other = link.opposite(of: end)
        if other.isClosed {
            links.removeAll { $0 === link }
        } else {
            if !isFlushed { dropSome(of: other) }
            transmit(.closure(reason), on: link, to: other)
        }
    }

    /// What is on its way is lost from some point on.
    private func dropSome(of end: Link.End) {
        let count = end.deliveries.count
        guard count > 0 else { return }
        end.keep(first: Int(draw(0...UInt64(count))))
    }

    /// The node of an end is told that its connection is over.
    private func lose(_ end: Link.End, of link: Link, _ reason: CloseReason) {
        end.isClosed = true
        end.deliveries = []
        if link.isOver { links.removeAll { $0 === link } }
        end.node.detach(end.id, reason)
    }

    /// Breaks a link: both ends see it, after a part of what was on its way to them.
    public func reset(_ link: Link) {
        for end in link.ends where !end.isClosed {
            dropSome(of: end)
            // In the middle of a frame, if there is one.
            if case .bytes(var bytes)? = end.deliveries.last?.delivery, bytes.readableBytes > 1 {
                let length = Int(draw(1...UInt64(bytes.readableBytes)))
                if let head = bytes.readSlice(length: length) {
                    end.deliveries[end.deliveries.count - 1].delivery = .bytes(head)
                }
            }
            transmit(.closure(.failed("connection reset")), on: link, to: end)
        }
    }

    /// A node is gone.
    ///
    /// - Parameter isNoticed: its system tells those that it was connected to; otherwise they find out by themselves.
    func vanish(_ node: SimulatedNode, isNoticed: Bool) {
        for address in listeners.keys where listeners[address] === node { listeners[address] = nil }
        for link in links where link.joins(node) {
            let own = link.near.node === node ? link.near : link.far
            guard !own.isClosed else { continue }
            let other = link.opposite(of: own)
            own.isClosed = true
            own.deliveries = []
            guard !other.isClosed else {
                links.removeAll { $0 === link }
                continue
            }
            dropSome(of: other)
            if isNoticed {
                transmit(.closure(.failed("connection reset")), on: link, to: other)
            } else {
                schedule(after: draw(settings.silence)) { [self] in
                    if !other.isClosed { lose(other, of: link, .failed("connection timed out")) }
                }
            }
        }
    }

    // MARK: Faults

    /// Links between nodes that are up.
    var openLinks: [Link] { links.filter { !$0.near.isClosed && !$0.far.isClosed } }

    /// Nothing comes through in one direction for some time; the sender may give up before.
    func stall(_ end: Link.End, of link: Link, for duration: UInt64) {
        end.stalledUntil = max(end.stalledUntil, now + duration)
        let patience = draw(settings.silence)
        guard patience < duration else { return }
        let sender = link.opposite(of: end)
        schedule(after: patience) { [self] in
            guard !sender.isClosed, end.stalledUntil > now else { return }
            giveUp(sender, of: link)
        }
    }

    func releaseStalledLinks() {
        for link in links {
            for end in link.ends where end.stalledUntil > now {
                end.stalledUntil = now
                schedule(after: latency()) { [self] in deliver(on: link, to: end) }
            }
        }
    }

    /// Nothing comes through between two groups of nodes until ``heal(_:)``.
    func cut(_ cuts: Set<Cut>) {
        self.cuts.formUnion(cuts)
        for link in links where cuts.contains(Cut(link.near.node, link.far.node)) {
            for end in link.ends {
                schedule(after: draw(settings.silence)) { [self] in
                    guard !end.isClosed, self.cuts.contains(Cut(link.near.node, link.far.node)) else { return }
                    giveUp(end, of: link)
                }
            }
        }
    }

    func heal(_ cuts: Set<Cut>) {
        self.cuts.subtract(cuts)
        for link in links where cuts.contains(Cut(link.near.node, link.far.node)) {
            for end in link.ends { schedule(after: latency()) { [self] in deliver(on: link, to: end) } }
        }
    }

    /// The system of one end does not believe in a connection any more: its node is told, the other one later.
    private func giveUp(_ end: Link.End, of link: Link) {
        self.end(link, at: end, isFlushed: false, reason: .failed("connection reset"))
        end.node.detach(end.id, .failed("connection timed out"))
    }

    func latency() -> UInt64 { draw(settings.latency) }
}
