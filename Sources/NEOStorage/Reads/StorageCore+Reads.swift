import NEODatabase
import NEOEngine
import NEOProtocol
import NIOCore
import OrderedCollections

/// Reads that wait for transactions on their way to history (`spec/storage.md §9.8, §11, §13`).
extension StorageCore {
    mutating func read(
        _ packet: DelayedRead,
        for id: ConnectionID,
        _ request: UInt32,
        isReadOnly: Bool,
        _ context: inout Context
    ) throws {
        let verdict = try attempt(packet, for: id, request, isReadOnly: isReadOnly, &context)
        guard verdict == .blocked, try charge(id, request, bytes: 0, &context) else { return }
        context.hurry()
        delayedReads.append(packet, from: id, request, received: context.now)
    }

    /// `spec/storage.md §8`
    mutating func retryReads(_ context: inout Context) throws {
        guard delayedReads.beginPass() else { return }
        while let event = delayedReads.next() {
            var isReadOnly = false
            if case .client(_, true) = peers[event.connection]?.role { isReadOnly = true }
            let verdict = try attempt(
                event.packet,
                for: event.connection,
                event.request,
                isReadOnly: isReadOnly,
                &context
            )
            guard verdict == .done else { continue }
            delayedReads.remove(event)
            peers[event.connection]?.delayedCount -= 1
        }
    }

    private mutating func attempt(
        _ packet: DelayedRead,
        for id: ConnectionID,
        _ request: UInt32,
        isReadOnly: Bool,
        _ context: inout Context
    ) throws -> Verdict {
        // What was not replicated everywhere yet is hidden from the clients of a backup cluster.
        let bound = isReadOnly ? backupTID : nil
        switch packet {
        case .object(let ask): return try load(ask, through: bound, for: id, request, &context)
        case .history(let ask): return try history(ask, through: bound, for: id, request, &context)
        case .tids(let ask): return try tids(ask, through: bound, for: id, request, &context)
        case .oids(let ask): return try oids(ask, through: bound, for: id, request, &context)
        }
    }

    /// `AskObject`: the one that matters for speed.
    private func load(
        _ ask: AskObject,
        through bound: TID?,
        for id: ConnectionID,
        _ request: UInt32,
        _ context: inout Context
    ) throws -> Verdict {
        let partition = ask.oid.partition(of: readable.count)
        guard readable[partition] else {
            connections.fail(id, to: request, .nonReadableCell, "", &context)
            return .done
        }
        var selector = RevisionSelector.latest
        if let at = ask.at {
            selector = .at(at)
        } else if let before = ask.before, before <= .max {
            selector = .before(before)
        }
        if let bound { selector = selector.bounded(through: bound) }
        // An old revision can be read meanwhile, as long as it does not pass for the last one (`§22.6`).
        var hidden: TID?
        if !transactions.loadLocks.isEmpty, let ttid = transactions.loadLocks[ask.oid] {
            hidden = transactions[ttid]?.tid
            guard let hidden, selector.isBefore(hidden) else { return .blocked }
        }
        switch try reader.load(ask.oid, in: partition, selector) {
        case .found(let revision):
            let data = revision.data
            let answer = AnswerObject(
                oid: ask.oid,
                serial: revision.tid,
                nextSerial: revision.nextTID ?? hidden,
                compression: data?.compression,
                checksum: data?.checksum ?? .zero,
                data: data?.data ?? ByteBuffer(),
                dataTID: revision.dataTID
            )
            connections.answer(id, to: request, answer, &context)
        case .noSuchRevision: connections.fail(id, to: request, .oidNotFound, "\(ask.oid)", &context)
        case .noSuchObject:
            // Its first revision is being published: it exists, and had no revision before.
            let code: ErrorCode = hidden == nil ? .oidDoesNotExist : .oidNotFound
            connections.fail(id, to: request, code, "\(ask.oid)", &context)
        }
        return .done
    }

    private mutating func history(
        _ ask: AskObjectHistory,
        through bound: TID?,
        for id: ConnectionID,
        _ request: UInt32,
        _ context: inout Context
    ) throws -> Verdict {
        guard ask.first >= 0, ask.first < ask.last else {
            try violation(id, request, "invalid offsets: \(ask.first) to \(ask.last)", &context)
            return .done
        }
        let partition = ask.oid.partition(of: readable.count)
        guard readable[partition] else {
            connections.fail(id, to: request, .nonReadableCell, "", &context)
            return .done
        }
        if transactions.loadLocks[ask.oid] != nil { return .blocked }
        let limit = min(ask.last - ask.first, configuration.limits.listedRevisions)
        var history = try reader.history(of: ask.oid, in: partition, skip: ask.first, limit: limit)
        if let bound { history.removeAll { $0.tid > bound } }
        if history.isEmpty {
            connections.fail(id, to: request, .oidNotFound, "\(ask.oid)", &context)
        } else {
            connections.answer(id, to: request, AnswerObjectHistory(oid: ask.oid, history: history), &context)
        }
        return .done
    }

    private mutating func tids(
        _ ask: AskTIDsFrom,
        through bound: TID?,
        for id: ConnectionID,
        _ request: UInt32,
        _ context: inout Context
    ) throws -> Verdict {
        guard ask.length >= 0 else {
            try violation(id, request, "expected a number of TIDs, got \(ask.length)", &context)
            return .done
        }
        guard isReadable(ask.partition) else {
            connections.fail(id, to: request, .nonReadableCell, "", &context)
            return .done
        }
        if transactions.hidesTransactions(through: ask.max) { return .blocked }
        let last = min(ask.max, bound ?? .max, .max)
        var tids: [TID] = []
        if ask.min <= last, ask.length > 0 {
            let limit = min(ask.length, configuration.limits.listedIDs)
            tids = try reader.tids(in: ask.partition, ask.min...last, limit: limit)
        }
        connections.answer(id, to: request, AnswerTIDsFrom(tids: tids), &context)
        return .done
    }

