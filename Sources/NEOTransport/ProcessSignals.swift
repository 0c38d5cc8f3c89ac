import Dispatch
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Where the handler of signals writes. It may call little else than `write`, and needs no initialisation when it runs.
private let signalDescriptor = Atomic<Int32>(-1)

/// The signals of a process that is a node: the first SIGTERM or SIGINT asks it to stop, one that comes more than a second
/// later ends it at once. SIGPIPE is ignored.
///
/// A handler of our own, since a signal source of Dispatch listens some time after it is resumed: a signal that came before was
/// ignored, and the process stayed. A byte in a pipe waits.
final class ProcessSignals {
    /// `timeout`, terminals and supervisors send a signal to the process and to its group: one wish, received twice.
    private static let repetitionNanoseconds: UInt64 = 1_000_000_000

    /// Nil if the system has no descriptors left: signals end the process then, as they do by default.
    private let source: (any DispatchSourceRead)?

    init(stop: @escaping @Sendable () -> Void) {
        signal(SIGPIPE, SIG_IGN)
        guard let (reading, writing) = Self.makePipe() else {
            source = nil
            return
        }
        // Serial, so that `first` needs no lock.
        let source = DispatchSource.makeReadSource(
            fileDescriptor: reading,
            queue: DispatchQueue(label: "neo.signals")
        )
        let first = FirstSignal()
        source.setEventHandler { [first] in
            var number: UInt8 = 0
            while read(reading, &number, 1) == 1 {
                let now = DispatchTime.now().uptimeNanoseconds
                guard let time = first.time else {
                    first.time = now
                    stop()
                    continue
                }
                if now >= time &+ Self.repetitionNanoseconds { exit(128 + Int32(number)) }
            }
        }
        source.resume()
        self.source = source
        signalDescriptor.store(writing, ordering: .releasing)
        for number in [SIGTERM, SIGINT] { Self.handle(number) }
    }

    /// Stops listening. Signals that come from now on are ignored; the pipe stays, since a handler may be about to write.
    func cancel() {
        source?.cancel()
    }

    private static func handle(_ number: Int32) {
        var action = sigaction()
        // `write` is the only call, and what it says of an error is nothing that the interrupted code may see.
        let handler: @convention(c) (Int32) -> Void = { number in
            let saved = errno
            var byte = UInt8(truncatingIfNeeded: number)
            _ = write(signalDescriptor.load(ordering: .acquiring), &byte, 1)
            errno = saved
        }
        #if canImport(Darwin)
        action.__sigaction_u.__sa_handler = handler
        #else
        action.__sigaction_handler.sa_handler = handler
        #endif
        action.sa_flags = Int32(SA_RESTART)
        sigaction(number, &action, nil)
        // Who started the process may have held signals back, and this is inherited.
        var mask = sigset_t()
        sigemptyset(&mask)
        sigaddset(&mask, number)
        pthread_sigmask(SIG_UNBLOCK, &mask, nil)
    }

    /// Neither end blocks, and no program that is started inherits one.
    private static func makePipe() -> (reading: Int32, writing: Int32)? {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return nil }
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        return (ends[0], ends[1])
    }

    /// Only touched on the queue of the source.
    private final class FirstSignal: @unchecked Sendable {
        var time: UInt64?
    }
}
