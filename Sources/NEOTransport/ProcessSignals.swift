import Dispatch

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// The signals of a process that is a node: the first SIGTERM or SIGINT asks it to stop, one that comes more than a second
/// later ends it at once. SIGPIPE is ignored.
final class ProcessSignals {
    /// `timeout`, terminals and supervisors send a signal to the process and to its group: one wish, received twice.
    private static let repetitionNanoseconds: UInt64 = 1_000_000_000

    private let sources: [any DispatchSourceSignal]

    init(stop: @escaping @Sendable () -> Void) {
        signal(SIGPIPE, SIG_IGN)
        // Serial, so that `first` needs no lock.
        let queue = DispatchQueue(label: "neo.signals")
        let first = FirstSignal()
        sources = [SIGTERM, SIGINT].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler { [first] in
                let now = DispatchTime.now().uptimeNanoseconds
                guard let time = first.time else {
                    first.time = now
                    return stop()
                }
                if now >= time &+ Self.repetitionNanoseconds { exit(128 + number) }
            }
            source.resume()
            return source
        }
    }

    func cancel() {
        for source in sources { source.cancel() }
    }

    /// Only touched on the queue of the sources.
    private final class FirstSignal: @unchecked Sendable {
        var time: UInt64?
    }
}
