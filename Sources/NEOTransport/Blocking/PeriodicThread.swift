import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A thread that does something now and then.
///
/// Sendable: everything that changes is used under `lock`.
public final class PeriodicThread: @unchecked Sendable {
    private let milliseconds: UInt64
    private let lock = BlockingLock()
    private let condition = BlockingCondition()
    private var thread: pthread_t?
    private var isStopped = false

    public init(milliseconds: UInt64) {
        self.milliseconds = milliseconds
    }

    /// Starts it, once; nothing happens if the system has no thread for it.
    public func start(_ body: @escaping @Sendable () -> Void) {
        lock.lock()
        defer { lock.unlock() }
        guard thread == nil, !isStopped else { return }
        thread = startThread { [self] in run(body) }
    }

    private func run(_ body: () -> Void) {
        var next = BlockingClock.now() &+ milliseconds &* 1_000_000
        lock.lock()
        while !isStopped {
            let now = BlockingClock.now()
            if now < next {
                condition.wait(lock, milliseconds: (next &- now) / 1_000_000 &+ 1)
                continue
            }
            lock.unlock()
            body()
            lock.lock()
            next = BlockingClock.now() &+ milliseconds &* 1_000_000
        }
        lock.unlock()
    }

    /// Ends it: returns once it does nothing any more. Idempotent; not to be called by the thread itself.
    public func stop() {
        lock.lock()
        isStopped = true
        condition.signal()
        let started = thread
        thread = nil
        lock.unlock()
        if let started { pthread_join(started, nil) }
    }
}
