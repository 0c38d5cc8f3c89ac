import Logging
import NEOEngine
import NEOProtocol
import NIOCore

/// Calls a core on an event loop, one event at a time, and carries out its effects. Everything happens on that loop.
///
/// ```
///  sockets ─┐                 ┌── run: core.handle(event), then its effects in order ──┐
///  timers  ─┼─▶ deliver(event)┤                                                        ├─▶ … ─▶ endTurn: one write and
///  jobs    ─┘                 └── events that come meanwhile wait in `waiting` ────────┘       flush a connection, one
///                                                                                             hand-over of the jobs
/// ```
///
/// While packets keep coming soon after each other and there are no jobs, the loop looks for the next one before it sleeps
/// (``BusyPolling``).
final class NodeDriver<Core: NodeCore> {
    enum Phase {
        case running
        /// Connections are being flushed, then the writer closed.
        case exiting(status: Int32)
        case over
    }

    let eventLoop: any EventLoop
    let options: HostOptions
    let logger: Logger
    var writer: JobWriter<Core.Job, Core.JobResult>?
    private let status: EventLoopPromise<Int32>

    private var core: Core
    private var context: CoreContext<Core.Job>
    private(set) var phase = Phase.running

    /// Whether the core runs or its output is being written: new events wait.
    private var isBusy = false
    private var waiting = CircularBuffer<Event<Core.JobResult>>()
    /// The effects being carried out; kept for its capacity.
    private var effects: [Effect<Core.Job>] = []
    /// Jobs that the writer does not have yet, in their order.
    private var submitted: [Core.Job] = []
    /// Whether somebody waits for one of them.
    private var mustSubmit = false
    /// Since when the first of them is kept.
    private var keptSince: NIODeadline?
    /// Looks at them when the time that they can be kept for is over. It is not started again for each of them.
    private var keepTimer: Scheduled<Void>?
    /// The connections that have something to write at the end of the turn.
    private var touched: [ConnectionHandler<Core>] = []
    private var timers: [TimerID: Scheduled<Void>] = [:]

    /// The connections that the core knows.
    var connections: [ConnectionID: ConnectionHandler<Core>] = [:]
    /// Those that it forgot and whose output is not all written.
    var closing: [ConnectionID: ConnectionHandler<Core>] = [:]
    var listeners: [any Channel] = []
    var lastIncoming: UInt32 = 0
    var complaints = ComplaintLimit()

    /// What ``HostOptions/mastersChanged`` was told last.
    private var toldMasters: [NodeAddress] = []

    private var polling: BusyPolling
    /// Nil: the loop never looks, it sleeps.
    let probe: ReadinessProbe?
    /// Since when there has been nothing to do; nil: there is.
    private var idleSince: UInt64?
    private var isLookPlanned = false
    private var isAsleep = false
    /// Jobs that did not complete, those that are kept included.
    private var pendingJobs = 0

    init(
        core: Core,
        logger: Logger,
        options: HostOptions,
        eventLoop: any EventLoop,
        status: EventLoopPromise<Int32>
    ) {
        self.core = core
        self.logger = logger
        self.options = options
        self.eventLoop = eventLoop
        self.status = status
        polling = BusyPolling(microseconds: options.busyPollingMicroseconds)
        probe = polling.limitNanoseconds > 0 ? ReadinessProbe() : nil
        var system = SystemRandomNumberGenerator()
        context = CoreContext(
            now: HostClock.now,
            wallTime: HostClock.wallTime,
            random: SplitMix64(seed: system.next())
        )
    }

    // MARK: Events

    func start() {
        isBusy = true
        readClocks()
        core.start(&context)
        carryOutEffects()
        isBusy = false
        endTurn()
    }

    func requestStop() {
        deliver(.stopRequested)
        endTurn()
    }

    func jobsCompleted(_ result: Result<[Core.JobResult], any Error>) {
        switch result {
        case .success(let results):
            pendingJobs -= results.count
            for result in results { deliver(.jobCompleted(result)) }
            endTurn()
        case .failure(let error):
            logger.critical("the database failed, the node exits: \(error)")
            end(status: HostExit.failure)
        }
    }

