import NEOEngine
import NEOProtocol
import NIOCore
import Testing

@testable import NEOTransport

@Suite(.timeLimit(.minutes(2))) struct HostTests {
    @Test func firesTimersInOrder() async throws {
        let (host, events) = startToy { event, context in
            if event == nil {
                for number in (1...500 as ClosedRange<UInt64>).reversed() {
                    context.startTimer(TimerID(number), milliseconds: number / 10)
                }
                context.startTimer(TimerID(0), milliseconds: 1)
                context.startTimer(TimerID(0), milliseconds: 200)
                context.startTimer(TimerID(1000), milliseconds: 1)
                context.cancelTimer(TimerID(1000))
                context.startTimer(TimerID(1001), milliseconds: .max)
            }
        }
        let fired = try await events.first { events -> [UInt64]? in
            let fired = events.compactMap { if case .timerFired(let timer) = $0 { timer.rawValue } else { nil } }
            return fired.last == 0 ? fired : nil
        }
        let numbers = try #require(fired)
        #expect(numbers.count == 501)
        #expect(numbers.dropLast().map { $0 / 10 } == (1...500).map { $0 / 10 })
        #expect(await host.stop() == 0)
    }

    /// What is submitted during a batch makes one batch; results come in order.
    @Test func commitsInGroups() async throws {
        let batches = Journal<[Int]>()
        let executor = CountingExecutor(batches: batches, delayMicroseconds: 300_000)
        let (host, events) = startToy(executor: executor) { event, context in
            switch event {
            case nil: context.submit(1)
            case .received: for job in 2...100 { context.submit(job) }
            default: break
            }
        }
        let peer = try RawPeer(port: #require(try await events.port()))
        _ = try await batches.first { $0.first }
        try peer.send(FrameDecoder.handshake + bytes(0, CloseClient().packet))
        let results = try await events.first { events -> [Int]? in
            let results = events.compactMap { if case .jobCompleted(let result) = $0 { result } else { nil } }
            return results.count == 100 ? results : nil
        }
        #expect(results == (1...100).map { $0 * 10 })
        #expect(batches.entries == [[1], Array(2...100)])
        _ = await host.stop()
    }

    /// Jobs that nobody waits for go with the next one. Alone, they are performed soon: at a limit of time or of number, when
    /// somebody is in a hurry, at the end.
    @Test func keepsJobsForCompany() async throws {
        let batches = Journal<[Int]>()
        var options = HostOptions()
        options.keptJobs = 3
        let executor = CountingExecutor(batches: batches)
        let (host, _) = startToy(options: options, executor: executor) { event, context in
            switch event {
            case nil:
                context.submitLater(1)
                context.submitLater(2)
                context.submit(3)
            case .jobCompleted(30): context.submitLater(4)
            case .jobCompleted(40): context.startTimer(TimerID(1), milliseconds: 50)
            case .timerFired:
                context.submitLater(5)
                context.hurry()
            case .jobCompleted(50): for job in 6...8 { context.submitLater(job) }
            case .jobCompleted(80):
                context.submitLater(9)
                context.exit(status: 0)
            default: break
            }
        }
        #expect(await host.waitUntilOver() == 0)
        #expect(batches.entries == [[1, 2, 3], [4], [5], [6, 7, 8], [9]])
    }

    /// No job of a failed batch is acknowledged; the node ends.
    @Test func endsWhenTheDatabaseFails() async throws {
        let executor = CountingExecutor(batches: Journal(), failsAt: 3)
        let (host, events) = startToy(executor: executor) { event, context in
            guard event == nil else { return }
            for job in 1...3 { context.submit(job) }
        }
        #expect(await host.waitUntilOver() == HostExit.failure)
        #expect(!events.entries.contains { if case .jobCompleted = $0 { true } else { false } })
    }

    /// What was sent before an exit arrives, and what was submitted is performed.
    @Test func flushesAtExit() async throws {
        let batches = Journal<[Int]>()
        let error = ErrorPacket(code: .ack, message: String(repeating: "x", count: 1 << 20)).packet
        let (host, events) = startToy(executor: CountingExecutor(batches: batches)) { event, context in
            guard case .received(let id, let frame) = event else { return }
            context.submit(5)
            context.effects.append(.send(id, Frame(id: frame.id, error)))
            context.exit(status: 7)
        }
        let peer = try RawPeer(port: #require(try await events.port()))
        try peer.send(FrameDecoder.handshake + bytes(2, CloseClient().packet))
        #expect(try peer.receiveToEnd() == FrameDecoder.handshake + bytes(2, error))
        #expect(await host.waitUntilOver() == 7)
        #expect(batches.entries == [[5]])
    }

    @Test func endsWhenItCannotListen() async throws {
        let (first, events) = startToy()
        let port = try #require(try await events.port())
        let core = ToyCore { event, context in
            if event == nil { context.effects.append(.listen(NodeAddress(host: "127.0.0.1", port: port))) }
        }
        let second = NodeHost(core: core, executor: CountingExecutor(batches: Journal()), logger: silent)
        second.start()
        #expect(await second.waitUntilOver() == HostExit.failure)
        _ = await first.stop()
    }
}
