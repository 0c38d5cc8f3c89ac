import DequeModule
import NEOEngine
import NEOProtocol
import NIOCore
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Why a call of a ``BlockingHost`` had no result from the core.
public enum BlockingCallError: Error, Hashable, Sendable {
    case closed
    case forked
    case interrupted
}

/// Runs a ``CallableCore`` for the threads of a program that wait for its answers.
///
/// *Leader and followers*: a thread that must wait becomes the leader if there is none. It polls the sockets, gives what
/// arrives to the core, and hands their results to the other waiting threads; so the answer to a lone caller needs no
/// other thread. It looks for an answer for a moment before it sleeps, while answers keep coming that soon
/// (``BusyPolling``). A background thread leads only while nobody else does: it looks every few milliseconds whether the
/// program is idle, and sleeps until something arrives then.
///
/// Deliveries and log messages are given to the program without any lock held; the core orders deliveries.
///
/// Sendable: everything that changes is used under `lock`, except the atomics.
public final class BlockingHost<Core: CallableCore & SendableMetatype>: @unchecked Sendable {
    /// A thread that waits for an operation.
    private final class Waiter {
        let condition = BlockingCondition()
        var isAnsweredAtOnce = false
        var result: Core.OperationResult?
        var isParked = false
    }

    private enum Leader: Hashable {
        case none
        case caller
        case background
    }

    /// How often the background thread looks whether the program is idle.
    private static var graceMilliseconds: UInt64 { 8 }
    private static var interruptionNanoseconds: UInt64 { 100_000_000 }
    private static var maximumLogCount: Int { 1000 }

    private let lock = BlockingLock()
    private var core: Core
    private var random: SplitMix64
    private var sockets: [ConnectionID: BlockingSocket] = [:]
    /// Connections with something to write since the turn began.
    private var written: [ConnectionID] = []
    private var timers: [TimerID: UInt64] = [:]
    private var events: Deque<Event<Never>> = []

    private var waiters: [OperationID: Waiter] = [:]
    private var freeWaiters: [Waiter] = []
    private var lastOperation: UInt64 = 0

    private var leader = Leader.none
    /// Changes with each leader, so that one that was replaced knows it.
    private var leadership: UInt64 = 0
    private var isLeaderPolling = false
    private var polling: BusyPolling
    /// Who waits for a result while it leads.
    private var leadingWaiter: Waiter?
    private let callerWake: WakePipe
    private let backgroundWake: WakePipe

    private var deliveringThread: pthread_t?
    private let deliveryEnded = BlockingCondition()
    private var logs: [(LogLevel, String)] = []
    private let deliver: @Sendable (Core.Delivery) -> Void
    private let log: @Sendable (LogLevel, String) -> Void
    private let mastersChanged: (@Sendable ([NodeAddress]) -> Void)?
    /// What `mastersChanged` was told last, or is about to be told.
    private var toldMasters: [NodeAddress] = []
    private var mustTellMasters = false
    private var isTellingMasters = false

    private var isClosed = false
    private let backgroundCondition = BlockingCondition()
    private var backgroundThread: pthread_t?
    private let forkGeneration = ForkGeneration.current
    private let published: Atomic<UInt64>

    /// - Parameters:
    ///   - busyPollingMicroseconds: how long a waiting thread may look for an answer before it sleeps.
    ///   - deliver: tells the program a delivery; never called by two threads at once.
    ///   - log: called by any thread.
    ///   - mastersChanged: told the masters that the core knows, at the first call and when there are others; never called
    ///     by two threads at once.
    public init(
        core: Core,
        seed: UInt64,
        busyPollingMicroseconds: UInt64 = 100,
        deliver: @escaping @Sendable (Core.Delivery) -> Void,
        log: @escaping @Sendable (LogLevel, String) -> Void,
        mastersChanged: (@Sendable ([NodeAddress]) -> Void)? = nil
    ) throws {
        self.core = core
        self.random = SplitMix64(seed: seed)
        self.deliver = deliver
        self.log = log
        self.mastersChanged = mastersChanged
        self.published = Atomic(core.publishedValue)
        polling = BusyPolling(microseconds: busyPollingMicroseconds)
        callerWake = try WakePipe()
        backgroundWake = try WakePipe()
        turn { core, context in core.start(&context) }
    }

