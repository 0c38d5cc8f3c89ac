import NIOCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A file that is read from its beginning, or written under another name and then takes the place of the one that is there: a
/// reader has the old one or the new one, whoever crashes.
public final class ReplaceableFile {
    /// Why a file cannot be used or written.
    public struct Failure: Error, Hashable, CustomStringConvertible {
        public let description: String

        public init(_ description: String) { self.description = description }

        /// What the last call of the system said.
        static func system(_ call: String) -> Failure { Failure("\(call): \(String(cString: strerror(errno)))") }
    }

    private let descriptor: Int32
    private let path: String

    /// Opens a file for reading; nil if there is none.
    public init?(reading path: String) throws(Failure) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        if descriptor < 0, errno == ENOENT { return nil }
        guard descriptor >= 0 else { throw .system("open") }
        self.descriptor = descriptor
        self.path = path
    }

    /// Opens a file that is to take the place of another one. Only one process does so at a time.
    public init(writing path: String) throws(Failure) {
        // Whoever reads the records of a database must be allowed to read the database.
        let descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw .system("open") }
        self.descriptor = descriptor
        self.path = path
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            throw Failure("another process writes it")
        }
        // The other process may just have given it its final name.
        var (mine, named) = (stat(), stat())
        guard fstat(descriptor, &mine) == 0, stat(path, &named) == 0, mine.st_ino == named.st_ino else {
            throw Failure("another process wrote it")
        }
        guard ftruncate(descriptor, 0) == 0 else { throw .system("ftruncate") }
    }

    deinit { close(descriptor) }

    /// What is left to read; 0 if the system does not say.
    public var remainingBytes: Int {
        var status = stat()
        let position = lseek(descriptor, 0, SEEK_CUR)
        guard position >= 0, fstat(descriptor, &status) == 0 else { return 0 }
        return Int(status.st_size) - Int(position)
    }

    /// Reads exactly so many bytes; throws if the file ends before.
    public func read(_ count: Int) throws(Failure) -> ByteBuffer {
        var buffer = ByteBuffer()
        guard count > 0 else { return buffer }
        buffer.reserveCapacity(count)
        while buffer.readableBytes < count {
            let missing = count - buffer.readableBytes
            let result = buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: missing) { bytes in
                max(0, retried { systemRead(descriptor, bytes.baseAddress, missing) })
            }
            guard result > 0 else { throw Failure("it ends too early") }
        }
        return buffer
    }

    /// Passes over so many bytes.
    public func skip(_ count: Int) throws(Failure) {
        guard lseek(descriptor, off_t(count), SEEK_CUR) >= 0 else { throw .system("lseek") }
    }

    /// Writes all of it, behind what was written before.
    public func write(_ buffer: ByteBuffer) throws(Failure) {
        var rest = buffer
        while rest.readableBytes > 0 {
            let count = rest.withUnsafeReadableBytes { bytes in
                retried { systemWrite(descriptor, bytes.baseAddress, bytes.count) }
            }
            guard count > 0 else { throw .system("write") }
            rest.moveReaderIndex(forwardBy: count)
        }
    }

    /// Gives the file its final name, once it is on disk.
    public func replace(_ other: String) throws(Failure) {
        guard fsync(descriptor) == 0 else { throw .system("fsync") }
        guard rename(path, other) == 0 else { throw .system("rename") }
    }
}

private func systemRead(_ descriptor: Int32, _ bytes: UnsafeMutableRawPointer?, _ count: Int) -> Int {
    read(descriptor, bytes, count)
}

private func systemWrite(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
    write(descriptor, bytes, count)
}

/// Calls the system again as long as signals interrupt it.
private func retried(_ call: () -> Int) -> Int {
    while true {
        let result = call()
        if result >= 0 || errno != EINTR { return result }
    }
}
