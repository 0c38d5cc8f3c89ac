import Logging
import NEOEngine
import NIOCore
import NIOPosix

/// Runs a core: sockets, timers, signals and a database around a state machine.
///
/// ```swift
/// let host = NodeHost(core: core, executor: writer, logger: logger)
/// exit(host.run())
/// ```
///
/// A host has one event loop thread, which calls the core, and, if the core has jobs, one thread that performs them. Any
/// number of hosts can run in a process.
public final class NodeHost<Core: NodeCore & SendableMetatype>: Sendable {
    private let group: MultiThreadedEventLoopGroup
    private let eventLoop: any EventLoop
    private let driver: NIOLoopBoundBox<NodeDriver<Core>>
    private let status: EventLoopFuture<Int32>

    /// - Parameters:
    ///   - executor: performs the jobs of the core, in a thread of its own.
    ///   - logger: gets what the core logs, and what the host has to say about connections.
    public convenience init(
        core: sending Core,
        executor: sending any JobExecutor<Core.Job, Core.JobResult>,
        logger: Logger,
        options: HostOptions = HostOptions()
    ) {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let eventLoop = group.next()
        let status = eventLoop.makePromise(of: Int32.self)
        let driver = NodeDriver(core: core, logger: logger, options: options, eventLoop: eventLoop, status: status)
        let box = NIOLoopBoundBox.makeBoxSendingValue(driver, eventLoop: eventLoop)
        let writer = JobWriter(executor: executor) { result in
            eventLoop.execute { box.value.jobsCompleted(result) }
        }
        self.init(group: group, eventLoop: eventLoop, driver: box, status: status.futureResult)
        eventLoop.execute { box.value.writer = writer }
    }

    /// A core without jobs.
    public convenience init(
        core: sending Core,
        logger: Logger,
        options: HostOptions = HostOptions()
    ) where Core.Job == Never {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let eventLoop = group.next()
        let status = eventLoop.makePromise(of: Int32.self)
        let driver = NodeDriver(core: core, logger: logger, options: options, eventLoop: eventLoop, status: status)
        let box = NIOLoopBoundBox.makeBoxSendingValue(driver, eventLoop: eventLoop)
        self.init(group: group, eventLoop: eventLoop, driver: box, status: status.futureResult)
    }

    private init(
        group: MultiThreadedEventLoopGroup,
        eventLoop: any EventLoop,
        driver: NIOLoopBoundBox<NodeDriver<Core>>,
        status: EventLoopFuture<Int32>
    ) {
        self.group = group
        self.eventLoop = eventLoop
        self.driver = driver
        self.status = status
    }

    /// Runs the node until its core exits, or a later SIGTERM or SIGINT ends the process. For a process that is this node.
    /// - Returns: the status to exit with.
    public func run() -> Int32 {
        let signals = ProcessSignals { self.requestStop() }
        defer { signals.cancel() }
        start()
        return wait()
    }

    /// Starts the core. Signals are left alone.
    public func start() {
        eventLoop.execute { [driver] in driver.value.start() }
    }

    /// Gives ``Event/stopRequested`` to the core.
    public func requestStop() {
        eventLoop.execute { [driver] in driver.value.requestStop() }
    }

    /// Ends the node without asking its core, as if it had exited with `status`.
    public func end(status: Int32 = 0) {
        eventLoop.execute { [driver] in driver.value.end(status: status) }
    }

    /// Waits, blocking the thread, until the node is over.
    public func wait() -> Int32 {
        let status = (try? self.status.wait()) ?? HostExit.failure
        try? group.syncShutdownGracefully()
        return status
    }

    /// Waits until the node is over.
    public func waitUntilOver() async -> Int32 {
        let status = (try? await self.status.get()) ?? HostExit.failure
        try? await group.shutdownGracefully()
        return status
    }

    /// Asks the core to stop and waits until it did.
    public func stop() async -> Int32 {
        requestStop()
        return await waitUntilOver()
    }
}

/// Statuses with which a host itself ends a node.
public enum HostExit {
    /// Listening or the database failed.
    public static let failure: Int32 = 1
}