    // MARK: Calls

    /// ``CallableCore/publishedValue`` as of the last change: takes no lock.
    public var publishedValue: UInt64 { published.load(ordering: .acquiring) }

    /// Whether the calling thread is telling the program a delivery.
    public var isDelivering: Bool {
        lock.lock()
        defer { lock.unlock() }
        return deliveringThread.map { pthread_equal($0, pthread_self()) != 0 } ?? false
    }

    /// Whether the process is a child of the one that made this host.
    public var isForked: Bool { forkGeneration != ForkGeneration.current }

    private func check() throws(BlockingCallError) {
        if isForked { throw .forked }
    }

    /// Looks at the core, without any effect outside of it.
    public func withCore<Value>(_ body: (inout Core) -> Value) -> Result<Value, BlockingCallError> {
        if isForked { return .failure(.forked) }
        lock.lock()
        defer { lock.unlock() }
        return isClosed ? .failure(.closed) : .success(body(&core))
    }

    /// Has the core do something that nobody waits for.
    public func perform(_ body: (inout Core, inout CoreContext<Never>) -> Void) throws(BlockingCallError) {
        try check()
        lock.lock()
        guard !isClosed else {
            lock.unlock()
            throw .closed
        }
        startBackground()
        turn(body)
        unlockAndLog()
    }

    /// Starts an operation and waits for its result.
    /// - Parameters:
    ///   - isAnsweredAtOnce: one peer answers, without any disk or other peer: the thread may look for the answer before it
    ///     sleeps.
    ///   - interrupted: called about every 100 ms, without any lock; true: the call gives up.
    public func call(
        isAnsweredAtOnce: Bool = false,
        interrupted: (() -> Bool)? = nil,
        _ start: (inout Core, OperationID, inout CoreContext<Never>) -> Void
    ) -> Result<Core.OperationResult, BlockingCallError> {
        if isForked { return .failure(.forked) }
        lock.lock()
        guard !isClosed else {
            lock.unlock()
            return .failure(.closed)
        }
        startBackground()
        lastOperation += 1
        let operation = OperationID(lastOperation)
        let waiter = freeWaiters.popLast() ?? Waiter()
        waiter.isAnsweredAtOnce = isAnsweredAtOnce
        waiters[operation] = waiter
        turn { core, context in start(&core, operation, &context) }
        let result = wait(for: waiter, interrupted)
        waiters[operation] = nil
        waiter.result = nil
        waiter.isParked = false
        if freeWaiters.count < 64 { freeWaiters.append(waiter) }
        handOver()
        unlockAndLog()
        return result.map { .success($0) } ?? .failure(isClosed ? .closed : .interrupted)
    }

    private func wait(for waiter: Waiter, _ interrupted: (() -> Bool)?) -> Core.OperationResult? {
        var nextCheck = interrupted == nil ? UInt64.max : BlockingClock.now() &+ Self.interruptionNanoseconds
        while true {
            if let result = waiter.result { return result }
            if isClosed { return nil }
            if deliverNext() { continue }
            let now = BlockingClock.now()
            if let interrupted, now >= nextCheck {
                handOver()
                lock.unlock()
                let mustEnd = interrupted()
                lock.lock()
                if mustEnd { return waiter.result }
                nextCheck = now &+ Self.interruptionNanoseconds
                continue
            }
            let remaining = min(nextCheck &- now, 1_000_000_000) / 1_000_000 + 1
            if leader != .caller {
                leadingWaiter = waiter
                lead(as: .caller, milliseconds: interrupted == nil ? nil : remaining)
                leadingWaiter = nil
            } else {
                waiter.isParked = true
                waiter.condition.wait(lock, milliseconds: remaining)
                waiter.isParked = false
            }
        }
    }