    /// Gives an event to the core, or keeps it until the core is free. To be followed by ``endTurn()``.
    func deliver(_ event: Event<Core.JobResult>) {
        guard !isBusy else {
            waiting.append(event)
            return
        }
        isBusy = true
        run(event)
        runWaiting()
        isBusy = false
    }

    /// Writes what the core sent since the last call, and hands its jobs over.
    func endTurn() {
        guard !isBusy else { return }
        isBusy = true
        repeat {
            runWaiting()
            let handlers = touched
            touched.removeAll(keepingCapacity: true)
            // Writing can find out that a connection is over, or read what it still holds: more events.
            for handler in handlers { handler.writeOutput() }
            submitJobs()
        } while !waiting.isEmpty || !touched.isEmpty
        isBusy = false
        if let mastersChanged = options.mastersChanged { tellMasters(mastersChanged) }
        becomeIdle()
    }

    private func tellMasters(_ mastersChanged: ([NodeAddress]) -> Void) {
        let masters = core.knownMasters
        guard masters != toldMasters else { return }
        toldMasters = masters
        mastersChanged(masters)
    }

    /// To be called once for a connection with something to write at the end of the turn.
    func touch(_ handler: ConnectionHandler<Core>) {
        touched.append(handler)
    }

    private func runWaiting() {
        while let event = waiting.popFirst() { run(event) }
    }

    private func run(_ event: Event<Core.JobResult>) {
        guard case .running = phase else { return }
        switch event {
        case .received(let id, _), .written(let id):
            // It may have been closed by the core while this event waited.
            guard connections[id] != nil else { return }
        case .closed(let id, _), .connectFailed(let id, reason: _):
            guard connections.removeValue(forKey: id) != nil else { return }
        default: break
        }
        readClocks()
        if let idleSince {
            self.idleSince = nil
            polling.came(afterNanoseconds: context.now.nanoseconds &- idleSince, isAsleep: isAsleep)
        }
        core.handle(event, &context)
        carryOutEffects()
    }

    private func readClocks() {
        context.now = HostClock.now
        context.wallTime = HostClock.wallTime
    }

    // MARK: Looking for the next event

    private func becomeIdle() {
        guard let probe, idleSince == nil, pendingJobs == 0, case .running = phase else { return }
        let now = HostClock.now.nanoseconds
        idleSince = now
        isAsleep = true
        guard !isLookPlanned, polling.deadline(at: now) != nil else { return }
        isLookPlanned = true
        // After what is to be done in this round of the loop, which then goes to sleep.
        eventLoop.assumeIsolated().execute { self.look(probe) }
    }

    /// Keeps the loop awake until there is a packet for it, or for as long as it may.
    private func look(_ probe: ReadinessProbe) {
        isLookPlanned = false
        let now = HostClock.now.nanoseconds
        guard idleSince != nil, case .running = phase, let deadline = polling.deadline(at: now) else { return }
        let look = BusyPolling.look(from: now, until: deadline) { probe.isReady }
        polling.looked(look)
        isAsleep = !look.hasCome
    }

    // MARK: Effects

    private func carryOutEffects() {
        swap(&effects, &context.effects)
        for effect in effects {
            carryOut(effect)
            guard case .running = phase else { break }
        }
        effects.removeAll(keepingCapacity: true)
    }

    private func carryOut(_ effect: Effect<Core.Job>) {
        switch effect {
        case .send(let id, let frame): connections[id]?.send(frame)
        case .notifyWhenWritten(let id): connections[id]?.notifyWhenWritten()
        case .submit(let job):
            submit(job)
            mustSubmit = true
        case .submitLater(let job): submit(job)
        case .hurry: mustSubmit = !submitted.isEmpty
        case .startTimer(let timer, let milliseconds): start(timer, milliseconds: milliseconds)
        case .cancelTimer(let timer): timers.removeValue(forKey: timer)?.cancel()
        case .close(let id): connections.removeValue(forKey: id)?.close()
        case .closeAfterFlush(let id): closeAfterFlush(id, timeoutMilliseconds: options.closeTimeoutMilliseconds)
        case .connect(let id, let address): connect(id, to: address)
        case .listen(let address): listen(at: address)
        case .log(let level, let message): logger.log(level: level.loggingLevel, "\(message)")
        case .exit(let status): end(status: status)
        }
    }

