#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Small text files.
public enum TextFile {
    /// What the system said, or what is wrong with the content.
    public struct Failure: Error, Hashable, CustomStringConvertible {
        public let description: String

        public init(description: String) {
            self.description = description
        }
    }

    private static func failure() -> Failure { Failure(description: String(cString: strerror(errno))) }

    public static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    public static func read(_ path: String) throws(Failure) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure() }
        defer { close(descriptor) }
        var content: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = systemRead(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw failure() }
            guard count > 0 else { break }
            content += chunk[..<count]
        }
        guard let text = String(validating: content, as: UTF8.self) else {
            throw Failure(description: "it is not text in UTF-8")
        }
        return text
    }

    /// Replaces a file at once: a reader sees the old content or the new one, also after a crash, and also if other
    /// processes replace it at the same time.
    public static func replace(_ path: String, with text: String) throws(Failure) {
        let temporary = "\(path)#neo#\(String(UInt32.random(in: 0...UInt32.max), radix: 16))"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw failure() }
        // Without effect once it has its final name.
        defer { unlink(temporary) }
        do {
            defer { close(descriptor) }
            var bytes = Array(text.utf8)[...]
            while !bytes.isEmpty {
                let count = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { throw failure() }
                bytes = bytes.dropFirst(count)
            }
            guard fsync(descriptor) == 0 else { throw failure() }
        }
        guard rename(temporary, path) == 0 else { throw failure() }
    }
}

/// A name that ``TextFile/read(_:)`` does not hide.
private func systemRead(_ descriptor: Int32, _ bytes: UnsafeMutableRawPointer?, _ count: Int) -> Int {
    read(descriptor, bytes, count)
}
