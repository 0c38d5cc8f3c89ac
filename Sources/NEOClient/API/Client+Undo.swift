import NEOEngine
import NEOProtocol
import NIOCore
import OrderedCollections

extension Client {
    /// What an undo did, and what is left to the program.
    public struct Undo: Sendable {
        /// The objects that it changes.
        public var oids: [OID] = []
        /// Objects that changed after the undone transaction: to be merged and stored.
        public var overtaken: [OvertakenObject] = []
        /// Conflicts with transactions committed meanwhile, of any object of the transaction.
        public var conflicts: [Conflict] = []
    }

    /// An object that was changed again after the transaction that is undone: see ``Transaction/records(of:)``.
    public struct OvertakenObject: Sendable {
        public var oid: OID
        /// The revision that the undoing transaction sees: the base of what is to be stored. It can be its own TTID.
        public var current: TID
        /// The revision before the undone transaction.
        public var undone: TID

        public init(oid: OID, current: TID, undone: TID) {
            self.oid = oid
            self.current = current
            self.undone = undone
        }
    }
}

extension Client.Transaction {
    /// Bytes of records in memory at a time, but for those that have to be merged.
    private static var windowBytes: Int { 4 << 20 }

    /// Waits until all stores are answered.
    /// - Returns: conflicts to resolve before draining again.
    public func drain() throws(ClientError) -> [Conflict] {
        try conflicts { core, operation, context in core.drain(operation, self.id, &context) }
    }

    /// Takes back what a transaction did (`spec/client.md §12`). All stores must be answered: see ``drain()``.
    ///
    /// Ends in `notUndoable` if objects were changed later in a way that leaves nothing to merge, or were packed.
    public func undo(_ undone: TID) throws(ClientError) -> Client.Undo {
        if try client.lastTransaction() < undone { try client.sync() }
        guard let information = try client.information(about: [undone], maximumBytes: 0).first else {
            throw ClientError(.transactionNotFound, "transaction \(undone) does not exist")
        }
        let snapshot = try client.look { $0.beginUndo(self.id) }.get()
        let records = try undoRecords(of: undone, information.oids, snapshot)
        var result = Client.Undo(oids: records.map { $0.oid })
        var restored: [(oid: OID, tid: TID)] = []
        var current: [OID: TID] = [:]
        for (oid, record) in records {
            current[oid] = record.current
            switch (record.isCurrent, record.undo) {
            case (true, let tid?): restored.append((oid, tid))
            case (true, nil):
                result.conflicts += try store(oid, base: record.current, nil)
            case (false, let tid?):
                result.overtaken.append(Client.OvertakenObject(oid: oid, current: record.current, undone: tid))
            case (false, nil):
                throw ClientError(.notUndoable, "\(oid) was created by \(undone) and changed later", oid: oid)
            }
        }
        var rest = restored[...]
        while !rest.isEmpty {
            for revision in try client.revisions(rest, maximumBytes: Self.windowBytes) {
                let (oid, tid) = rest.removeFirst()
                guard let revision else { throw Self.packed(oid, tid) }
                let ignoresDamage = client.configuration.ignoresWrongChecksum
                let record = try revision.record(ignoresDamage: ignoresDamage)
                let base = current[oid] ?? undone
                result.conflicts += try takeBack(oid, base: base, record, as: revision.stored, from: tid)
            }
        }
        return result
    }

    /// Stores a record that another revision has already.
    private func takeBack(
        _ oid: OID,
        base: TID,
        _ record: ByteBuffer?,
        as stored: StoredData?,
        from dataTID: TID
    ) throws(ClientError) -> [Conflict] {
        let stored = stored ?? ClientCore.prepare(nil, client.configuration.compression)
        return try conflicts { core, operation, context in
            core.store(
                operation,
                self.id,
                oid,
                base: base,
                record: record,
                stored: stored,
                dataTID: dataTID,
                &context
            )
        }
    }

    private static func packed(_ oid: OID, _ tid: TID) -> ClientError {
        ClientError(.undoPack, "revision \(tid) of \(oid), which is to be restored, was packed", oid: oid)
    }

    /// What to do for each object, in the order in which the undone transaction wrote them.
    private func undoRecords(
        of undone: TID,
        _ oids: [OID],
        _ snapshot: ClientCore.UndoSnapshot
    ) throws(ClientError) -> [(oid: OID, record: UndoRecord)] {
        let partitions = try client.partitionCount()
        var groups: OrderedDictionary<PartitionID, [OID]> = [:]
        for oid in oids { groups[oid.partition(of: partitions), default: []].append(oid) }
        let requests = groups.values.map { oids in
            ReadRequest.undoSerials(
                AskObjectUndoSerial(ttid: snapshot.ttid, limit: snapshot.limit, undone: undone, oids: oids)
            )
        }
        var records: [OID: UndoRecord] = [:]
        for answer in try client.read(requests, seeing: id) {
            switch answer {
            case .success(.answerObjectUndoSerial(let answer)):
                for (oid, record) in answer.serials { records[oid] = record }
            case .success(let packet):
                throw ClientError(.internalError, "\(packet.code) is not the answer of an undo")
            case .failure(let error) where error.code == .revisionNotFound:
                // A record disappeared.
                throw ClientError(.notUndoable, "non-undoable transaction \(undone): \(error.message)")
            case .failure(let error): throw error
            }
        }
        // What is only checked by the undone transaction is not among them.
        return oids.compactMap { oid in records[oid].map { (oid, $0) } }
    }

    /// The two records that have to be merged. One object at a time: there can be many, and large ones.
    public func records(
        of object: Client.OvertakenObject
    ) throws(ClientError) -> (committed: ByteBuffer, undone: ByteBuffer) {
        let ttid = try client.look { $0.ttid(of: self.id) }
        var wanted = [(oid: object.oid, tid: object.undone)]
        if object.current != ttid { wanted.append((object.oid, object.current)) }
        var records: [ByteBuffer?] = []
        var rest = wanted[...]
        while !rest.isEmpty {
            for revision in try client.revisions(rest, maximumBytes: Self.windowBytes) {
                rest.removeFirst()
                let ignoresDamage = client.configuration.ignoresWrongChecksum
                records.append(try revision?.record(ignoresDamage: ignoresDamage))
            }
        }
        if object.current == ttid {
            // Changed by an earlier undo of this same transaction.
            records.append(try client.look { $0.writtenRecord(object.oid, of: self.id) }?.data)
        }
        guard records.count == 2, let undone = records[0], let committed = records[1] else {
            let message = "\(object.oid) was deleted since: there is nothing to merge"
            throw ClientError(.notUndoable, message, oid: object.oid)
        }
        return (committed, undone)
    }
}
