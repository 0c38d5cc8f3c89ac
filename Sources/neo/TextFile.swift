import Glibc
import NEOConfiguration

/// Small text files.
enum TextFile {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    private static func failure() -> Failure { Failure(description: String(cString: strerror(errno))) }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    static func read(_ path: String) throws -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure() }
        defer { close(descriptor) }
        var content: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
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

    /// Replaces a file at once: a reader sees the old content or the new one, also after a crash.
    static func replace(_ path: String, with text: String) throws {
        let temporary = path + "#neo#"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw failure() }
        defer { unlink(temporary) }
        do {
            defer { close(descriptor) }
            var bytes = Array(text.utf8)[...]
            while !bytes.isEmpty {
                let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { throw failure() }
                bytes = bytes.dropFirst(count)
            }
            guard fsync(descriptor) == 0 else { throw failure() }
        }
        guard rename(temporary, path) == 0 else { throw failure() }
    }
}

extension ConfigurationFile {
    /// - Throws: ``ConfigurationError`` that names the file.
    init(reading path: String) throws(ConfigurationError) {
        let text: String
        do {
            text = try TextFile.read(path)
        } catch {
            throw .invalid("\(path): cannot be read: \(error)")
        }
        try self.init(text, path: path)
    }
}
