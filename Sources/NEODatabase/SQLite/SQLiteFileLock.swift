#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Excludes other storages from a database file: by an advisory lock on a file beside it, which other machines and
/// containers see too; and those of the reference (`spec/database.md §9.3`): by a socket bound to an abstract address
/// made from the device and the inode. The system releases both with the process.
final class SQLiteFileLock: Sendable {
    let device: UInt64
    /// Of the file beside the database. It stays when it is released: to delete it would take it from who waits for it.
    private let descriptor: Int32
    #if os(Linux)
    private let abstractSocket: Int32
    /// Refers to the file without opening it: its inode, which another file could get if it is deleted, stays taken.
    /// (Closing a descriptor that is open would release the locks of SQLite.)
    private let file: Int32
    #endif

    init(path: String) throws {
        var status = stat()
        #if os(Linux)
        let pathOnly: Int32 = 0o10_000_000
        file = open(path, pathOnly | O_CLOEXEC)
        guard file >= 0, fstat(file, &status) == 0 else {
            let reason = errno
            close(file)
            throw DatabaseFailure(.failed, "\(path): \(String(cString: strerror(reason)))")
        }
        device = UInt64(status.st_dev)
        do {
            abstractSocket = try Self.bindAbstractSocket("neostorage:\(status.st_dev):\(status.st_ino)")
        } catch {
            close(file)
            throw error
        }
        do {
            descriptor = try Self.lockFile(path + ".lock")
        } catch {
            close(file)
            close(abstractSocket)
            throw error
        }
        #else
        guard stat(path, &status) == 0 else {
            throw DatabaseFailure(.failed, "\(path): \(String(cString: strerror(errno)))")
        }
        device = UInt64(status.st_dev)
        descriptor = try Self.lockFile(path + ".lock")
        #endif
    }

    deinit {
        close(descriptor)
        #if os(Linux)
        close(abstractSocket)
        close(file)
        #endif
    }

    #if os(Linux)
    private static func bindAbstractSocket(_ name: String) throws -> Int32 {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else {
            throw DatabaseFailure(.failed, "socket: \(String(cString: strerror(errno)))")
        }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        // A null byte makes it abstract. At most 52 bytes of 108.
        let path = [0] + Array(name.utf8)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
        let length = MemoryLayout<sa_family_t>.size + path.count
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, socklen_t(length)) }
        }
        guard result == 0 else {
            let reason = errno
            close(descriptor)
            if reason == EADDRINUSE { throw DatabaseFailure(.locked, "database is locked") }
            throw DatabaseFailure(.failed, "bind: \(String(cString: strerror(reason)))")
        }
        return descriptor
    }
    #endif

    private static func lockFile(_ path: String) throws -> Int32 {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw DatabaseFailure(.failed, "\(path): \(String(cString: strerror(errno)))")
        }
        // A file system without such locks is used all the same.
        if flock(descriptor, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK {
            close(descriptor)
            throw DatabaseFailure(.locked, "database is locked")
        }
        return descriptor
    }
}
