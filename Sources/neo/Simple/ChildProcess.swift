import Glibc

/// A process that this one started.
final class ChildProcess {
    /// How a process ended.
    enum End: Hashable, CustomStringConvertible {
        case exited(status: Int32)
        case killed(signal: Int32)

        var description: String {
            switch self {
            case .exited(let status): "exited with status \(status)"
            case .killed(let signal): "was killed by signal \(signal)"
            }
        }
    }

    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    let name: String
    let id: pid_t
    /// Nil while it runs.
    private(set) var end: End?

    /// Starts this very executable with other arguments.
    ///
    /// It has a process group of its own: the interrupt key of the terminal reaches the parent only, which stops its
    /// children in good order.
    init(name: String, arguments: [String]) throws(Failure) {
        self.name = name
        let executable = "/proc/self/exe"
        var pid: pid_t = 0
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var noSignal = sigset_t()
        sigemptyset(&noSignal)
        posix_spawnattr_setsigmask(&attributes, &noSignal)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP))
        var words: [UnsafeMutablePointer<CChar>?] = (["neo"] + arguments).map { strdup($0) }
        defer { for word in words { free(word) } }
        words.append(nil)
        let status = posix_spawn(&pid, executable, &actions, &attributes, words, environ)
        guard status == 0 else { throw Failure(description: "\(name): \(String(cString: strerror(status)))") }
        id = pid
    }

    var isRunning: Bool { end == nil }

    /// Looks whether it has ended since.
    /// - Returns: true once, when it has.
    func reap() -> Bool {
        guard isRunning else { return false }
        var status: Int32 = 0
        guard waitpid(id, &status, WNOHANG) == id else { return false }
        let signal = status & 0x7f
        end = signal == 0 ? .exited(status: status >> 8 & 0xff) : .killed(signal: signal)
        return true
    }

    func send(signal: Int32) {
        if isRunning { kill(id, signal) }
    }
}
