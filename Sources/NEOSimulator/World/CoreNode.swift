import NEOEngine
import NEOProtocol

/// A simulated process that hosts the real core of a node.
public final class CoreNode<Core: NodeCore>: SimulatedNode {
    /// Makes the core of a new life, from what is on the disk of the node.
    private let makeCore: () -> Core
    /// Carries out database jobs: all that wait at once, as the real writer does.
    private let perform: ([Core.Job]) throws -> [Core.JobResult]
    /// The process that used the disk is gone, or the machine, and with it what was not synced.
    private let interruptDisk: (_ ofMachine: Bool) -> Void
    /// Called after each event, with the core.
    public var observe: ((inout Core, inout CoreContext<Core.Job>) -> Void)?
    /// Called once the effects of a turn are carried out.
    public var afterTurn: (() -> Void)?

    /// Changes or drops what arrives, for a ``Defect``.
    var alterReceived: ((Frame) -> Frame?)?
    /// Makes an answer to what is sent, for a ``Defect``.
    var answerSent: ((Frame) -> Frame?)?

    public private(set) var core: Core?
    private var timers: [TimerID: UInt64] = [:]
    private var lastTimer: UInt64 = 0
    private var waitingJobs: [Core.Job] = []
    private var isWriting = false
    private var isBusy = false
    /// How many times slower than usual the disk is.
    public var diskSlowness: UInt64 = 1
    /// The next batch of jobs fails.
    public var failsNextJobs = false
    /// Jobs are not committed together.
    public var commitsOneJob = false
    private var pausedUntil: UInt64 = 0
    /// What happened during a pause.
    private var postponed: [() -> Void] = []

    public init(
        name: String,
        makeCore: @escaping () -> Core,
        perform: @escaping ([Core.Job]) throws -> [Core.JobResult],
        interruptDisk: @escaping (_ ofMachine: Bool) -> Void
    ) {
        self.makeCore = makeCore
        self.perform = perform
        self.interruptDisk = interruptDisk
        super.init(name: name)
    }

    public override func start() {
        guard !isUp else { return }
        isUp = true
        exitStatus = nil
        life += 1
        world.log.write("\(world.now) \(name) starts")
        core = makeCore()
        turn { core, context in core.start(&context) }
    }

    override func die(ofMachine: Bool) {
        super.die(ofMachine: ofMachine)
        core = nil
        timers = [:]
        waitingJobs = []
        isWriting = false
        pausedUntil = 0
        postponed = []
        failsNextJobs = false
        interruptDisk(ofMachine)
    }

    public override func pause(for duration: UInt64) {
        guard isUp else { return }
        pausedUntil = max(pausedUntil, world.now + duration)
        later(duration) { node in
            guard node.pausedUntil <= node.world.now else { return }
            let postponed = node.postponed
            node.postponed = []
            let life = node.life
            for event in postponed where node.life == life { event() }
        }
    }

    /// Asks the node to stop in good order.
    public func requestStop() {
        handle(.stopRequested, kind: 6)
    }

    /// Calls the core from outside, as an application or an operator would.
    public func call(_ body: (inout Core, inout CoreContext<Core.Job>) -> Void) {
        turn(body)
    }

    override func deliver(_ event: NetworkEvent) {
        switch event {
        case .accepted(let id, let peer): handle(.accepted(id, from: peer), kind: 2)
        case .connected(let id):
            opened(id)
            handle(.connected(id), kind: 3)
        case .connectFailed(let id, let reason):
            opened(id)
            handle(.connectFailed(id, reason: reason), kind: 4)
        case .received(let id, let frame):
            guard let alterReceived else { return handle(.received(id, frame), kind: 0) }
            if let frame = alterReceived(frame) { handle(.received(id, frame), kind: 0) }
        case .closed(let id, let reason): handle(.closed(id, reason), kind: 5)
        }
    }

    private func handle(_ event: Event<Core.JobResult>, kind: UInt8) {
        guard isUp else { return }
        guard pausedUntil <= world.now else {
            postponed.append { [unowned self] in handle(event, kind: kind) }
            return
        }
        world.log.record(world.now, index, kind)
        world.log.write("\(world.now) \(name) \(event)")
        turn { core, context in core.handle(event, &context) }
    }

    private func turn(_ body: (inout Core, inout CoreContext<Core.Job>) -> Void) {
        guard isUp, core != nil else { return }
        precondition(!isBusy, "a core is never entered twice")
        isBusy = true
        var context = CoreContext<Core.Job>(
            now: Instant(nanoseconds: world.now),
            wallTime: world.epoch + Double(world.now) / 1e9 + clockSkew,
            random: SplitMix64(seed: world.random.next())
        )
        context.mischief = world.mischief
        body(&core!, &context)
        observe?(&core!, &context)
        isBusy = false
        let life = life
        for effect in context.effects where self.life == life { carryOut(effect) }
        afterTurn?()
    }

    private func carryOut(_ effect: Effect<Core.Job>) {
        switch effect {
        case .listen(let address):
            world.listen(self, at: address)
            later { $0.handle(.listening(address), kind: 7) }
        case .connect(let id, let address):
            want(id)
            world.connect(self, id, to: address)
        case .send(let id, let frame):
            world.log.write("\(world.now) \(name) → \(id) \(frame)")
            send(frame, id)
            if let answer = answerSent?(frame) { later { $0.handle(.received(id, answer), kind: 0) } }
        case .notifyWhenWritten(let id):
            later(world.draw(world.settings.latency)) { node in
                if node.isLinked(id) { node.handle(.written(id), kind: 10) }
            }
        case .close(let id): close(id, isFlushed: false)
        case .closeAfterFlush(let id): close(id, isFlushed: true)
        case .startTimer(let timer, let milliseconds):
            lastTimer += 1
            let number = lastTimer
            timers[timer] = number
            later(milliseconds * 1_000_000) { node in
                guard node.timers[timer] == number else { return }
                node.timers[timer] = nil
                node.handle(.timerFired(timer), kind: 8)
            }
        case .cancelTimer(let timer): timers[timer] = nil
        case .submit(let job):
            waitingJobs.append(job)
            write()
        case .submitLater(let job):
            waitingJobs.append(job)
            later(2_000_000) { $0.write() }
        case .hurry: write()
        case .log(let level, let message): world.log.write("\(world.now) \(name) [\(level)] \(message)")
        case .exit(let status):
            world.log.write("\(world.now) \(name) exits with \(status)")
            exitStatus = status
            die(ofMachine: false)
        }
    }

    /// Does all the jobs that wait, together, if the writer is free.
    private func write() {
        guard !isWriting, !waitingJobs.isEmpty else { return }
        isWriting = true
        let jobs = commitsOneJob ? Array(waitingJobs.prefix(1)) : waitingJobs
        waitingJobs.removeFirst(jobs.count)
        later(world.draw(world.settings.jobDuration) * diskSlowness) { node in
            guard !node.failsNextJobs, let results = try? node.perform(jobs) else {
                // A failed commit ends the process.
                node.crash()
                return
            }
            node.isWriting = false
            for result in results { node.handle(.jobCompleted(result), kind: 9) }
            node.write()
        }
    }

    /// Does something later, if this life of the node still goes on.
    private func later(_ delay: UInt64 = 0, _ action: @escaping (CoreNode) -> Void) {
        let life = life
        world.schedule(after: delay) { [self] in
            if self.life == life { action(self) }
        }
    }
}