    /// Has another waiting thread take the lead, if nobody has it, and tell what is to be delivered.
    private func handOver() {
        if leader == .none {
            waiters.values.first { $0.isParked && $0.result == nil }?.condition.signal()
        } else if deliveringThread == nil, core.nextDelivery != nil {
            wakeLeader()
        }
    }

    private func unlockAndLog() {
        if mustTellMasters { tellMasters() }
        guard !logs.isEmpty else { return lock.unlock() }
        let messages = logs
        logs = []
        lock.unlock()
        for (level, message) in messages { log(level, message) }
    }

    /// Under the lock, but while it tells.
    private func tellMasters() {
        guard let mastersChanged, !isTellingMasters else { return }
        isTellingMasters = true
        while mustTellMasters, !isForked {
            mustTellMasters = false
            let masters = toldMasters
            lock.unlock()
            mastersChanged(masters)
            lock.lock()
        }
        isTellingMasters = false
    }

    // MARK: Turns

    /// Lets the core do something, then carries out all that follows from it. Under the lock.
    private func turn(_ body: (inout Core, inout CoreContext<Never>) -> Void) {
        var context = CoreContext<Never>(
            now: Instant(nanoseconds: BlockingClock.now()),
            wallTime: BlockingClock.wallTime(),
            random: random
        )
        body(&core, &context)
        while true {
            for effect in context.effects { carryOut(effect, now: context.now.nanoseconds) }
            context.effects.removeAll(keepingCapacity: true)
            guard let event = events.popFirst() else { break }
            core.handle(event, &context)
        }
        random = context.random
        for id in written { flush(id) }
        written.removeAll(keepingCapacity: true)
        for completion in core.takeCompletions() {
            guard let waiter = waiters[completion.operation] else { continue }
            waiter.result = completion.result
            // One that leads may wait for the sockets while another thread delivers what ends its operation.
            if waiter.isParked { waiter.condition.signal() } else if waiter === leadingWaiter { wakeLeader() }
        }
        published.store(core.publishedValue, ordering: .releasing)
        guard mastersChanged != nil, core.knownMasters != toldMasters else { return }
        toldMasters = core.knownMasters
        mustTellMasters = true
    }

    private func carryOut(_ effect: Effect<Never>, now: UInt64) {
        switch effect {
        case .connect(let id, let address):
            do throws(SocketError) {
                sockets[id] = try BlockingSocket(connectingTo: address, now: now)
                wakeLeader()
            } catch {
                events.append(.connectFailed(id, reason: error.description))
            }
        case .send(let id, let frame):
            guard sockets[id] != nil else { return }
            if sockets[id]?.output.readableBytes == 0 { written.append(id) }
            sockets[id]?.encode(frame)
        case .close(let id): remove(id)
        case .closeAfterFlush(let id):
            guard sockets[id] != nil else { return }
            if written.contains(id) || sockets[id]?.output.readableBytes == 0 { flush(id) }
            if sockets[id]?.output.readableBytes == 0 { remove(id) } else { sockets[id]?.state = .flushing }
        case .startTimer(let timer, let milliseconds):
            timers[timer] = now &+ milliseconds &* 1_000_000
            wakeLeader()
        case .cancelTimer(let timer): timers[timer] = nil
        case .log(let level, let message):
            if logs.count < Self.maximumLogCount { logs.append((level, message)) }
        // A client does not ask for it.
        case .notifyWhenWritten, .hurry: break
        case .listen, .exit: break
        }
    }

    private func flush(_ id: ConnectionID) {
        guard sockets[id] != nil else { return }
        sockets[id]?.flush()
        // What is left is for the leader to write: it must wait for room.
        if sockets[id]?.output.readableBytes != 0 { wakeLeader() }
    }

