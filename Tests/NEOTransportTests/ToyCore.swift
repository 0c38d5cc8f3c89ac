import Logging
import NEOEngine
import NEOProtocol
import NIOConcurrencyHelpers

@testable import NEOTransport

/// A core made of one function, for tests of the host.
struct ToyCore: NodeCore, Sendable {
    typealias Job = Int
    typealias JobResult = Int

    /// Nil at the start.
    let react: @Sendable (Event<Int>?, inout CoreContext<Int>) -> Void

    mutating func start(_ context: inout CoreContext<Int>) { react(nil, &context) }

    mutating func handle(_ event: Event<Int>, _ context: inout CoreContext<Int>) { react(event, &context) }
}

/// What happened, told by the threads of a host to that of a test.
final class Journal<Entry: Sendable>: Sendable {
    private let lines = NIOLockedValueBox<[Entry]>([])

    func add(_ entry: Entry) { lines.withLockedValue { $0.append(entry) } }

    var entries: [Entry] { lines.withLockedValue { $0 } }

    /// Waits until something was found in what happened; nil after ten seconds.
    func first<Found>(_ find: ([Entry]) -> Found?) async throws -> Found? {
        for _ in 0..<2000 {
            if let found = find(entries) { return found }
            try await Task.sleep(for: .milliseconds(5))
        }
        return nil
    }
}

extension Journal<Event<Int>> {
    /// The port that the node listens at.
    func port() async throws -> UInt16? {
        try await first { events in
            events.lazy.compactMap { if case .listening(let address) = $0 { address.port } else { nil } }.first
        }
    }

    var closeReasons: [CloseReason] {
        entries.compactMap { if case .closed(_, let reason) = $0 { reason } else { nil } }
    }
}

/// Counts what it does, and can be slow or fail.
struct CountingExecutor: JobExecutor {
    let batches: Journal<[Int]>
    var delayMicroseconds: UInt32 = 0
    var failsAt: Int?

    func perform(_ jobs: [Int]) throws -> [Int] {
        batches.add(jobs)
        if let failsAt, jobs.contains(failsAt) { throw DiskFull() }
        if delayMicroseconds > 0 { pause(microseconds: delayMicroseconds) }
        return jobs.map { $0 * 10 }
    }

    struct DiskFull: Error {}
}

let loopback = NodeAddress(host: "127.0.0.1", port: 0)

let silent: Logger = {
    var logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
    logger.logLevel = .critical
    return logger
}()

/// Starts a node that listens, answers `Ping`, stops when asked, and does what `react` adds.
func startToy(
    options: HostOptions = HostOptions(),
    executor: CountingExecutor = CountingExecutor(batches: Journal()),
    _ react: @escaping @Sendable (Event<Int>?, inout CoreContext<Int>) -> Void = { _, _ in }
) -> (host: NodeHost<ToyCore>, events: Journal<Event<Int>>) {
    let events = Journal<Event<Int>>()
    let core = ToyCore { event, context in
        if let event { events.add(event) } else { context.effects.append(.listen(loopback)) }
        switch event {
        case .received(let id, let frame):
            if case .ping = frame.packet { context.effects.append(.send(id, Frame(id: frame.id, Pong().packet))) }
        case .stopRequested: context.exit(status: 0)
        default: break
        }
        react(event, &context)
    }
    let host = NodeHost(core: core, executor: executor, logger: silent, options: options)
    host.start()
    return (host, events)
}
