#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// A database file, apart from what is in it.
enum SQLiteFile {
    /// Refuses a file whose pages have room for checksums (`cksumvfs=1`): what this program writes would not have them,
    /// and would be taken for damaged by a program that verifies them.
    static func checkReservedBytes(_ path: String) throws {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        // A file that is not there, or that cannot be read, is told by whoever opens it; so is one of another kind.
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        // The header says how many bytes at the end of each page are not SQLite's.
        var header = [UInt8](repeating: 0, count: 21)
        guard pread(descriptor, &header, header.count, 0) == header.count, header.starts(with: "SQLite format 3".utf8),
            let count = header.last, count != 0
        else { return }
        throw DatabaseFailure(
            .wrongFormat,
            """
            expected a database without page checksums, got one with \(count) bytes for them in each page (cksumvfs=1), \
            which this program cannot write; `sqlite3 \(path) .dump | sqlite3 NEW` copies it
            """
        )
    }

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
