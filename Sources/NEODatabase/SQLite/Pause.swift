#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Gives another process the time to release a lock: 5 ms.
func pause() {
    usleep(5_000)
}
