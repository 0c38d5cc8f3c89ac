#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

enum DiskSpace {
    /// Bytes that an ordinary user can still write on the file system that holds `path`: one system call, no I/O.
    static func availableBytes(at path: String) throws -> UInt64 {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else {
            throw DatabaseFailure(.failed, "space left at \(path): \(String(cString: strerror(errno)))")
        }
        let (bytes, overflows) = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
        return overflows ? .max : bytes
    }
}
