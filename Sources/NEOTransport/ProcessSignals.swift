import Dispatch

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// The signals of a process that is a node: the first SIGTERM or SIGINT asks it to stop, the second ends it at once.
/// SIGPIPE is ignored.
final class ProcessSignals {
    private let sources: [any DispatchSourceSignal]

    init(stop: @escaping @Sendable () -> Void) {
        signal(SIGPIPE, SIG_IGN)
        // Serial, so that `count` needs no lock.
        let queue = DispatchQueue(label: "neo.signals")
        let count = Count()
        sources = [SIGTERM, SIGINT].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler { [count] in
                count.value += 1
                if count.value > 1 { exit(128 + number) }
                stop()
            }
            source.resume()
            return source
        }
    }

    func cancel() {
        for source in sources { source.cancel() }
    }

    /// Only touched on the queue of the sources.
    private final class Count: @unchecked Sendable {
        var value = 0
    }
}
