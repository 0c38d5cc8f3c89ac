import NEODatabase
import NEOEngine
import NEOProtocol
import NIOCore
import OrderedCollections

/// Asks for chunks and stores what comes (`spec/replication.md §4.8, §4.10, §4.11`).
extension StorageCore {
    /// Asks for the next chunks, as long as the database follows and the disk has room.
    mutating func fetchNext(_ context: inout Context) throws {
        for partition in replicator.partitions {
            guard replicationQueue.bytes <= configuration.replication.chunkBytes else { return }
            guard let round = replicator[partition]?.round, case .ready(let bounds) = round.stage else { continue }
            if try isShortOfSpace(adding: configuration.replication.chunkBytes, &context) {
                context.startTimer(Timer.replication, milliseconds: SpaceWatch.milliseconds)
                return
            }
            try fetch(RoundID(partition: partition, serial: round.serial), round, bounds, &context)
        }
    }

    private mutating func fetch(
        _ id: RoundID,
        _ round: ReplicationRound,
        _ bounds: ReplicationChunkBounds,
        _ context: inout Context
    ) throws {
        guard let connection = attached[round.source] else { return }
        let length = context.buggify(.smallChunks) ? 1 : replicator.length
        var lastKnown: ObjectRecordID?
        let request: UInt32?
        let pending = Pending.fetch(id)
        switch bounds {
        case .transactions(let from, let isFirst):
            var known: [TID] = []
            if from <= round.through {
                known = try reader.tids(in: id.partition, from...round.through, limit: length + 1)
            }
            if known.count > length {
                known.removeLast()
                lastKnown = known.last.map { ObjectRecordID(tid: $0, oid: .zero) }
            }
            let ask = AskFetchTransactions(
                partition: id.partition,
                length: length,
                min: from,
                max: round.through,
                have: known,
                askPackInfo: isFirst
            )
            request = connections.ask(connection, ask, then: pending, &context)
        case .objects(let from, let oid):
            var known: [ObjectRecordID] = []
            if from <= round.through {
                known = try reader.objectRecords(
                    in: id.partition,
                    from: from,
                    oid: oid,
                    through: round.through,
                    limit: length + 1
                )
            }
            if known.count > length {
                known.removeLast()
                lastKnown = known.last
            }
            let ask = AskFetchObjects(
                partition: id.partition,
                length: length,
                min: from,
                max: round.through,
                minOID: oid,
                have: OrderedDictionary(grouping: known, by: \.tid).mapValues { $0.map(\.oid) }
            )
            request = connections.ask(connection, ask, then: pending, &context)
        }
        guard let request else { return }
        let fetch = ReplicationFetch(
            id.partition,
            connection,
            request,
            bounds,
            length: length,
            lastKnown: lastKnown,
            now: context.now
        )
        replicator.setStage(.fetching(fetch), of: id)
    }

    // MARK: What a source sends

    /// Rows of an abandoned request are ignored: there is no way to make the source stop.
    mutating func received(
        _ packet: AddTransaction,
        _ connection: ConnectionID,
        _ request: UInt32,
        _ context: inout Context
    )
        throws
    {
        guard let id = replicator.round(fetchedBy: connection, request), let round = replicator.round(id) else {
            return
        }
        guard case .transactions(let from, _)? = round.fetch?.bounds, from <= packet.tid, packet.tid <= round.through,
            packet.ttid <= packet.tid, packet.tid.partition(of: readable.count) == id.partition,
            packet.pack?.tid ?? .zero <= .max, hasRoom(round)
        else {
            try sourceFailed(id, "transaction \(packet.tid) was not asked for", isLong: true, &context)
            return
        }
        let transaction = TransactionRecord(
            tid: packet.tid,
            ttid: packet.ttid,
            user: packet.user,
            description: packet.description,
            extensionData: packet.extensionData,
            packed: packet.packed,
            oids: packet.oids,
            pack: packet.pack
        )
        replicator.updateFetch(id) { $0.add(transaction) }
        try receivedRow(id, &context)
    }

