import NEOEngine
import NEOProtocol
import NEOTransport
import NIOCore
import Synchronization

extension Client {
    /// A transaction: its methods are called by one thread at a time.
    public final class Transaction: Sendable {
        let id: TransactionID
        let client: Client
        /// For the program: what it knows the transaction by.
        public let tag = Atomic<UInt>(0)

        init(id: TransactionID, client: Client) {
            self.id = id
            self.client = client
        }

        /// Stores a record, or deletes the object if it is nil. Storages answer later.
        /// - Parameter base: the revision that the change started from; zero for a new object.
        /// - Returns: conflicts known so far, of any object of the transaction: each is to be given to
        ///   ``resolve(_:_:)``.
        public func store(_ oid: OID, base: TID, _ record: ByteBuffer?) throws(ClientError) -> [Conflict] {
            // Compression and checksum take no lock.
            let stored = ClientCore.prepare(record, client.configuration.compression)
            return try conflicts { core, operation, context in
                core.store(operation, self.id, oid, base: base, record: record, stored: stored, &context)
            }
        }

        /// Stores a record that was committed elsewhere on top of whatever is current, in a transaction that began with
        /// the TID that it had there.
        /// - Parameters:
        ///   - base: a guess at the current revision, which saves a round trip.
        ///   - dataTID: an earlier revision with the same data, of which pack must know. It has to exist.
        public func restore(
            _ oid: OID,
            base: TID,
            _ record: ByteBuffer?,
            dataTID: TID? = nil
        ) throws(ClientError) -> [Conflict] {
            let stored = ClientCore.prepare(record, client.configuration.compression)
            return try conflicts { core, operation, context in
                core.store(
                    operation,
                    self.id,
                    oid,
                    base: base,
                    record: record,
                    stored: stored,
                    dataTID: dataTID,
                    isRestored: true,
                    &context
                )
            }
        }

        /// Stores a record that is a part of something big: it is not kept, neither for the cache nor to be merged, so
        /// that a conflict ends the transaction. Few such bytes are in flight at a time.
        /// - Parameter isRestored: whether it replaces whatever is current: see ``restore(_:base:_:dataTID:)``.
        public func storeUnkept(
            _ oid: OID,
            base: TID,
            _ record: ByteBuffer,
            isRestored: Bool = false
        ) throws(ClientError) -> [Conflict] {
            let stored = ClientCore.prepare(record, client.configuration.compression)
            return try conflicts { core, operation, context in
                core.store(
                    operation,
                    self.id,
                    oid,
                    base: base,
                    record: record,
                    stored: stored,
                    isRestored: isRestored,
                    isKept: false,
                    &context
                )
            }
        }

        /// Stores what merges a conflict.
        public func resolve(_ oid: OID, _ record: ByteBuffer) throws(ClientError) -> [Conflict] {
            let stored = ClientCore.prepare(record, client.configuration.compression)
            return try conflicts { core, operation, context in
                core.resolve(operation, self.id, oid, record: record, stored: stored, &context)
            }
        }

        /// Has the commit fail if the object is not at `serial` any more.
        public func checkCurrentSerial(_ oid: OID, _ serial: TID) throws(ClientError) -> [Conflict] {
            try conflicts { core, operation, context in
                core.checkCurrentSerial(operation, self.id, oid, serial, &context)
            }
        }

        /// Waits for all the answers and makes the transaction durable.
        /// - Returns: conflicts to resolve before voting again; none: the transaction is voted.
        public func vote() throws(ClientError) -> [Conflict] {
            try conflicts { core, operation, context in core.vote(operation, self.id, &context) }
        }

        /// Commits a voted transaction.
        public func finish() throws(ClientError) -> TID {
            var started: OperationID?
            defer { if let started { client.finishing.transactions.withLock { $0[started] = nil } } }
            let result = try client.call(isInterruptible: false) { core, operation, context in
                started = operation
                self.client.finishing.transactions.withLock { $0[operation] = self }
                core.finish(operation, self.id, &context)
            }
            guard case .finished(let tid) = result else { throw client.unexpected(result) }
            return tid
        }

        /// Gives the transaction up; without effect once it is being finished.
        public func abort() {
            try? client.host.perform { core, context in core.abort(self.id, &context) }
        }

        func conflicts(
            _ start: (inout ClientCore, OperationID, inout CoreContext<Never>) -> Void
        ) throws(ClientError) -> [Conflict] {
            switch try client.call(start) {
            case .stored(let conflicts), .conflicts(let conflicts): return conflicts
            case .voted: return []
            case let other: throw client.unexpected(other)
            }
        }
    }
}
