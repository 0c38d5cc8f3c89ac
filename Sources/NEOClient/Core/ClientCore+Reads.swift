import NEOEngine
import NEOProtocol
import NEOTopology
import NIOCore
import OrderedCollections

struct ReadID: Hashable, Sendable {
    let rawValue: UInt64
}

/// A request that any storage with a readable cell of a partition can answer (`spec/client.md §9.3`).
struct Read: Sendable {
    enum Request: Sendable {
        case object(AskObject)
        case finalTID(AskFinalTID)
        case tids(AskTIDs)
        case transaction(AskTransactionInformation)
        case history(AskObjectHistory)
        case tidsFrom(AskTIDsFrom)
        case oidsFrom(AskOIDsFrom)
        case undoSerials(AskObjectUndoSerial)
    }

    enum Owner: Hashable, Sendable {
        case load(OID)
        case operation(OperationID)
        case finish(OperationID)
    }

    var request: Request
    var owner: Owner
    /// Nodes to try in this round, the last one first.
    var cells: [NID] = []
    /// Number of nodes of this round.
    var roundCount = 0
    /// Failures in all the rounds.
    var failures = 0
    /// The first record with a wrong checksum.
    var damaged: AnswerObject?
    /// Since when the partition has no readable cell.
    var stalledSince: Instant?

    var isLoad: Bool { if case .load = owner { true } else { false } }

    /// The partition asked, in a table of `count` partitions.
    func partition(of count: Int) -> PartitionID {
        switch request {
        case .object(let request): request.oid.partition(of: count)
        case .finalTID(let request): request.ttid.partition(of: count)
        case .tids(let request): request.partition
        case .transaction(let request): request.tid.partition(of: count)
        case .history(let request): request.oid.partition(of: count)
        case .tidsFrom(let request): request.partition
        case .oidsFrom(let request): request.partition
        case .undoSerials(let request): (request.oids.first ?? .zero).partition(of: count)
        }
    }
}

extension ClientCore {
    typealias ReadAnswer = Result<Packet, ClientError>

    mutating func startRead(_ request: Read.Request, for owner: Read.Owner, _ context: inout Context) -> ReadID {
        lastRead += 1
        let id = ReadID(rawValue: lastRead)
        reads[id] = Read(request: request, owner: owner)
        whenMaster(.read(id), &context)
        return id
    }

    /// Begins a round over the readable cells.
    mutating func restartRead(_ id: ReadID, _ context: inout Context) {
        guard var read = reads[id] else { return }
        guard let partitions else { return whenMaster(.read(id), &context) }
        let row = partitions.cells(of: read.partition(of: partitions.partitions))
        read.cells = order(row.filter(\.state.isReadable).map(\.nid), &context)
        read.roundCount = read.cells.count
        if !read.cells.isEmpty { read.stalledSince = nil }
        reads[id] = read
        if read.cells.isEmpty { stall(id, &context) } else { nextCell(id, afterFailure: false, &context) }
    }

    /// Nodes in the order in which they are to be popped: those that failed lately come last, the others are drawn
    /// (`spec/client.md §8.3`).
    private mutating func order(_ nids: [NID], _ context: inout Context) -> [NID] {
        guard nids.count > 1 else { return nids }
        var drawn: [(nid: NID, mark: UInt64)] = []
        for nid in nids {
            let mark = failureMarks[nid] ?? Instant(nanoseconds: 0)
            drawn.append((nid, mark > context.now ? mark.nanoseconds : 0))
        }
        drawn.shuffle(using: &context.random)
        return drawn.sorted { $0.mark > $1.mark }.map(\.nid)
    }

    mutating func nextCell(_ id: ReadID, afterFailure isFailure: Bool, _ context: inout Context) {
        guard reads[id] != nil else { return }
        if isFailure { reads[id]?.failures += 1 }
        while let nid = reads[id]?.cells.popLast() {
            switch link(to: nid, &context) {
            case .ready(let connection): return ask(id, nid, on: connection, &context)
            case .pending:
                links[nid]?.reads.append(id)
                return
            case .unavailable: reads[id]?.failures += 1
            }
        }
        endRound(id, &context)
    }