    mutating func received(_ packet: AddObject, _ connection: ConnectionID, _ request: UInt32, _ context: inout Context)
        throws
    {
        guard let id = replicator.round(fetchedBy: connection, request), let round = replicator.round(id) else {
            return
        }
        let key = ObjectRecordID(tid: packet.serial, oid: packet.oid)
        guard case .objects(let from, let oid)? = round.fetch?.bounds, ObjectRecordID(tid: from, oid: oid) <= key,
            key.tid <= round.through, key.oid.rawValue <= TID.max.rawValue, packet.dataTID ?? .zero <= .max,
            key.oid.partition(of: readable.count) == id.partition, (0...127).contains(packet.compression),
            hasRoom(round)
        else {
            try sourceFailed(id, "revision \(packet.serial) of \(packet.oid) was not asked for", isLong: true, &context)
            return
        }
        var data: StoredData?
        if packet.data.readableBytes > 0 || packet.checksum != .zero {
            guard Checksum(of: packet.data) == packet.checksum else {
                // It is corrupted there: another source may have it right (`spec/replication.md §10.18`).
                context.log(.error, "\(round.source) has a wrong checksum of object \(key.oid) at \(key.tid)")
                try sourceFailed(id, "wrong checksum of object \(key.oid) at \(key.tid)", isLong: true, &context)
                return
            }
            data = StoredData(compression: packet.compression, checksum: packet.checksum, data: packet.data)
        }
        let object = ReplicatedObject(oid: key.oid, tid: key.tid, data: data, dataTID: packet.dataTID)
        replicator.updateFetch(id) { $0.add(object) }
        try receivedRow(id, &context)
    }

    private func hasRoom(_ round: ReplicationRound) -> Bool {
        round.fetch.map { $0.rows < $0.length } ?? false
    }

    private mutating func receivedRow(_ id: RoundID, _ context: inout Context) throws {
        let now = context.now
        var full: (chunk: DatabaseJob.ReplicationChunk, bytes: Int)?
        var received = 0
        replicator.updateFetch(id) { fetch in
            fetch.lastActivity = now
            received = fetch.bytes
            if fetch.chunkBytes >= ReplicationQueue.jobBytes || fetch.chunkRows >= ReplicationQueue.jobRows {
                full = fetch.takeChunk()
            }
        }
        if let full { write(full.chunk, bytes: full.bytes, &context) }
        guard received > Self.fetchedBytes, replicationQueue.bytes > Self.fetchedBytes else { return }
        // Much larger objects than before. What was received is known here when it is asked for again.
        replicator.length = 1
        let source = replicator.round(id)?.source
        abandon(id, &context)
        context.log(
            .info,
            "a chunk of \(received) bytes of partition \(id.partition), from \(source.map { "\($0)" } ?? "") is cut"
        )
        try replicateNext(&context)
    }

    /// Bytes of one chunk, and on the way to the database, above which the rest of it is not wanted.
    private static let fetchedBytes = 256 << 20

    // MARK: Ends of chunks

    mutating func answered(
        _ answer: AnswerFetchTransactions,
        of id: RoundID,
        from connection: ConnectionID,
        _ context: inout Context
    ) throws {
        guard let round = replicator.round(id), let fetch = round.fetch, fetch.connection == connection,
            case .transactions(let from, _) = fetch.bounds
        else { return }
        let next = fetch.end(answer.next.map { ObjectRecordID(tid: $0, oid: .zero) }, through: round.through)
        guard next.map({ $0.tid > from && $0.tid <= round.through }) ?? true else {
            try sourceFailed(id, "the chunk after \(from) goes on at \(next?.tid ?? .zero)", isLong: true, &context)
            return
        }
        let deleted = answer.deleted.filter { tid in
            from <= tid && tid <= round.through && next.map { tid < $0.tid } ?? true
                && tid.partition(of: readable.count) == id.partition
        }
        if let packed = answer.completedPack, packed <= .max {
            submit(.lowerPacked(id.partition, packed), &context)
            // The master may have forgotten this order, that all readable cells executed: it is asked for once this one is
            // up to date.
            lastPackID = max(lastPackID, packed)
        }
        var chunk = ended(id, fetch, &context)
        chunk.chunk.deletedTransactions = deleted
        write(chunk.chunk, bytes: chunk.bytes, &context)
        if let next {
            replicator.update(id.partition) { $0.position?.transaction = next.tid }
            replicator.setStage(.ready(.transactions(from: next.tid, isFirst: false)), of: id)
        } else {
            let object = replicator[id.partition]?.position?.object ?? .zero
            replicator.setStage(.ready(.objects(from: object, oid: .zero)), of: id)
        }
        try fetchNext(&context)
    }