    private func remove(_ id: ConnectionID) {
        guard let socket = sockets.removeValue(forKey: id) else { return }
        _ = BlockingSocket.close(socket.descriptor)
    }

    // MARK: Leading

    private func wakeLeader() {
        guard isLeaderPolling else { return }
        switch leader {
        case .caller: callerWake.wake()
        case .background: backgroundWake.wake()
        case .none: break
        }
    }

    /// Waits once for the sockets and the timers, and processes what happened. Under the lock, but while it waits.
    private func lead(as role: Leader, milliseconds: UInt64?) {
        if leader == .background { backgroundWake.wake() }
        leader = role
        leadership &+= 1
        let mine = leadership
        let wake = role == .caller ? callerWake : backgroundWake
        let ids = Array(sockets.keys)
        var descriptors = [pollfd(fd: wake.reader, events: Int16(POLLIN), revents: 0)]
        descriptors.reserveCapacity(ids.count + 1)
        let now = BlockingClock.now()
        var deadline = milliseconds.map { now &+ $0 &* 1_000_000 } ?? .max
        for id in ids {
            guard let socket = sockets[id] else { continue }
            descriptors.append(pollfd(fd: socket.descriptor, events: socket.pollEvents, revents: 0))
            if case .connecting(let limit) = socket.state { deadline = min(deadline, limit) }
        }
        for limit in timers.values { deadline = min(deadline, limit) }
        let wait: Int32 =
            deadline == .max
            ? -1 : deadline <= now ? 0 : Int32(clamping: (deadline &- now &+ 999_999) / 1_000_000)
        isLeaderPolling = true
        let mayLook = leadingWaiter?.isAnsweredAtOnce ?? false
        let limit = mayLook && wait != 0 ? polling.deadline(at: now) : nil
        lock.unlock()
        var count: Int32 = 0
        let look = limit.map { limit in
            BusyPolling.look(from: now, until: limit) {
                count = poll(&descriptors, nfds_t(descriptors.count), 0)
                return count != 0
            }
        }
        let isAsleep = count == 0
        if isAsleep { count = poll(&descriptors, nfds_t(descriptors.count), wait) }
        lock.lock()
        if let look { polling.looked(look) }
        if mayLook, count > 0 { polling.came(afterNanoseconds: BlockingClock.now() &- now, isAsleep: isAsleep) }
        if descriptors[0].revents != 0 { wake.clear() }
        // Another thread took over meanwhile: what arrived is for it.
        guard leadership == mine else { return }
        isLeaderPolling = false
        leader = .none
        guard !isClosed else { return }
        if count > 0 {
            for (index, id) in ids.enumerated() where descriptors[index + 1].revents != 0 {
                ready(id, descriptors[index + 1])
            }
        }
        fireTimers()
    }

    private func ready(_ id: ConnectionID, _ polled: pollfd) {
        guard let socket = sockets[id], socket.descriptor == polled.fd else { return }
        switch socket.state {
        case .connecting:
            let code = socket.connectError()
            if code == 0 {
                sockets[id]?.state = .open
                written.append(id)
                turn { core, context in core.handle(.connected(id), &context) }
            } else {
                remove(id)
                let reason = SocketError("connect", code).description
                turn { core, context in core.handle(.connectFailed(id, reason: reason), &context) }
            }
        case .flushing:
            sockets[id]?.flush()
            if sockets[id]?.output.readableBytes == 0 { remove(id) }
        case .open:
            if polled.revents & Int16(POLLOUT) != 0 { sockets[id]?.flush() }
            if polled.revents & ~Int16(POLLOUT) != 0 { read(id) }
        }
    }

    private func read(_ id: ConnectionID) {
        var end = sockets[id]?.receive()
        var frames: [Frame] = []
        do throws(FrameDecoder.Failure) {
            while let frame = try sockets[id]?.decoder.next() { frames.append(frame) }
        } catch {
            end = .invalidInput(error)
        }
        guard !frames.isEmpty || end != nil else { return }
        turn { core, context in
            for frame in frames {
                core.handle(.received(id, frame), &context)
            }
            if let end { self.close(id, end, &core, &context) }
        }
    }

