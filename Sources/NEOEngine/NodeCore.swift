import NEOProtocol

/// A node without I/O: a state machine that is given events one at a time and asks for effects.
///
/// The host guarantees that calls never overlap. It carries out the effects of a call, in their order, before it
/// gives the next event. A core reads no clock, no random source, no file and no socket: all that gets in is the event
/// and the ``CoreContext``, so that the sequence of events replays a node exactly.
public protocol NodeCore {
    /// Work for the database of the node; `Never` for a node that has none.
    associatedtype Job: Sendable
    /// What a job gives back.
    associatedtype JobResult: Sendable

    /// Called once, before any event.
    mutating func start(_ context: inout CoreContext<Job>)

    mutating func handle(_ event: Event<JobResult>, _ context: inout CoreContext<Job>)

    /// The masters known now, for the file that remembers them (`spec/tools.md §5.4`).
    var knownMasters: [NodeAddress] { get }
}

extension NodeCore {
    public var knownMasters: [NodeAddress] { [] }
}

/// What happens to a node.
public enum Event<JobResult: Sendable>: Sendable {
    /// The node listens: the address that was bound, with the real port. The answer to ``Effect/listen(_:)``.
    case listening(NodeAddress)
    /// A peer connected. Its handshake may not have come yet.
    case accepted(ConnectionID, from: NodeAddress)
    /// A connection that this node asked for is open. Frames can be sent.
    case connected(ConnectionID)
    /// A connection that this node asked for could not be opened. It is over.
    case connectFailed(ConnectionID, reason: String)
    /// A frame arrived.
    case received(ConnectionID, Frame)
    /// The connection is over, by the peer or by an error; all that had arrived was given before. It is not sent for a
    /// connection that the core closed.
    case closed(ConnectionID, CloseReason)
    /// All that was sent before ``Effect/notifyWhenWritten(_:)`` was given to the network.
    case written(ConnectionID)
    /// A timer that was started fired, once.
    case timerFired(TimerID)
    /// A job is over. Jobs of one node complete in the order in which they were submitted.
    case jobCompleted(JobResult)
    /// The process was asked to stop (SIGTERM, SIGINT): leave in good order, then ``Effect/exit(status:)``.
    case stopRequested
}

/// Why a connection ended.
public enum CloseReason: Hashable, Sendable, CustomStringConvertible {
    case closedByPeer
    /// The bytes received are not those of the protocol.
    case invalidInput(FrameDecoder.Failure)
    /// The peer does not read what is sent to it, or sends more than is accepted.
    case limitExceeded(String)
    case failed(String)

    public var description: String {
        switch self {
        case .closedByPeer: "closed by peer"
        case .invalidInput(let failure): "\(failure)"
        case .limitExceeded(let detail): "limit exceeded: \(detail)"
        case .failed(let detail): detail
        }
    }
}

/// What a core asks its host to do.
public enum Effect<Job: Sendable>: Sendable {
    /// Listen at an address. Port 0: the system chooses. If that fails the host ends the node with an error.
    case listen(NodeAddress)
    /// Open a connection: ends in ``Event/connected(_:)`` or ``Event/connectFailed(_:reason:)``.
    case connect(ConnectionID, NodeAddress)
    /// Queue a frame. Ignored if the connection is over.
    case send(ConnectionID, Frame)
    /// Tell, by ``Event/written(_:)``, when what was sent so far does not take memory any more: for a core that has much
    /// to send and must not do so faster than its peer reads. Nothing is told if the connection is over before.
    case notifyWhenWritten(ConnectionID)
    /// Drop what is queued and close at once.
    case close(ConnectionID)
    /// Read nothing more, close once all that is queued was written.
    case closeAfterFlush(ConnectionID)
    case startTimer(TimerID, milliseconds: UInt64)
    case cancelTimer(TimerID)
    /// Have the database do something. Jobs are applied in the order in which they were submitted.
    case submit(Job)
    /// The same for a job that nobody waits for: it may be kept for a moment, to be performed together with later ones.
    case submitLater(Job)
    /// Have what was kept performed now: somebody waits for it after all.
    case hurry
    case log(LogLevel, String)
    /// Flush and close everything, then end the process.
    case exit(status: Int32)
}

public enum LogLevel: UInt8, Hashable, Sendable {
    case debug
    case info
    case warning
    case error
}
