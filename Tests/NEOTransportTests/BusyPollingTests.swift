import NEOEngine
import NEOProtocol
import NIOCore
import Testing

@testable import NEOTransport

@Suite(.timeLimit(.minutes(2))) struct BusyPollingTests {
    private let limit: UInt64 = 100_000

    @Test func looksOnceAnswersComeSoon() {
        var polling = BusyPolling(microseconds: 100, processors: 2)
        #expect(polling.deadline(at: 5) == nil)
        // Half of the time was needed to wake up.
        polling.came(afterNanoseconds: 2 * limit, isAsleep: true)
        polling.came(afterNanoseconds: 2 * limit, isAsleep: true)
        #expect(polling.deadline(at: 5) == 5 + limit)
        for _ in 0..<100 { polling.came(afterNanoseconds: limit, isAsleep: false) }
        // However good it was, a few long waits end it.
        for _ in 0..<3 { polling.came(afterNanoseconds: 2 * limit + 1, isAsleep: true) }
        #expect(polling.deadline(at: 5) != nil)
        polling.came(afterNanoseconds: 2 * limit + 1, isAsleep: true)
        #expect(polling.deadline(at: 5) == nil)
    }

    @Test func restsWhenOthersWantTheProcessor() {
        var polling = BusyPolling(microseconds: 100, processors: 2)
        for _ in 0..<8 { polling.came(afterNanoseconds: 1, isAsleep: false) }
        polling.looked(.init(end: 10_000_000_000, longestGap: 200_000))
        #expect(polling.deadline(at: 10_000_000_000) != nil)
        var now: UInt64 = 10_000_000_000
        // Longer each time, up to a limit.
        for milliseconds in [50, 100, 200, 400, 800, 1600, 1600] as [UInt64] {
            polling.looked(.init(end: now, longestGap: 200_001))
            #expect(polling.deadline(at: now + milliseconds * 1_000_000 - 1) == nil)
            now += milliseconds * 1_000_000
            #expect(polling.deadline(at: now) != nil)
        }
        // That was long ago.
        now += 6_400_000_000
        polling.looked(.init(end: now, longestGap: 200_001))
        #expect(polling.deadline(at: now + 50_000_000) != nil)
    }

    @Test func looksUntilItComesOrTheTimeIsOver() {
        var calls = 0
        let begin = BlockingClock.now()
        var look = BusyPolling.look(from: begin, until: begin + 10_000_000_000) {
            calls += 1
            return calls == 3
        }
        #expect(look.hasCome && calls == 3 && look.end > begin && look.longestGap > 0)
        look = BusyPolling.look(from: look.end, until: look.end + 1_000_000) { false }
        #expect(!look.hasCome && look.end >= begin + 1_000_000)
    }

    @Test func neverLooksOnOneProcessorOrIfItMustNot() {
        for var polling in [BusyPolling(microseconds: 100, processors: 1), BusyPolling(microseconds: 0, processors: 8)]
        {
            for _ in 0..<8 { polling.came(afterNanoseconds: 0, isAsleep: false) }
            #expect(polling.deadline(at: 0) == nil)
        }
    }

    #if os(Linux)
    @Test func seesWhatArrivedAndLeavesIt() throws {
        let probe = try #require(ReadinessProbe())
        #expect(!probe.isReady)
        let pipe = try WakePipe()
        probe.add(pipe.reader)
        #expect(!probe.isReady)
        pipe.wake()
        #expect(probe.isReady)
        #expect(probe.isReady)
        pipe.clear()
        #expect(!probe.isReady)
    }
    #endif

    /// All that a loop does, timers and jobs too, goes on while it looks for packets.
    @Test func servesWhileItLooks() async throws {
        var options = HostOptions()
        options.busyPollingMicroseconds = 100
        let executor = CountingExecutor(batches: Journal(), delayMicroseconds: 300)
        let (host, events) = startToy(options: options, executor: executor) { event, context in
            if case .received(_, let frame) = event, frame.id % 10 == 0 {
                context.submit(Int(frame.id))
                context.startTimer(TimerID(UInt64(frame.id)), milliseconds: 0)
            }
        }
        let peer = try RawPeer(port: #require(try await events.port()))
        try peer.send(FrameDecoder.handshake)
        #expect(try peer.receiveAll(FrameDecoder.handshake.count) == FrameDecoder.handshake)
        for id in 1...1000 as ClosedRange<UInt32> {
            try peer.send(bytes(id, Ping().packet))
            let answer = bytes(id, Pong().packet)
            #expect(try peer.receiveAll(answer.count) == answer)
        }
        let done = try await events.first { events -> Bool? in
            var (timers, jobs) = (0, 0)
            for event in events {
                switch event {
                case .timerFired: timers += 1
                case .jobCompleted: jobs += 1
                default: break
                }
            }
            return timers == 100 && jobs == 100 ? true : nil
        }
        #expect(done == true)
        #expect(await host.stop() == 0)
    }
}