    private func close(
        _ id: ConnectionID,
        _ reason: CloseReason,
        _ core: inout Core,
        _ context: inout CoreContext<Never>
    ) {
        guard sockets[id] != nil else { return }
        remove(id)
        core.handle(.closed(id, reason), &context)
    }

    private func fireTimers() {
        let now = BlockingClock.now()
        let fired = timers.filter { $0.value <= now }.keys.sorted { $0.rawValue < $1.rawValue }
        for timer in fired {
            timers[timer] = nil
            turn { core, context in core.handle(.timerFired(timer), &context) }
        }
        for (id, socket) in sockets {
            guard case .connecting(let deadline) = socket.state, deadline <= now else { continue }
            remove(id)
            turn { core, context in core.handle(.connectFailed(id, reason: "no answer in 10 s"), &context) }
        }
    }

    // MARK: Deliveries

    /// Tells the program the next delivery, if no other thread is doing so. Under the lock, but while it tells.
    /// - Returns: whether there was one.
    private func deliverNext() -> Bool {
        guard deliveringThread == nil, !isClosed, let delivery = core.nextDelivery else { return false }
        deliveringThread = pthread_self()
        handOver()
        unlockAndLog()
        deliver(delivery)
        lock.lock()
        deliveringThread = nil
        if isClosed {
            deliveryEnded.broadcast()
        } else {
            turn { core, context in core.delivered(&context) }
        }
        return true
    }

    // MARK: Background

    /// The thread begins with the first call, so that a process may fork before it uses the host.
    private func startBackground() {
        guard backgroundThread == nil, !isClosed else { return }
        backgroundThread = startThread { [self] in runBackground() }
    }

    private func runBackground() {
        lock.lock()
        var seen = leadership
        while !isClosed {
            if deliverNext() { continue }
            if leader == .none, leadership == seen {
                // Its own turn is no sign of a program at work.
                seen &+= 1
                lead(as: .background, milliseconds: nil)
            } else {
                seen = leadership
                backgroundCondition.wait(lock, milliseconds: Self.graceMilliseconds)
            }
            if !logs.isEmpty || mustTellMasters {
                unlockAndLog()
                lock.lock()
            }
        }
        lock.unlock()
    }

    // MARK: End

    /// Closes the connections and ends all calls; returns once nothing runs any more. Idempotent.
    /// - Parameter body: tells the core.
    /// - Returns: false, and nothing is done, if called by a delivery.
    @discardableResult
    public func close(_ body: (inout Core, inout CoreContext<Never>) -> Void) -> Bool {
        guard !isForked else {
            abandon()
            return true
        }
        lock.lock()
        if let deliveringThread, pthread_equal(deliveringThread, pthread_self()) != 0 {
            lock.unlock()
            return false
        }
        if !isClosed {
            turn(body)
            isClosed = true
            for id in Array(sockets.keys) { remove(id) }
            timers = [:]
            for waiter in waiters.values where waiter.isParked { waiter.condition.signal() }
            callerWake.wake()
            backgroundWake.wake()
            backgroundCondition.signal()
        }
        while deliveringThread != nil { deliveryEnded.wait(lock, milliseconds: 100) }
        let thread = backgroundThread
        backgroundThread = nil
        unlockAndLog()
        if let thread { pthread_join(thread, nil) }
        return true
    }

    /// In a child process: closes the descriptors of the parent, without a word to anybody. Takes no lock: its owner may
    /// not exist here.
    public func abandon() {
        guard isForked else { return }
        isClosed = true
        for socket in sockets.values { _ = BlockingSocket.close(socket.descriptor) }
        sockets = [:]
    }

    deinit {
        for socket in sockets.values { _ = BlockingSocket.close(socket.descriptor) }
    }
}
