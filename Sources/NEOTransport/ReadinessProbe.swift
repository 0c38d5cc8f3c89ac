import CReadiness

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Tells whether something arrived on any of some sockets, without waiting and without taking it away.
///
/// A socket leaves the set when it is closed. On systems other than Linux nothing can be told.
final class ReadinessProbe {
    #if os(Linux)
    private let descriptor: Int32

    /// Nil if the system refuses.
    init?() {
        descriptor = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard descriptor >= 0 else { return nil }
    }

    deinit { _ = BlockingSocket.close(descriptor) }

    func add(_ socket: Int32) {
        var event = epoll_event()
        event.events = EPOLLIN.rawValue
        _ = epoll_ctl(descriptor, EPOLL_CTL_ADD, socket, &event)
    }

    var isReady: Bool {
        var event = epoll_event()
        return epoll_wait(descriptor, &event, 1, 0) > 0
    }
    #else
    init?() { nil }

    func add(_ socket: Int32) {}

    var isReady: Bool { true }
    #endif
}
