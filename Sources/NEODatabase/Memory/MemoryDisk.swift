import NEOProtocol
import Synchronization

/// A disk for one ``MemoryDatabase``, that survives the process and knows what a crash of the machine loses.
///
/// Batches of jobs that are not durable are in the cache of the system: visible, and lost by a crash unless the system
/// happened to write them. Everything is deterministic.
public final class MemoryDisk: Sendable {
    /// How a process ended.
    public enum Interruption: Hashable, Sendable {
        /// The process alone: what it committed is there.
        case processKilled
        /// The machine: batches after the last durable one are lost, except the first `surviving` ones.
        case machineCrashed(surviving: Int)
    }

    private enum Change {
        case batch([DatabaseJob.Operation])
        /// What the memory of the previous process held is gone.
        case newProcess

        var isBatch: Bool { if case .batch = self { true } else { false } }

        func apply(to state: inout MemoryState) {
            switch self {
            case .batch(let operations):
                // They succeeded on the visible state, which was the same.
                for operation in operations { _ = try? state.apply(operation) }
            case .newProcess:
                state.pendingObjects = .init()
            }
        }
    }

    private struct Content {
        /// What readers see. Nil: nothing was ever written.
        var visible: MemoryState?
        /// What a crash leaves.
        var durable: MemoryState?
        /// What makes the visible state from the durable one.
        var unsynced: [Change] = []
        /// The number of the process that may use the disk.
        var generation = 0
        var isOpen = false

        // In place: taking the state out of its optional and putting it back is compiled wrongly by Swift 6.3 with
        // optimisation, and a copy would cost the whole database at each batch.
        mutating func applyToDurable(_ change: Change) {
            guard durable != nil else { return }
            change.apply(to: &durable!)
        }

        /// A batch failed: none of it is there.
        mutating func rollBack() {
            visible = durable
            guard visible != nil else { return }
            for change in unsynced { change.apply(to: &visible!) }
        }
    }

    private let content = Mutex(Content())
    private let space = Mutex<UInt64?>(nil)
    private let isForgetful = Mutex(false)

    public init() {}

    /// What readers say of the space that is left. Nothing takes any.
    public var availableBytes: UInt64? {
        get { space.withLock { $0 } }
        set { space.withLock { $0 = newValue } }
    }

    /// The disk says that batches are durable before they are, as some do: for tests of tests.
    public var ignoresSyncs: Bool {
        get { isForgetful.withLock { $0 } }
        set { isForgetful.withLock { $0 = newValue } }
    }

    /// How many committed batches a crash could lose.
    public var unsyncedBatches: Int { content.withLock { $0.unsynced.count(where: \.isBatch) } }

    /// The process that used the database is gone, and its handles are of no use any more.
    public func interrupt(_ interruption: Interruption) {
        content.withLock { content in
            content.generation += 1
            content.isOpen = false
            if case .machineCrashed(let surviving) = interruption {
                var left = surviving
                for change in content.unsynced {
                    if change.isBatch {
                        guard left > 0 else { break }
                        left -= 1
                    }
                    content.applyToDurable(change)
                }
                content.visible = content.durable
                content.unsynced = []
            }
        }
    }

    /// Reads what is on the disk, whoever uses it.
    public func makeInspector() -> any DatabaseReader { MemoryReader(disk: self, generation: nil) }

    func open(_ options: OpenOptions) throws -> Int {
        try content.withLock { content in
            guard !content.isOpen else { throw DatabaseFailure(.locked, "database is locked") }
            if options.reset || content.visible?.clusterName.isEmpty ?? true {
                content.visible = MemoryState(clusterName: options.clusterName)
                content.durable = content.visible
                content.unsynced = []
            }
            // Only the memory of the previous process had them.
            content.visible?.pendingObjects = .init()
            content.unsynced.append(.newProcess)
            if let name = content.visible?.clusterName, name != options.clusterName {
                throw DatabaseFailure(
                    .wrongCluster,
                    "expected a database of cluster \(options.clusterName), got one of \(name)"
                )
            }
            content.isOpen = true
            content.generation += 1
            return content.generation
        }
    }

    func close(_ generation: Int) throws {
        try content.withLock { content in
            try Self.check(generation, content)
            content.isOpen = false
            content.generation += 1
            content.durable = content.visible
            content.unsynced = []
        }
    }

    func read<Value: Sendable>(_ generation: Int?, _ body: (borrowing MemoryState) throws -> Value) throws -> Value {
        try content.withLock { content in
            if let generation { try Self.check(generation, content) }
            guard let state = content.visible else { throw DatabaseFailure(.failed, "the database is not open") }
            return try body(state)
        }
    }

    func perform(_ generation: Int, _ jobs: [DatabaseJob]) throws -> [DatabaseJobResult] {
        try content.withLock { content in
            try Self.check(generation, content)
            guard content.visible != nil else { throw DatabaseFailure(.failed, "the database is not open") }
            var results: [DatabaseJobResult] = []
            results.reserveCapacity(jobs.count)
            do {
                for job in jobs {
                    results.append(DatabaseJobResult(id: job.id, outcome: try content.visible!.apply(job.operation)))
                }
            } catch {
                content.rollBack()
                throw error
            }
            content.unsynced.append(.batch(jobs.map(\.operation)))
            if jobs.contains(where: \.operation.isDurable), !ignoresSyncs {
                for change in content.unsynced { content.applyToDurable(change) }
                content.unsynced = []
            }
            return results
        }
    }

    private static func check(_ generation: Int, _ content: borrowing Content) throws {
        guard content.isOpen, content.generation == generation else {
            throw DatabaseFailure(.failed, "the database was closed, or its process ended")
        }
    }
}
