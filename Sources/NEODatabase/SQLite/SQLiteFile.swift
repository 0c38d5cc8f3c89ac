#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// A database file, apart from what is in it.
enum SQLiteFile {
    /// Cuts a file that nobody has open to nothing. It keeps its inode, which the lock of the database is about.
    static func empty(_ path: String) throws {
        for log in ["-wal", "-shm"] where unlink(path + log) != 0 && errno != ENOENT {
            throw DatabaseFailure(.failed, "\(path)\(log): \(String(cString: strerror(errno)))")
        }
        guard truncate(path, 0) == 0 else {
            throw DatabaseFailure(.failed, "\(path): \(String(cString: strerror(errno)))")
        }
    }
}
