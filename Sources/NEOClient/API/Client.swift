import NEOEngine
import NEOProtocol
import NEOTransport
import NIOCore
import Synchronization

/// How the record cache does.
public struct CacheStatistics: Hashable, Sendable {
    public var maximumBytes: Int
    public var bytes: Int
    public var recordCount: Int
    public var hitCount: Int
    public var missCount: Int
}

/// A client of a cluster, for the threads of a program.
///
/// Every method may be called by any thread; those that need the cluster block the calling thread until it has
/// answered. Nothing is connected before the first of them.
///
/// ```swift
/// let client = try Client(configuration) { delivery in … }
/// let transaction = try client.begin()
/// try transaction.store(oid, base: .zero, record)
/// try transaction.vote()
/// let tid = try transaction.finish()
/// ```
public final class Client: Sendable {
    /// What a program is told, whichever of its threads is at work: one at a time, in the order of transactions.
    public enum Delivery: Sendable {
        /// Another client changed these objects.
        case invalidate(TID, [OID])
        /// Transactions up to this one may have been missed. As long as it is being told, ``lastTransaction()`` waits.
        case invalidateAll(TID)
        /// A transaction of this client is committed; its ``Transaction/finish()`` returns after this.
        case finished(Transaction, TID)
    }

    /// Transactions being finished, by operation: what a delivery is about.
    final class Finishing: Sendable {
        let transactions = Mutex<[OperationID: Transaction]>([:])
    }

    public let configuration: ClientConfiguration
    let host: BlockingHost<ClientCore>
    let finishing = Finishing()
    private let lastTransactionID = Atomic<UInt64>(0)
    private let interrupted: (@Sendable () -> Bool)?
    private let cacheKeeper: CacheKeeper?

    /// Reads the cache file and the list of masters, if there are any.
    ///
    /// - Parameters:
    ///   - deliver: told before ``lastTransaction()`` shows what it is about. It must not call the client.
    ///   - interrupted: asked about every 100 ms by each thread that waits; true: the call ends in `interrupted`.
    ///   - log: called by any thread.
    /// - Throws: ``ClientError`` if the list of masters is damaged, or if no master is known.
    public init(
        _ configuration: ClientConfiguration,
        deliver: @escaping @Sendable (Delivery) -> Void = { _ in },
        interrupted: (@Sendable () -> Bool)? = nil,
        log: @escaping @Sendable (LogLevel, String) -> Void = { _, _ in }
    ) throws {
        let masterList = configuration.dynamicMasterList.map { DynamicMasterList(path: $0) }
        let configuration = try configuration.with(masterList)
        self.configuration = configuration
        self.interrupted = interrupted
        let finishing = finishing
        let cacheFile = configuration.ignoresWrongChecksum ? nil : configuration.cacheFile
        var core = ClientCore(configuration: configuration)
        if let path = cacheFile, let saved = CacheKeeper.read(path, configuration, log: log) { core.restore(saved) }
        host = try BlockingHost(
            core: core,
            seed: UInt64.random(in: 0...UInt64.max),
            deliver: { delivery in
                switch delivery {
                case .invalidate(let tid, let oids): deliver(.invalidate(tid, oids))
                case .invalidateAll(let tid): deliver(.invalidateAll(tid))
                case .finished(let operation, let tid):
                    guard let transaction = finishing.transactions.withLock({ $0[operation] }) else { return }
                    deliver(.finished(transaction, tid))
                }
            },
            log: log,
            mastersChanged: masterList.map { Self.writer(of: $0, log) }
        )
        cacheKeeper = cacheFile.map { [host] in
            CacheKeeper(path: $0, cluster: configuration.cluster, host: host, log: log)
        }
        cacheKeeper?.start()
    }

    /// What keeps a list of masters up to date.
    private static func writer(
        of list: DynamicMasterList,
        _ log: @escaping @Sendable (LogLevel, String) -> Void
    ) -> @Sendable ([NodeAddress]) -> Void {
        { masters in
            do throws(DynamicMasterList.Failure) {
                try list.write(masters)
            } catch {
                // The client works without its file (`spec/client.md §20.17`).
                log(.warning, error.description)
            }
        }
    }

    deinit { close() }

    /// Closes the connections; calls in progress fail with `closed`. Once it has returned nothing is delivered any more,
    /// and the cache file is written.
    /// - Returns: false, and nothing is done, if called by a delivery.
    @discardableResult
    public func close() -> Bool {
        let snapshot = cacheKeeper?.snapshot
        guard host.close({ core, context in core.close(&context) }) else { return false }
        cacheKeeper?.stop()
        if let snapshot { cacheKeeper?.write(snapshot) }
        return true
    }

    /// In a child process: closes the descriptors of the parent, and nothing else.
    public func abandon() { host.abandon() }

    // MARK: Reading

    /// The revision of an object; nil if it exists and has none before the one asked.
    public func load(_ oid: OID, _ revision: Revision = .current) throws(ClientError) -> Record? {
        if let record = try look({ core in core.cachedRecord(oid, revision) }) { return record }
        let result = try call(isAnsweredAtOnce: true) { core, operation, context in
            core.load(operation, oid, revision, &context)
        }
        switch result {
        case .record(let record): return record
        case let other: throw unexpected(other)
        }
    }

    /// Asks for records that will be wanted soon. Returns at once.
    public func prefetch(_ oids: [OID], before tid: TID) throws(ClientError) {
        try attempt { () throws(BlockingCallError) in
            try host.perform { core, context in core.prefetch(oids, before: tid, &context) }
        }
    }

