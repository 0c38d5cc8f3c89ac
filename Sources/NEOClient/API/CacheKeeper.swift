import NEOEngine
import NEOTransport
import Synchronization

/// Writes the cache file of a client: when it is closed, and now and then before, for processes that do not end well.
final class CacheKeeper: Sendable {
    /// How often the keeper looks whether the file is worth writing again.
    private static let intervalMilliseconds: UInt64 = 60_000

    private struct State {
        /// The cache when it was last read or written.
        var addedBytes = 0
        var isWriting = false
    }

    private let path: String
    private let cluster: String
    private let host: BlockingHost<ClientCore>
    private let log: @Sendable (LogLevel, String) -> Void
    private let state = Mutex(State())
    private let thread: PeriodicThread

    init(
        path: String,
        cluster: String,
        host: BlockingHost<ClientCore>,
        log: @escaping @Sendable (LogLevel, String) -> Void
    ) {
        self.path = path
        self.cluster = cluster
        self.host = host
        self.log = log
        thread = PeriodicThread(milliseconds: Self.intervalMilliseconds)
    }

    /// What an earlier process left; nil: nothing that can be used.
    static func read(
        _ path: String,
        _ configuration: ClientConfiguration,
        log: @Sendable (LogLevel, String) -> Void
    ) -> SavedCache? {
        do throws(CacheFile.Failure) {
            return try CacheFile.read(path, cluster: configuration.cluster, maximumBytes: configuration.cacheBytes)
        } catch {
            log(.warning, "cache file \(path): it is not used, \(error)")
            return nil
        }
    }

    /// Begins to look whether the file is worth writing.
    func start() {
        thread.start { [weak self] in self?.saveIfItHasChanged() }
    }

    /// Once a quarter of what fits is new.
    private func saveIfItHasChanged() {
        let counts = host.withCore { core in (core.cache.addedBytes, core.cache.maximumBytes) }
        guard case .success(let (added, maximum)) = counts else { return }
        let last = state.withLock { $0.addedBytes }
        if added - last >= max(1, maximum / 4) { save() }
    }

    /// Writes what the cache has. Failures are logged: the next process begins with less.
    func save() {
        if let snapshot { write(snapshot) }
    }

    struct Snapshot {
        var cache: SavedCache
        var addedBytes: Int
    }

    /// What is to be written; nil: nothing.
    var snapshot: Snapshot? {
        let found = host.withCore { core in
            core.cacheToSave.map { Snapshot(cache: $0, addedBytes: core.cache.addedBytes) }
        }
        return try? found.get()
    }

    func write(_ snapshot: Snapshot) {
        let isFree = state.withLock { state in
            defer { state.isWriting = true }
            return !state.isWriting
        }
        guard isFree else { return }
        do throws(CacheFile.Failure) {
            try CacheFile.write(snapshot.cache, cluster: cluster, to: path)
        } catch {
            log(.warning, "cache file \(path): it was not written, \(error)")
        }
        state.withLock { $0 = State(addedBytes: snapshot.addedBytes) }
    }

    /// Ends the thread. Not in a child process: it has none.
    func stop() {
        if !host.isForked { thread.stop() }
    }
}
