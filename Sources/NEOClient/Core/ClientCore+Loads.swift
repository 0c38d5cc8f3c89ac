import NEOEngine
import NEOProtocol
import NEOTopology
import NIOCore
import OrderedCollections

/// A wish to have a record.
struct LoadRequest: Sendable {
    /// Nil: a prefetch, of which nobody waits for the end.
    var operation: OperationID?
    var oid: OID
    var revision: Revision
}

/// A record that is being fetched: one per object at a time (`spec/client.md §9.2`).
struct Loading: Sendable {
    /// The revision that is asked, the current one made a bound.
    var asked: Revision
    /// The first one asked; the others look again at the end.
    var waiters: [LoadRequest]
    /// Transactions that changed the object since.
    var invalidations: [TID] = []
}

extension ClientCore {
    /// Most records being fetched for ``prefetch(_:before:_:)``.
    private static var maximumPrefetchCount: Int { 1000 }

    /// The revision to look for, `.current` made precise: never newer than what the program was told of.
    private func bounded(_ revision: Revision) -> Revision? {
        guard case .current = revision else { return revision }
        return lastTransaction.map { .before(TID($0.rawValue &+ 1)) }
    }

    /// The record if it is in the cache and may be seen: the path of most reads, without any operation.
    public mutating func cachedRecord(_ oid: OID, _ revision: Revision) -> Record? {
        guard !isUndelivered(revision), let revision = bounded(revision) else { return nil }
        return cache.load(oid, revision, countsMiss: false)
    }

    /// Gives a ``Record``, nil if the object exists and has no revision before the one asked.
    ///
    /// Ends in `objectNotFound` if the object, or the revision, does not exist or is a deletion.
    public mutating func load(
        _ operation: OperationID,
        _ oid: OID,
        _ revision: Revision,
        _ context: inout CoreContext<Never>
    ) {
        load(LoadRequest(operation: operation, oid: oid, revision: revision), &context)
    }

    /// Asks for records that will be wanted soon. Nothing is waited for, nothing fails.
    public mutating func prefetch(_ oids: [OID], before tid: TID, _ context: inout CoreContext<Never>) {
        guard masterConnection != nil, !isUndelivered(.before(tid)) else { return }
        for oid in oids where !cache.contains(oid, .before(tid)) && loading[oid] == nil {
            guard reads.count < Self.maximumPrefetchCount else { return }
            load(LoadRequest(operation: nil, oid: oid, revision: .before(tid)), &context)
        }
    }

    mutating func load(_ request: LoadRequest, _ context: inout Context) {
        if isUndelivered(request.revision) { return undeliveredLoads.append(request) }
        guard let revision = bounded(request.revision) else {
            guard let operation = request.operation else { return }
            return whenMaster(.load(operation, request.oid, request.revision), &context)
        }
        if let record = cache.load(request.oid, revision) {
            if let operation = request.operation { complete(operation, .record(record)) }
            return
        }
        if loading[request.oid] != nil {
            loading[request.oid]?.waiters.append(request)
            return
        }
        loading[request.oid] = Loading(asked: revision, waiters: [request])
        let packet =
            switch revision {
            case .at(let tid): AskObject(oid: request.oid, at: tid, before: nil)
            case .before(let tid): AskObject(oid: request.oid, at: nil, before: tid)
            case .current: AskObject(oid: request.oid, at: nil, before: nil)
            }
        startRead(.object(packet), for: .load(request.oid), &context)
    }

    mutating func loadEnded(_ oid: OID, _ answer: ReadAnswer, _ context: inout Context) {
        guard let entry = loading.removeValue(forKey: oid), let first = entry.waiters.first else { return }
        switch outcome(oid, answer, entry) {
        case .failure(let error):
            if let operation = first.operation {
                if error.code == .revisionNotFound, case .before = first.revision {
                    complete(operation, .record(nil))
                } else {
                    fail(operation, error)
                }
            }
        case .success(let record):
            if let lastTID, record.serial <= lastTID {
                cache.store(oid, record.data, serial: record.serial, next: record.next)
            }
            if case .before(let tid) = entry.asked, let next = record.next, next < tid {
                // It was superseded by what was invalidated meanwhile: not the revision asked any more.
                load(first, &context)
            } else if isUndelivered(first.revision) {
                undeliveredLoads.append(first)
            } else if let operation = first.operation {
                complete(operation, .record(record))
            }
        }
        for waiter in entry.waiters.dropFirst() { load(waiter, &context) }
    }

    private func outcome(_ oid: OID, _ answer: ReadAnswer, _ entry: Loading) -> Result<Record, ClientError> {
        switch answer {
        case .failure(var error):
            error.oid = oid
            return .failure(error)
        case .success(.answerObject(let answer)):
            guard answer.oid == oid else {
                return .failure(ClientError(.refused, "expected \(oid), got \(answer.oid)", oid: oid))
            }
            if answer.isDeletion {
                return .failure(ClientError(.objectNotFound, "\(oid) was deleted by \(answer.serial)", oid: oid))
            }
            let stored = answer.storedData
            var data = ByteBuffer()
            do throws(CompressionError) {
                data = try stored.record()
            } catch {
                // A wrong checksum is accepted only by those who asked for it: see ``endRound``.
                guard configuration.ignoresWrongChecksum, !stored.isIntact else {
                    let message = "cannot decompress \(oid) at \(answer.serial): \(error)"
                    return .failure(ClientError(.wrongChecksum, message, oid: oid, serial: answer.serial))
                }
            }
            let next = answer.nextSerial ?? entry.invalidations.first { $0 > answer.serial }
            return .success(Record(data: data, serial: answer.serial, next: next))
        case .success(let packet):
            return .failure(ClientError(.internalError, "\(packet.code) is not a record", oid: oid))
        }
    }
}

extension ClientCore {
    /// Forgets all the records.
    public mutating func clearCache() {
        cache.removeAll()
        savedCache = nil
    }

    /// The nodes of a type that the client knows: what the last master said, and the masters of the configuration.
    public func knownNodes(_ type: NodeType) -> [NodeRecord] {
        var known = nodes.all(of: type).map(\.record)
        guard type == .master else { return known }
        for address in masters.addresses where !known.contains(where: { $0.address == address }) {
            known.append(NodeRecord(type: .master, address: address, nid: nil, state: .unknown, idTimestamp: nil))
        }
        return known
    }

    /// Whether there is a primary master.
    public var isConnected: Bool { masterConnection != nil }
}
