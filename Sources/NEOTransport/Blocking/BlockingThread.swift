import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

private let forkCount = Atomic<Int>(0)

private let isWatchingForks: Bool = pthread_atfork(nil, nil, { forkCount.wrappingAdd(1, ordering: .relaxed) }) == 0

/// Tells a child process from its parent, without a system call.
enum ForkGeneration {
    static var current: Int {
        _ = isWatchingForks
        return forkCount.load(ordering: .relaxed)
    }
}

/// What a thread runs.
private final class ThreadBody {
    let run: @Sendable () -> Void

    init(_ run: @escaping @Sendable () -> Void) {
        self.run = run
    }
}

/// Starts a thread that is to be joined; nil if the system refuses.
func startThread(_ run: @escaping @Sendable () -> Void) -> pthread_t? {
    let body = Unmanaged.passRetained(ThreadBody(run))
    #if canImport(Darwin)
    var thread: pthread_t?
    let code = pthread_create(
        &thread,
        nil,
        { argument in
            Unmanaged<ThreadBody>.fromOpaque(argument).takeRetainedValue().run()
            return nil
        },
        body.toOpaque()
    )
    #else
    var thread = pthread_t()
    let code = pthread_create(
        &thread,
        nil,
        { argument in
            if let argument { Unmanaged<ThreadBody>.fromOpaque(argument).takeRetainedValue().run() }
            return nil
        },
        body.toOpaque()
    )
    #endif
    guard code == 0 else {
        body.release()
        return nil
    }
    return thread
}
