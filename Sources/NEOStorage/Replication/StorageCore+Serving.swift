import NEODatabase
import NEOEngine
import NEOProtocol
import NEOTopology
import NIOCore
import OrderedCollections

/// Serves other storages, a little at a time (`spec/replication.md §4.9, §4.10, §4.18, §8.4`, `spec/storage.md §20`).
///
/// Between two slices the network is looked at. A peer that does not read is not sent more, so that one of them takes no
/// more memory than a slice and an object.
extension StorageCore {
    /// Requests and notifications of a storage.
    mutating func requestedByStorage(
        _ id: ConnectionID,
        _ request: UInt32,
        _ packet: Packet,
        _ context: inout Context
    ) throws {
        switch packet {
        case .addTransaction(let packet): try received(packet, id, request, &context)
        case .addObject(let packet): try received(packet, id, request, &context)
        case .askFetchTransactions(let ask): try serve(.transactions(ask), for: id, request, &context)
        case .askFetchObjects(let ask): try serve(.objects(ask), for: id, request, &context)
        case .askCheckTIDRange(let ask): try serve(.transactionDigest(ask), for: id, request, &context)
        case .askCheckSerialRange(let ask): try serve(.objectDigest(ask), for: id, request, &context)
        case .closeClient: try peerLeaves(id, &context)
        case .flushLog: break
        default: try unexpected(id, request, packet, &context)
        }
    }

    private mutating func serve(
        _ kind: ServedRequest.Kind,
        for id: ConnectionID,
        _ request: UInt32,
        _ context: inout Context
    ) throws {
        let served = ServedRequest(connection: id, request: request, kind: kind)
        if let peer = links.nid(of: id) { links.update(peer) { $0.isServer = true } }
        guard served.length >= 0 else {
            try violation(id, request, "expected a number of rows, got \(served.length)", &context)
            return
        }
        guard canServe(served) else { return refuse(served, "not readable", &context) }
        if !served.waitsForTransactions, transactions.hidesTransactions(through: served.through) {
            let message =
                "expected a TID that was fetched before, got \(served.through) with a locked transaction below"
            try violation(id, request, message, &context)
            return
        }
        guard serving.append(served) else {
            try violation(id, request, "too many requests at the same time", &context)
            return
        }
        continueServing(rest: 0, &context)
    }

    /// A corrupted cell is compared with the others, but nothing is taken from it.
    private func canServe(_ served: ServedRequest) -> Bool {
        switch served.kind {
        case .transactions, .objects: return isReadable(served.partition)
        case .transactionDigest, .objectDigest:
            guard let nid, let state = table?.state(of: served.partition, at: nid) else { return false }
            return state != .outOfDate
        }
    }

    private func refuse(_ served: ServedRequest, _ problem: String, _ context: inout Context) {
        let message = "partition \(served.partition) \(problem)"
        connections.fail(served.connection, to: served.request, served.refusal, message, &context)
    }

    /// Has the next slice be done once the network was looked at. To be called whenever a request may go on.
    mutating func continueServing(rest: UInt64, _ context: inout Context) {
        guard !serving.isEmpty, !serving.isTimerRunning else { return }
        serving.isTimerRunning = true
        context.startTimer(Timer.serving, milliseconds: rest)
    }

    /// One slice.
    mutating func serveNext(_ context: inout Context) throws {
        serving.isTimerRunning = false
        let transactions = transactions
        let next = serving.take { served in
            guard served.waitsForTransactions, case .waiting = served.progress else { return true }
            return !transactions.hidesTransactions(through: served.through)
        }
        guard var served = next else { return }
        guard connections.isOpen(served.connection) else { return continueServing(rest: 0, &context) }
        guard canServe(served) else {
            refuse(served, "not readable", &context)
            return continueServing(rest: 0, &context)
        }
        if context.buggify(.refusals, onceIn: 50) {
            refuse(served, "not readable, or so it seems", &context)
            return continueServing(rest: 0, &context)
        }
        var done = Work()
        if context.buggify(.smallSlices) { done.limit = 1 }
        let isOver = try work(at: &served, &done, &context)
        let isCongested = serving.count(done.sentBytes, on: served.connection, limit: Self.servedBytes)
        if isCongested { context.effects.append(.notifyWhenWritten(served.connection)) }
        // One at a time is served as long as its peer reads: the database is read in order.
        if !isOver { serving.putBack(served, isFirst: !isCongested) }
        let rest = pace.rest(after: done.rows, bytes: done.sentBytes, now: context.now, configuration.replication)
        continueServing(rest: rest, &context)
    }

    mutating func written(_ id: ConnectionID, _ context: inout Context) {
        serving.written(id)
        continueServing(rest: 0, &context)
    }

    /// What a slice did.
    private struct Work {
        var rows = 0
        var sentBytes = 0
        /// Rows of the slice.
        var limit = StorageCore.servedRows

        var isFull: Bool { rows >= limit || sentBytes >= StorageCore.servedBytes }
    }

    /// Rows of a slice: about a millisecond.
    private static let servedRows = 64
    private static let servedBytes = 64 << 10
    /// Keys that a slice of a digest reads.
    private static let digestedRows = 1000
    /// Rows of a chunk, whatever is asked for: their keys are kept.
    private static let chunkRows = 40_000