    private func start(_ timer: TimerID, milliseconds: UInt64) {
        /// Far enough to be for ever, and far from overflow.
        let longest: UInt64 = 100 * 365 * 24 * 3_600_000
        timers[timer]?.cancel()
        // From the time that the core saw, so that timers of one turn fire in the order of their durations.
        timers[timer] = eventLoop.assumeIsolated().scheduleTask(
            deadline: .uptimeNanoseconds(context.now.nanoseconds) + .milliseconds(Int64(min(milliseconds, longest)))
        ) { [weak self] in
            guard let self else { return }
            timers[timer] = nil
            deliver(.timerFired(timer))
            endTurn()
        }
    }

    private func submit(_ job: Core.Job) {
        submitted.append(job)
        pendingJobs += 1
    }

    /// Hands jobs over to the writer, unless all of them can wait for others.
    private func submitJobs() {
        guard !submitted.isEmpty else { return }
        guard mustSubmit || submitted.count >= options.keptJobs else {
            guard keptSince == nil else { return }
            let now = NIODeadline.now()
            keptSince = now
            if keepTimer == nil { startKeepTimer(now + .milliseconds(options.keptJobsMilliseconds)) }
            return
        }
        mustSubmit = false
        keptSince = nil
        writer?.submit(submitted)
        submitted.removeAll(keepingCapacity: true)
    }

    private func startKeepTimer(_ deadline: NIODeadline) {
        keepTimer = eventLoop.assumeIsolated().scheduleTask(deadline: deadline) { [self] in
            keepTimer = nil
            guard let keptSince else { return }
            let end = keptSince + .milliseconds(options.keptJobsMilliseconds)
            guard end <= NIODeadline.now() else { return startKeepTimer(end) }
            mustSubmit = true
            endTurn()
        }
    }

    func closeAfterFlush(_ id: ConnectionID, timeoutMilliseconds: Int64) {
        guard let handler = connections.removeValue(forKey: id) else { return }
        guard handler.isOpen else {
            handler.close()
            return
        }
        closing[id] = handler
        handler.closeAfterFlush(timeoutMilliseconds: timeoutMilliseconds)
    }

    // MARK: End

    /// Flushes and closes everything, performs the jobs that were submitted, then gives the status.
    func end(status: Int32) {
        guard case .running = phase else { return }
        phase = .exiting(status: status)
        for timer in timers.values { timer.cancel() }
        timers = [:]
        for listener in listeners { listener.close(promise: nil) }
        listeners = []
        keepTimer?.cancel()
        mustSubmit = true
        submitJobs()
        for id in connections.keys.sorted() {
            closeAfterFlush(id, timeoutMilliseconds: options.exitTimeoutMilliseconds)
        }
        for handler in closing.values { handler.closeAfterFlush(timeoutMilliseconds: options.exitTimeoutMilliseconds) }
        // After this turn, which may still have something to write.
        eventLoop.assumeIsolated().execute {
            self.endTurn()
            self.finishIfClosed()
        }
    }

    /// To be called when a connection that was closing is closed.
    func closed(_ handler: ConnectionHandler<Core>) {
        guard closing[handler.id] === handler else { return }
        closing[handler.id] = nil
        if case .exiting = phase { finishIfClosed() }
    }

    private func finishIfClosed() {
        guard case .exiting(let code) = phase, closing.isEmpty else { return }
        phase = .over
        let status = status
        guard let writer else { return status.succeed(code) }
        self.writer = nil
        writer.close { status.succeed(code) }
    }
}

extension LogLevel {
    var loggingLevel: Logger.Level {
        switch self {
        case .debug: .debug
        case .info: .info
        case .warning: .warning
        case .error: .error
        }
    }
}
