import Dispatch
import Foundation
import Testing

@testable import NEOTransport

/// Signals are those of the whole process: one test at a time.
@Suite(.serialized) struct SignalTests {
    /// A signal source of Dispatch listened only some time after it was made: what came before was ignored.
    @Test(arguments: [SIGTERM, SIGINT], 0..<10)
    func signalRightAfterTheStart(number: Int32, attempt: Int) {
        let isAsked = DispatchSemaphore(value: 0)
        let signals = ProcessSignals { isAsked.signal() }
        kill(getpid(), number)
        #expect(isAsked.wait(timeout: .now() + 5) == .success)
        signals.cancel()
    }

    /// Programs that start others hold signals back in some of their threads, and what they start inherits that.
    @Test func signalThatWasHeldBack() {
        let isOver = DispatchSemaphore(value: 0)
        let thread = Thread {
            let isAsked = DispatchSemaphore(value: 0)
            var all = sigset_t()
            sigfillset(&all)
            pthread_sigmask(SIG_BLOCK, &all, nil)
            let signals = ProcessSignals { isAsked.signal() }
            pthread_kill(pthread_self(), SIGTERM)
            #expect(isAsked.wait(timeout: .now() + 5) == .success)
            signals.cancel()
            isOver.signal()
        }
        thread.start()
        #expect(isOver.wait(timeout: .now() + 10) == .success)
    }

    /// Received by the process and by its group.
    @Test func oneWishReceivedTwice() {
        let isAsked = DispatchSemaphore(value: 0)
        let signals = ProcessSignals { isAsked.signal() }
        for number in [SIGTERM, SIGTERM, SIGINT] { kill(getpid(), number) }
        #expect(isAsked.wait(timeout: .now() + 5) == .success)
        #expect(isAsked.wait(timeout: .now() + 0.1) == .timedOut)
        signals.cancel()
    }
}