    mutating func answered(
        _ answer: AnswerFetchObjects,
        of id: RoundID,
        from connection: ConnectionID,
        _ context: inout Context
    ) throws {
        guard let round = replicator.round(id), let fetch = round.fetch, fetch.connection == connection,
            case .objects(let from, let oid) = fetch.bounds
        else { return }
        let first = ObjectRecordID(tid: from, oid: oid)
        let announced = answer.nextTID.map { ObjectRecordID(tid: $0, oid: answer.nextOID ?? .zero) }
        let next = fetch.end(announced, through: round.through)
        guard next.map({ $0 > first && $0.tid <= round.through }) ?? true else {
            let end = next.map { "\($0.oid) at \($0.tid)" } ?? ""
            try sourceFailed(id, "the chunk after \(oid) at \(from) goes on with \(end)", isLong: true, &context)
            return
        }
        var deleted: [ObjectRecordID] = []
        for (tid, oids) in answer.deleted {
            for oid in oids {
                let key = ObjectRecordID(tid: tid, oid: oid)
                guard first <= key, tid <= round.through, next.map({ key < $0 }) ?? true,
                    oid.rawValue <= TID.max.rawValue, oid.partition(of: readable.count) == id.partition
                else { continue }
                deleted.append(key)
            }
        }
        var (chunk, bytes) = ended(id, fetch, &context)
        chunk.deletedObjects = deleted
        if let next {
            if next.tid > from {
                chunk.progress = TID(next.tid.rawValue - 1)
                replicator.update(id.partition) { $0.position?.object = next.tid }
            }
            write(chunk, bytes: bytes, &context)
            replicator.setStage(.ready(.objects(from: next.tid, oid: next.oid)), of: id)
            try fetchNext(&context)
        } else {
            if from <= round.through { chunk.progress = round.through }
            replicator.setStage(.completing, of: id)
            write(chunk, bytes: bytes, completes: id, &context)
        }
    }

    /// What was received of a chunk that is complete.
    private mutating func ended(
        _ id: RoundID,
        _ fetch: ReplicationFetch,
        _ context: inout Context
    ) -> (chunk: DatabaseJob.ReplicationChunk, bytes: Int) {
        if let source = replicator.round(id)?.source {
            replicator.penalties.remove(source, nil)
            replicator.penalties.remove(source, id.partition)
        }
        if fetch.rows > 0 { replicator.length = fetch.nextLength(configuration.replication) }
        var fetch = fetch
        return fetch.takeChunk()
    }

    /// A source refuses a request.
    mutating func failedFetch(
        _ id: RoundID,
        _ error: ErrorPacket,
        from connection: ConnectionID,
        _ context: inout Context
    )
        throws
    {
        guard let round = replicator.round(id), round.fetch?.connection == connection else { return }
        let isLong = error.code == .backendNotImplemented
        try sourceFailed(id, "\(error.code.name) \(error.message)", isLong: isLong, &context)
    }
}

extension ReplicationFetch {
    /// Where the next chunk begins: what was not told to be here has still to be compared.
    /// - Parameter announced: by the source; nil: this is the end.
    func end(_ announced: ObjectRecordID?, through last: TID) -> ObjectRecordID? {
        guard let lastKnown else { return announced }
        let after: ObjectRecordID
        switch bounds {
        case .transactions: after = ObjectRecordID(tid: TID(lastKnown.tid.rawValue + 1), oid: .zero)
        case .objects: after = lastKnown.successor
        }
        guard after.tid <= last else { return announced }
        return announced.map { min($0, after) } ?? after
    }
}