    private mutating func oids(
        _ ask: AskOIDsFrom,
        through bound: TID?,
        for id: ConnectionID,
        _ request: UInt32,
        _ context: inout Context
    ) throws -> Verdict {
        guard ask.length > 0 else {
            try violation(id, request, "expected a number of objects, got \(ask.length)", &context)
            return .done
        }
        guard isReadable(ask.partition) else {
            connections.fail(id, to: request, .nonReadableCell, "", &context)
            return .done
        }
        if transactions.hidesTransactions(through: ask.tid) { return .blocked }
        let slice = try reader.oids(
            from: ask.min,
            in: ask.partition,
            asOf: min(ask.tid, bound ?? .max),
            limit: min(ask.length, configuration.limits.listedIDs)
        )
        let next = slice.lastConsidered.map { OID($0.rawValue &+ UInt64(readable.count)) }
        connections.answer(id, to: request, AnswerOIDsFrom(next: next, oids: slice.oids), &context)
        return .done
    }

    // MARK: Reads that never wait

    mutating func answer(
        _ ask: AskTIDs,
        to id: ConnectionID,
        _ request: UInt32,
        isReadOnly: Bool,
        _ context: inout Context
    ) throws {
        guard ask.first >= 0, ask.first < ask.last else {
            try violation(id, request, "invalid offsets: \(ask.first) to \(ask.last)", &context)
            return
        }
        let partitions: [PartitionID]
        if ask.partition == Self.allPartitions {
            partitions = readable.indices.filter { readable[$0] }
        } else if isReadable(ask.partition) {
            partitions = [ask.partition]
        } else {
            connections.fail(id, to: request, .nonReadableCell, "", &context)
            return
        }
        let limit = min(ask.last - ask.first, configuration.limits.listedIDs)
        var tids = try reader.tids(in: partitions, skip: ask.first, limit: limit)
        if isReadOnly, let backupTID { tids.removeAll { $0 > backupTID } }
        connections.answer(id, to: request, AnswerTIDs(tids: tids), &context)
    }

    /// `INVALID_PARTITION`
    static let allPartitions = 0xffff_ffff

    mutating func answer(
        _ ask: AskTransactionInformation,
        to id: ConnectionID,
        _ request: UInt32,
        isReadOnly: Bool,
        _ context: inout Context
    ) throws {
        let partition = ask.tid.partition(of: readable.count)
        guard readable[partition] else {
            connections.fail(id, to: request, .nonReadableCell, "", &context)
            return
        }
        let isVisible = !isReadOnly || backupTID.map { ask.tid <= $0 } ?? true
        guard isVisible, let found = try reader.transaction(ask.tid, in: partition, includeLocked: false) else {
            connections.fail(id, to: request, .tidNotFound, "\(ask.tid) does not exist", &context)
            return
        }
        let answer = AnswerTransactionInformation(
            tid: found.tid,
            user: found.user,
            description: found.description,
            extensionData: found.extensionData,
            packed: found.packed,
            oids: found.oids
        )
        connections.answer(id, to: request, answer, &context)
    }

    /// `AskObjectUndoSerial` (`spec/storage.md §12`).
    mutating func answer(
        _ ask: AskObjectUndoSerial,
        to id: ConnectionID,
        _ request: UInt32,
        isReadOnly: Bool,
        _ context: inout Context
    ) throws {
        guard ask.oids.allSatisfy({ readable[$0.partition(of: readable.count)] }) else {
            connections.fail(id, to: request, .nonReadableCell, "", &context)
            return
        }
        let running = transactions[ask.ttid]
        var limit = ask.limit
        if isReadOnly, let backupTID { limit = min(limit ?? .max, TID(backupTID.rawValue &+ 1)) }
        var serials: OrderedDictionary<OID, UndoRecord> = [:]
        for oid in ask.oids {
            var current: TID?
            if let store = running?.writes[oid]?.store { current = store.dataTID ?? ask.ttid }
            let outcome = try reader.undo(
                of: oid,
                in: oid.partition(of: readable.count),
                undoneTID: ask.undone,
                before: limit,
                current: current
            )
            switch outcome {
            case .nothingToUndo: break
            case .found(let record): serials[oid] = record
            case .notVisible:
                connections.fail(id, to: request, .oidNotFound, "\(oid)", &context)
                return
            }
        }
        connections.answer(id, to: request, AnswerObjectUndoSerial(serials: serials), &context)
    }
}

extension RevisionSelector {
    /// Nothing newer than `bound` is to be seen (`spec/storage.md §13`).
    func bounded(through bound: TID) -> RevisionSelector {
        let after = TID(bound.rawValue &+ 1)
        return switch self {
        case .latest: .before(after)
        case .before(let tid): .before(min(tid, after))
        case .at(let tid): .at(tid > bound ? .zero : tid)
        }
    }

    /// Whether the answer is the same before and after revision `tid`, the newest one, becomes visible.
    func isBefore(_ tid: TID) -> Bool {
        switch self {
        case .latest: false
        case .at(let at): at != tid
        case .before(let before): before <= tid
        }
    }
}
