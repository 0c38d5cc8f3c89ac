import NEOEngine
import NEOProtocol
import NIOCore

/// A node as the simulated world sees it, whatever its core.
public class SimulatedNode {
    public let name: String
    public private(set) var index = 0
    /// Number of the current life of the process: what was scheduled for an earlier one is void.
    public internal(set) var life = 0
    public internal(set) var isUp = false
    /// The status with which the last life ended by itself.
    public internal(set) var exitStatus: Int32?

    /// Called once a life is over.
    var onDeath: (() -> Void)?

    private(set) unowned var world: Simulation!
    /// Difference between its clock and true time, in seconds.
    public var clockSkew = 0.0
    private var links: [ConnectionID: Link] = [:]
    private var decoders: [ConnectionID: FrameDecoder] = [:]
    private var lastIncoming: UInt32 = 0

    init(name: String) {
        self.name = name
    }

    func join(_ world: Simulation, index: Int, clockSkew: Double) {
        self.world = world
        self.index = index
        self.clockSkew = clockSkew
    }

    /// Begins a new life.
    public func start() {}

    /// Executes nothing for some time, as a process that the system does not run; what happens to it meanwhile waits.
    public func pause(for duration: UInt64) {}

    func deliver(_ event: NetworkEvent) {}

    /// What the network tells to a core, whatever its jobs.
    enum NetworkEvent {
        case accepted(ConnectionID, from: NodeAddress)
        case connected(ConnectionID)
        case connectFailed(ConnectionID, reason: String)
        case received(ConnectionID, Frame)
        case closed(ConnectionID, CloseReason)
    }

    /// The process dies: nothing that it had in memory is left.
    ///
    /// - Parameter ofMachine: so does its system: what was not synced is lost, and nobody is told.
    public func crash(ofMachine: Bool = false) {
        guard isUp else { return }
        world.log.write("\(world.now) \(name) crashes\(ofMachine ? " with its machine" : "")")
        die(ofMachine: ofMachine)
    }

    func die(ofMachine: Bool) {
        isUp = false
        life += 1
        world.vanish(self, isNoticed: !ofMachine)
        links = [:]
        decoders = [:]
        wanted = []
        onDeath?()
    }

    // MARK: Connections

    /// Connections asked for and neither open nor given up.
    private var wanted: Set<ConnectionID> = []

    func want(_ id: ConnectionID) { wanted.insert(id) }

    func wants(_ id: ConnectionID) -> Bool { wanted.contains(id) }

    func isLinked(_ id: ConnectionID) -> Bool { links[id] != nil }

    func nextIncoming() -> ConnectionID {
        lastIncoming += 1
        return ConnectionID(.incoming, lastIncoming)
    }

    func attach(_ link: Link, _ id: ConnectionID) {
        links[id] = link
        decoders[id] = FrameDecoder()
        decoders[id]?.receive(ByteBuffer(bytes: FrameDecoder.handshake))
    }

    func detach(_ id: ConnectionID, _ reason: CloseReason) {
        guard links.removeValue(forKey: id) != nil else { return }
        decoders[id] = nil
        deliver(.closed(id, reason))
    }

    func receive(_ bytes: ByteBuffer, _ id: ConnectionID) {
        guard links[id] != nil else { return }
        world.log.record(world.now, index, 1, bytes: bytes)
        decoders[id]?.receive(bytes)
        do {
            while links[id] != nil, let frame = try decoders[id]?.next() { deliver(.received(id, frame)) }
        } catch {
            let link = links[id]
            detach(id, .invalidInput(error))
            if let link { world.close(link, from: self, id, isFlushed: false) }
        }
    }

    func send(_ frame: Frame, _ id: ConnectionID) {
        guard let link = links[id] else { return }
        var bytes = ByteBuffer()
        frame.encode(into: &bytes)
        world.send(bytes, on: link, from: self, id)
    }

    func close(_ id: ConnectionID, isFlushed: Bool) {
        wanted.remove(id)
        guard let link = links.removeValue(forKey: id) else { return }
        decoders[id] = nil
        world.close(link, from: self, id, isFlushed: isFlushed)
    }

    func opened(_ id: ConnectionID) { wanted.remove(id) }
}