    /// - Returns: whether it is answered.
    private func work(at served: inout ServedRequest, _ work: inout Work, _ context: inout Context) throws -> Bool {
        switch (served.progress, served.kind) {
        case (.waiting, .transactions(let ask)):
            served.progress = try plan(ask)
            work.rows = Self.servedRows
            return false
        case (.waiting, .objects(let ask)):
            served.progress = try plan(ask)
            work.rows = Self.servedRows
            return false
        case (.waiting, .transactionDigest(let ask)):
            served.progress = .digesting(CellDigest(ask))
            return false
        case (.waiting, .objectDigest(let ask)):
            served.progress = .digesting(CellDigest(ask))
            return false
        case (.sending(var missing, let answer), _):
            // Not copied: the list in `served` is given up first.
            served.progress = .waiting
            while let key = missing.popLast() {
                guard try send(key, of: served, &work, &context) else { return true }
                if work.isFull { break }
            }
            if missing.isEmpty {
                connections.respond(served.connection, to: served.request, answer, &context)
                return true
            }
            served.progress = .sending(missing, then: answer)
            return false
        case (.digesting(var digest), _):
            work.rows = Self.servedRows
            guard try digest.advance(reader, rows: Self.digestedRows) else {
                served.progress = .digesting(digest)
                return false
            }
            connections.respond(served.connection, to: served.request, digest.answer, &context)
            return true
        }
    }

    /// - Returns: false, and the request is refused, if the row is gone.
    private func send(
        _ key: ObjectRecordID,
        of served: ServedRequest,
        _ work: inout Work,
        _ context: inout Context
    ) throws -> Bool {
        let packet: Packet
        if case .transactions = served.kind {
            guard
                let found = try reader.transaction(key.tid, in: served.partition, includeLocked: false)
            else {
                refuse(served, "dropped", &context)
                return false
            }
            work.sentBytes += found.user.readableBytes + found.description.readableBytes
            work.sentBytes += found.extensionData.readableBytes + 9 * found.oids.count + 64
            packet = AddTransaction(found).packet
        } else {
            guard let revision = try reader.revision(of: key.oid, at: key.tid, in: served.partition) else {
                refuse(served, "dropped or truncated", &context)
                return false
            }
            work.sentBytes += (revision.data?.data.readableBytes ?? 0) + 64
            packet = AddObject(revision, of: key.oid).packet
        }
        work.rows += 1
        connections.respond(served.connection, to: served.request, packet, &context)
        return true
    }

    // MARK: Plans

    private func plan(_ ask: AskFetchTransactions) throws -> ServedRequest.Progress {
        let length = min(ask.length, Self.chunkRows)
        let last = min(ask.max, .max)
        var own: [ObjectRecordID] = []
        if ask.min <= last {
            own = try reader.tids(in: ask.partition, ask.min...last, limit: length + 1).map {
                ObjectRecordID(tid: $0, oid: .zero)
            }
        }
        let known = ask.have.map { ObjectRecordID(tid: $0, oid: .zero) }
        let chunk = ReplicationPlan(own: own, known: known, length: length, isKnownComplete: known.count < ask.length)
        let next = chunk.next(last) { ObjectRecordID(tid: TID($0.tid.rawValue + 1), oid: .zero) }
        var packed: TID?
        if ask.askPackInfo, let nid {
            packed = try reader.cells().first { $0.partition == ask.partition && $0.nid == nid }?.packed ?? .zero
        }
        let answer = AnswerFetchTransactions(
            next: next?.tid,
            deleted: chunk.deleted(before: next).map(\.tid),
            completedPack: packed
        )
        return .sending(chunk.missing(before: next), then: answer.packet)
    }

    private func plan(_ ask: AskFetchObjects) throws -> ServedRequest.Progress {
        let length = min(ask.length, Self.chunkRows)
        let last = min(ask.max, .max)
        var own: [ObjectRecordID] = []
        if ask.min <= last {
            own = try reader.objectRecords(
                in: ask.partition,
                from: ask.min,
                oid: ask.minOID,
                through: last,
                limit: length + 1
            )
        }
        var known: [ObjectRecordID] = []
        for (tid, oids) in ask.have { known += oids.map { ObjectRecordID(tid: tid, oid: $0) } }
        let chunk = ReplicationPlan(own: own, known: known, length: length, isKnownComplete: known.count < ask.length)
        let next = chunk.next(last) { $0.successor }
        let deleted = OrderedDictionary(grouping: chunk.deleted(before: next), by: \.tid).mapValues { $0.map(\.oid) }
        let answer = AnswerFetchObjects(nextTID: next?.tid, nextOID: next?.oid, deleted: deleted)
        return .sending(chunk.missing(before: next), then: answer.packet)
    }
}

extension AddTransaction {
    init(_ record: TransactionRecord) {
        self.init(
            tid: record.tid,
            user: record.user,
            description: record.description,
            extensionData: record.extensionData,
            packed: record.packed,
            ttid: record.ttid,
            oids: record.oids,
            pack: record.pack
        )
    }
}

extension AddObject {
    init(_ revision: Revision, of oid: OID) {
        self.init(
            oid: oid,
            serial: revision.tid,
            compression: revision.data?.compression ?? 0,
            checksum: revision.data?.checksum ?? .zero,
            data: revision.data?.data ?? .init(),
            dataTID: revision.dataTID
        )
    }
}