    private mutating func endRound(_ id: ReadID, _ context: inout Context) {
        guard let read = reads[id] else { return }
        if let damaged = read.damaged {
            if configuration.ignoresWrongChecksum { return endRead(id, .success(damaged.packet), &context) }
            let error = ClientError(
                .wrongChecksum,
                "wrong checksum for \(damaged.oid) at \(damaged.serial) on all replicas",
                oid: damaged.oid,
                serial: damaged.serial
            )
            return endRead(id, .failure(error), &context)
        }
        guard let master = masterConnection else { return whenMaster(.read(id), &context) }
        if read.failures > read.roundCount {
            return endRead(id, .failure(ClientError(.unavailable, "no storage available")), &context)
        }
        // What the master has to say about the cells comes before its answer.
        connections.ask(master, Ping(), then: .readBarrier(id), &context)
    }

    /// The partition has no readable cell: waits for a change of the tables, up to a limit (`§20.21`).
    private mutating func stall(_ id: ReadID, _ context: inout Context) {
        guard let read = reads[id] else { return }
        if let since = read.stalledSince,
            context.now.milliseconds(since: since) >= configuration.unavailablePartitionMilliseconds
        {
            return endRead(id, .failure(ClientError(.unavailable, "no storage available")), &context)
        }
        reads[id]?.stalledSince = read.stalledSince ?? context.now
        stalledReads.append(id)
        context.startTimer(Timer.stalledReads, milliseconds: min(1000, configuration.unavailablePartitionMilliseconds))
    }

    mutating func retryStalledReads(_ context: inout Context) {
        let stalled = stalledReads
        stalledReads = []
        for id in stalled { restartRead(id, &context) }
    }

    mutating func topologyChanged(_ context: inout Context) {
        guard masterConnection != nil, !stalledReads.isEmpty else { return }
        retryStalledReads(&context)
    }

    mutating func ask(_ id: ReadID, _ nid: NID, on connection: ConnectionID, _ context: inout Context) {
        guard let read = reads[id] else { return }
        let pending = Pending.read(id)
        switch read.request {
        case .object(let request): connections.ask(connection, request, then: pending, &context)
        case .finalTID(let request): connections.ask(connection, request, then: pending, &context)
        case .tids(let request): connections.ask(connection, request, then: pending, &context)
        case .transaction(let request): connections.ask(connection, request, then: pending, &context)
        case .history(let request): connections.ask(connection, request, then: pending, &context)
        case .tidsFrom(let request): connections.ask(connection, request, then: pending, &context)
        case .oidsFrom(let request): connections.ask(connection, request, then: pending, &context)
        case .undoSerials(let request): connections.ask(connection, request, then: pending, &context)
        }
    }

    mutating func readAnswered(_ id: ReadID, _ packet: Packet, _ context: inout Context) {
        if case .answerObject(let answer) = packet, !answer.isDeletion, !answer.storedData.isIntact {
            context.log(.error, "wrong checksum for \(answer.oid) at \(answer.serial)")
            if reads[id]?.damaged == nil { reads[id]?.damaged = answer }
            return nextCell(id, afterFailure: true, &context)
        }
        endRead(id, .success(packet), &context)
    }

    mutating func readFailed(_ id: ReadID, _ error: ErrorPacket, _ failure: ClientError, _ context: inout Context) {
        switch error.code {
        case .nonReadableCell: nextCell(id, afterFailure: false, &context)
        default: endRead(id, .failure(failure), &context)
        }
    }

