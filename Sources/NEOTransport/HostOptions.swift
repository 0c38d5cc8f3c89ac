import NEOProtocol

/// The limits and the tuning of a host. The defaults suit servers.
public struct HostOptions: Sendable {
    /// The most bytes of output kept for one connection. A peer that leaves more unread is disconnected with
    /// ``CloseReason/limitExceeded(_:)``.
    public var maximumOutputBytes = 256 << 20
    /// While more than this number of bytes wait for a peer that connected to this node, nothing is read from it.
    public var pauseReadingAboveBytes = 1 << 20
    /// Reading goes on once less than this number of bytes wait.
    public var resumeReadingBelowBytes = 256 << 10
    /// How long to wait for a connection to be established.
    public var connectTimeoutMilliseconds: Int64 = 20_000
    /// How long a connection that is being closed may take to deliver what is queued, and the peer to close its side.
    public var closeTimeoutMilliseconds: Int64 = 60_000
    /// The same, once the whole node stops.
    public var exitTimeoutMilliseconds: Int64 = 3_000
    /// Connections that the system may hold before the node accepts them.
    public var backlog: Int32 = 1024
    /// How long jobs that nobody waits for are kept for the next ones.
    public var keptJobsMilliseconds: Int64 = 2
    /// Most jobs that are kept.
    public var keptJobs = 16
    /// How long the event loop looks for the next packet before it sleeps, while packets keep coming that soon and there
    /// are no jobs; 0: it does not look. It is for nodes that answer at once: where an answer needs other processes, or
    /// the writer, they need the processor more.
    public var busyPollingMicroseconds: UInt64 = 0
    /// Called on the event loop after a turn in which the masters that the node knows changed, with all of them.
    public var mastersChanged: (@Sendable ([NodeAddress]) -> Void)?
    /// What protects the connections; nil for plain TCP.
    public var security: (any ConnectionSecurity)?

    public init() {}
}
