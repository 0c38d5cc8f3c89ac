import Glibc

/// Receives signals one at a time, instead of being interrupted by them.
struct SignalWaiter {
    private var signals = sigset_t()

    /// Holds the signals back from now on, in this thread and those that it starts.
    init(_ numbers: [Int32]) {
        sigemptyset(&signals)
        for number in numbers { sigaddset(&signals, number) }
        pthread_sigmask(SIG_BLOCK, &signals, nil)
    }

    /// - Returns: the next signal, or nil if none came in time.
    func next(milliseconds: Int) -> Int32? {
        var signals = signals
        var limit = timespec(tv_sec: milliseconds / 1000, tv_nsec: milliseconds % 1000 * 1_000_000)
        let number = sigtimedwait(&signals, nil, &limit)
        return number > 0 ? number : nil
    }
}