    mutating func endRead(_ id: ReadID, _ answer: ReadAnswer, _ context: inout Context) {
        guard let read = reads.removeValue(forKey: id) else { return }
        switch read.owner {
        case .load(let oid): loadEnded(oid, answer, &context)
        case .finish(let operation): finalTIDFromStorage(operation, answer, &context)
        case .operation(let operation):
            switch answer {
            case .failure(let error): fail(operation, error)
            case .success(let packet): complete(operation, result(of: packet))
            }
        }
    }

    /// The read will not be tried again and its table of reads is about to be emptied.
    mutating func failOwner(of read: Read, _ error: ClientError) {
        switch read.owner {
        case .load(let oid):
            guard let entry = loading.removeValue(forKey: oid) else { return }
            for waiter in entry.waiters { if let operation = waiter.operation { fail(operation, error) } }
        case .operation(let operation): fail(operation, error)
        case .finish: break
        }
    }

    private func result(of packet: Packet) -> OperationResult {
        switch packet {
        case .answerTIDs(let answer): .tids(answer.tids)
        case .answerTIDsFrom(let answer): .tids(answer.tids)
        case .answerTransactionInformation(let answer): .transaction(answer)
        case .answerObjectHistory(let answer): .history(answer.history)
        case .answerOIDsFrom(let answer): .oids(next: answer.next, answer.oids)
        case .answerObjectUndoSerial(let answer): .undoSerials(answer.serials.map { (oid: $0.key, record: $0.value) })
        default: .failed(ClientError(.internalError, "\(packet.code) is not the answer of a read"))
        }
    }

    // MARK: Operations

    /// The number of partitions; nil while there is no master.
    public var partitionCount: Int? { partitions?.partitions }

    /// Metadata of a transaction.
    public mutating func transactionInformation(
        _ operation: OperationID,
        _ tid: TID,
        _ context: inout CoreContext<Never>
    ) {
        _ = startRead(.transaction(AskTransactionInformation(tid: tid)), for: .operation(operation), &context)
    }

    /// Revisions of an object, the most recent first: those of positions `first ..< last`.
    public mutating func history(
        _ operation: OperationID,
        _ oid: OID,
        first: Int,
        last: Int,
        _ context: inout CoreContext<Never>
    ) {
        guard first >= 0, last > first else {
            return fail(operation, ClientError(.invalidArgument, "expected a size of at least 1"))
        }
        let request = AskObjectHistory(oid: oid, first: first, last: last)
        _ = startRead(.history(request), for: .operation(operation), &context)
    }

    /// Transactions of a partition, the most recent first: those of positions `first ..< last`.
    public mutating func tids(
        _ operation: OperationID,
        partition: PartitionID,
        first: Int,
        last: Int,
        _ context: inout CoreContext<Never>
    ) {
        let request = AskTIDs(first: first, last: last, partition: partition)
        _ = startRead(.tids(request), for: .operation(operation), &context)
    }

    /// Transactions of a partition from `minimum` to `maximum`, ascending, at most `count`.
    public mutating func tids(
        _ operation: OperationID,
        partition: PartitionID,
        from minimum: TID,
        to maximum: TID,
        count: Int,
        _ context: inout CoreContext<Never>
    ) {
        let request = AskTIDsFrom(min: minimum, max: maximum, length: count, partition: partition)
        _ = startRead(.tidsFrom(request), for: .operation(operation), &context)
    }

    /// Objects of a partition that exist at `tid`, from `minimum` on, at most `count`.
    public mutating func oids(
        _ operation: OperationID,
        partition: PartitionID,
        from minimum: OID,
        at tid: TID,
        count: Int,
        _ context: inout CoreContext<Never>
    ) {
        let request = AskOIDsFrom(partition: partition, length: count, min: minimum, tid: tid)
        _ = startRead(.oidsFrom(request), for: .operation(operation), &context)
    }
}

extension AnswerObject {
    /// Deleted, or its creation was undone: there is no data.
    var isDeletion: Bool { checksum == .zero && data.readableBytes == 0 }

    var storedData: StoredData { StoredData(compression: compression ?? 0, checksum: checksum, data: data) }
}