    /// The last transaction whose delivery is complete. Waits for the first connection, and while the program is told that
    /// transactions may have been missed.
    public func lastTransaction() throws(ClientError) -> TID {
        let published = host.publishedValue
        if published != TID.invalid.rawValue, !host.isForked { return TID(published) }
        // Whoever tells it cannot wait for its end.
        if host.isDelivering, let last = try look({ $0.lastTransaction }) { return last }
        switch try call({ core, operation, context in core.lastTransaction(operation, &context) }) {
        case .lastTransaction(let tid): return tid
        case let other: throw unexpected(other)
        }
    }

    /// When it returns, ``lastTransaction()`` covers all that was committed before the call, by any client.
    public func sync() throws(ClientError) {
        _ = try call { core, operation, context in core.sync(operation, &context) }
    }

    /// An OID that was never given.
    public func newOID() throws(ClientError) -> OID {
        switch try call({ core, operation, context in core.newOID(operation, &context) }) {
        case .newOID(let oid): return oid
        case let other: throw unexpected(other)
        }
    }

    /// The greatest OID that the cluster gave or has: a rough measure of how many objects there are. Nil: none.
    public func lastOID() throws(ClientError) -> OID? {
        switch try call({ core, operation, context in core.lastOID(operation, &context) }) {
        case .lastOID(let oid): return oid
        case let other: throw unexpected(other)
        }
    }

    // MARK: Writing

    /// Begins a transaction.
    /// - Parameter tid: the TID that it must get; nil: the master chooses.
    public func begin(
        user: ByteBuffer = ByteBuffer(),
        description: ByteBuffer = ByteBuffer(),
        extensionData: ByteBuffer = ByteBuffer(),
        tid: TID? = nil
    ) throws(ClientError) -> Transaction {
        let (_, number) = lastTransactionID.wrappingAdd(1, ordering: .relaxed)
        let id = TransactionID(number)
        do throws(ClientError) {
            _ = try call(isAnsweredAtOnce: true) { core, operation, context in
                core.begin(
                    operation,
                    id,
                    user: user,
                    description: description,
                    extensionData: extensionData,
                    tid: tid,
                    &context
                )
            }
        } catch {
            // Interrupted: the answer is still to come.
            try? host.perform { core, context in core.abort(id, &context) }
            throw error
        }
        return Transaction(id: id, client: self)
    }

    // MARK: Looking inside

    /// Reads or changes the core, without anything to do outside of it.
    func look<Value>(_ body: (inout ClientCore) -> Value) throws(ClientError) -> Value {
        let value: Result<Value, BlockingCallError> = host.withCore(body)
        return try attempt { () throws(BlockingCallError) in try value.get() }
    }

    /// Whether there is a primary master.
    public var isConnected: Bool { (try? look { $0.isConnected }) ?? false }

    public func cacheStatistics() throws(ClientError) -> CacheStatistics {
        try look { core in
            CacheStatistics(
                maximumBytes: core.cache.maximumBytes,
                bytes: core.cache.bytes,
                recordCount: core.cache.count,
                hitCount: core.cache.hits,
                missCount: core.cache.misses
            )
        }
    }

    /// Forgets all the records.
    public func clearCache() throws(ClientError) {
        try look { $0.clearCache() }
    }

    /// Writes the cache file now, if there is one. A failure is logged.
    public func saveCache() { cacheKeeper?.save() }

    /// The nodes of a type that the client knows.
    public func knownNodes(_ type: NodeType) throws(ClientError) -> [NodeRecord] {
        try look { $0.knownNodes(type) }
    }

    // MARK: Calls

    func call(
        isAnsweredAtOnce: Bool = false,
        isInterruptible: Bool = true,
        _ start: (inout ClientCore, OperationID, inout CoreContext<Never>) -> Void
    ) throws(ClientError) -> OperationResult {
        var check: (() -> Bool)?
        if isInterruptible, let interrupted { check = { interrupted() } }
        let outcome: Result<OperationResult, BlockingCallError> = host.call(
            isAnsweredAtOnce: isAnsweredAtOnce,
            interrupted: check,
            start
        )
        let result = try attempt { () throws(BlockingCallError) in try outcome.get() }
        if case .failed(let error) = result { throw error }
        return result
    }

    /// Runs a call of the host, with the errors of the client.
    private func attempt<Value>(_ body: () throws(BlockingCallError) -> Value) throws(ClientError) -> Value {
        do throws(BlockingCallError) {
            return try body()
        } catch .closed {
            throw ClientError.closed
        } catch .forked {
            throw ClientError(.forked, "the client was opened by the parent process, before a fork")
        } catch {
            throw ClientError(.interrupted, "interrupted while waiting")
        }
    }

    func unexpected(_ result: OperationResult) -> ClientError {
        ClientError(.internalError, "unexpected result of an operation: \(result)")
    }
}

extension ClientConfiguration {
    /// The same with the masters that a file remembers.
    /// - Throws: if the file is damaged, or if there is no master at all.
    fileprivate func with(_ list: DynamicMasterList?) throws(ClientError) -> ClientConfiguration {
        var configuration = self
        do throws(DynamicMasterList.Failure) {
            let remembered = try list?.read() ?? []
            configuration.masters += remembered.filter { !masters.contains($0) }
        } catch {
            throw ClientError(.invalidArgument, error.description)
        }
        guard !configuration.masters.isEmpty else {
            throw ClientError(.invalidArgument, "At least one master must be defined")
        }
        return configuration
    }
}
