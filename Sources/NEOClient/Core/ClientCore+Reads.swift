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
    enum Owner: Hashable, Sendable {
        case load(OID)
        /// The request at this index of a ``ReadBatch``.
        case batch(OperationID, Int)
        case finish(OperationID)
        /// A question about the records of an earlier process.
        case savedCache(attempt: Int)
    }

    var request: ReadRequest
    var owner: Owner
    /// The transaction whose own writes must be seen: nodes that failed in it may have missed some.
    var transaction: TransactionID?
    /// Nodes to try in this round, the last one first.
    var cells: [NID] = []
    /// When it was asked to a node last.
    var askedAt: Instant?
    /// Number of nodes of this round.
    var roundCount = 0
    /// Failures in all the rounds.
    var failures = 0
    /// The first record with a wrong checksum.
    var damaged: AnswerObject?
    /// Since when the partition has no readable cell.
    var stalledSince: Instant?
    /// See ``ReadBarrier``.
    var barrier: ReadBarrier

    init(request: ReadRequest, owner: Owner, transaction: TransactionID?) {
        self.request = request
        self.owner = owner
        self.transaction = transaction
        barrier = ReadBarrier(before: request)
    }

    var isLoad: Bool { if case .load = owner { true } else { false } }
}

extension ClientCore {
    typealias ReadAnswer = Result<Packet, ClientError>

    @discardableResult
    mutating func startRead(
        _ request: ReadRequest,
        for owner: Read.Owner,
        seeing transaction: TransactionID? = nil,
        _ context: inout Context
    ) -> ReadID {
        lastRead += 1
        let id = ReadID(rawValue: lastRead)
        reads[id] = Read(request: request, owner: owner, transaction: transaction)
        whenMaster(.read(id), &context)
        return id
    }

    /// Begins a round over the readable cells.
    mutating func restartRead(_ id: ReadID, _ context: inout Context) {
        guard var read = reads[id] else { return }
        guard let partitions else { return whenMaster(.read(id), &context) }
        let partition = read.request.partition(of: partitions.partitions)
        guard partition >= 0, partition < partitions.partitions else {
            let message = "expected a partition below \(partitions.partitions), got \(partition)"
            return endRead(id, .failure(ClientError(.invalidArgument, message)), &context)
        }
        let row = partitions.cells(of: partition).filter(\.state.isReadable)
        var nids = row.map(\.nid)
        if let transaction = read.transaction.flatMap({ transactions[$0] }) {
            nids.removeAll { !transaction.isKnown(by: $0, in: partition) }
            if nids.isEmpty, !row.isEmpty {
                let message = "no readable cell of partition \(partition) has all that the transaction wrote"
                return endRead(id, .failure(ClientError(.unavailable, message)), &context)
            }
        }
        read.cells = order(nids, &context)
        read.roundCount = read.cells.count
        if !read.cells.isEmpty { read.stalledSince = nil }
        reads[id] = read
        if read.cells.isEmpty { stall(id, &context) } else { nextCell(id, afterFailure: false, &context) }
    }

    /// Nodes in the order in which they are to be popped (`spec/client.md §8.3, §20.28`).
    ///
    /// Those that failed lately come last, before them those that let a read wait; the others are drawn, and of the two that
    /// would be first, the one with less to do is. A connection that there is not yet comes after one that there is, and is
    /// opened for the next reads.
    private mutating func order(_ nids: [NID], _ context: inout Context) -> [NID] {
        guard nids.count > 1 else { return nids }
        var drawn: [(nid: NID, rank: UInt64)] = []
        for nid in nids { drawn.append((nid, rank(of: nid, context.now))) }
        drawn.shuffle(using: &context.random)
        var order = drawn.sorted { $0.rank > $1.rank }
        let last = order.count - 1
        guard order[last - 1].rank == 0 else { return order.map(\.nid) }
        for candidate in order.suffix(2) { _ = link(to: candidate.nid, &context) }
        if pendingCount(at: order[last - 1].nid) < pendingCount(at: order[last].nid) { order.swapAt(last - 1, last) }
        return order.map(\.nid)
    }

    /// 0: nothing is known against a node.
    private func rank(of nid: NID, _ now: Instant) -> UInt64 {
        if let mark = failureMarks[nid], mark > now { return mark.nanoseconds }
        guard let since = links[nid]?.readSince else { return 0 }
        return now.milliseconds(since: since) >= ClientConfiguration.slowReadMilliseconds ? 1 : 0
    }

    /// Requests that a node has not answered; many if there is no connection yet.
    private func pendingCount(at nid: NID) -> Int {
        guard let link = links[nid], link.isReady else { return .max }
        return connections[link.connection]?.pendingCount ?? .max
    }

    mutating func nextCell(_ id: ReadID, afterFailure isFailure: Bool, _ context: inout Context) {
        guard reads[id] != nil else { return }
        if isFailure { reads[id]?.failures += 1 }
        if !askNextCell(id, &context) { endRound(id, &context) }
    }

    /// - Returns: false if no node of this round is left.
    @discardableResult
    private mutating func askNextCell(_ id: ReadID, _ context: inout Context) -> Bool {
        while let nid = reads[id]?.cells.popLast() {
            switch link(to: nid, &context) {
            case .ready(let connection):
                ask(id, nid, on: connection, &context)
                return true
            case .pending:
                links[nid]?.reads.append(id)
                return true
            case .unavailable: reads[id]?.failures += 1
            }
        }
        return false
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
            return endRead(id, .failure(notReadable(read.request)), &context)
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
            return endRead(id, .failure(notReadable(read.request)), &context)
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
        if links[nid]?.readSince == nil { links[nid]?.readSince = context.now }
        reads[id]?.askedAt = context.now
        watchReads(&context)
        let pending = Pending.read(id)
        let (last, partition) = (lastTID ?? .zero, read.request.partition(of: partitions?.partitions ?? 1))
        if let barrier = reads[id]?.barrier.request(before: read.request, to: nid, last: last, partition: partition) {
            connections.ask(connection, barrier, then: pending, &context)
            return
        }
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

    private mutating func watchReads(_ context: inout Context) {
        guard !isWatchingReads else { return }
        isWatchingReads = true
        context.startTimer(Timer.slowReads, milliseconds: ClientConfiguration.slowReadMilliseconds)
    }

    /// Asks the next replica for each record that a node lets wait: whichever answers first is believed (`§20.28`).
    mutating func repeatSlowReads(_ context: inout Context) {
        isWatchingReads = false
        for id in Array(reads.keys) {
            guard let read = reads[id], case .object = read.request, let since = read.askedAt,
                context.now.milliseconds(since: since) >= ClientConfiguration.slowReadMilliseconds, !read.cells.isEmpty
            else { continue }
            // Not the end of the round: the node may still answer.
            askNextCell(id, &context)
        }
        if !reads.isEmpty { watchReads(&context) }
    }

    mutating func readAnswered(_ id: ReadID, _ packet: Packet, _ context: inout Context) {
        if let nid = reads[id]?.barrier.passed() { return askAgain(id, nid, &context) }
        if case .answerObject(let answer) = packet, !answer.isDeletion, !answer.storedData.isIntact {
            context.log(.error, "wrong checksum for \(answer.oid) at \(answer.serial)")
            if reads[id]?.damaged == nil { reads[id]?.damaged = answer }
            return nextCell(id, afterFailure: true, &context)
        }
        endRead(id, .success(packet), &context)
    }

    mutating func readFailed(_ id: ReadID, _ error: ErrorPacket, _ failure: ClientError, _ context: inout Context) {
        let (request, last) = (reads[id]?.request, lastTID ?? .zero)
        switch error.code {
        case .nonReadableCell: nextCell(id, afterFailure: false, &context)
        case .tidNotFound where reads[id]?.barrier.raise(ifUnknown: request, last: last) ?? false:
            restartRead(id, &context)
        default: endRead(id, .failure(failure), &context)
        }
    }

    /// Asks the node whose barrier was passed what is to be known.
    private mutating func askAgain(_ id: ReadID, _ nid: NID, _ context: inout Context) {
        guard let link = links[nid], link.isReady else { return nextCell(id, afterFailure: true, &context) }
        ask(id, nid, on: link.connection, &context)
    }

    mutating func endRead(_ id: ReadID, _ answer: ReadAnswer, _ context: inout Context) {
        guard let read = reads.removeValue(forKey: id) else { return }
        switch read.owner {
        case .load(let oid): loadEnded(oid, answer, &context)
        case .finish(let operation): finalTIDFromStorage(operation, answer, &context)
        case .batch(let operation, let index): readOfBatchEnded(operation, index, answer)
        case .savedCache(let attempt): savedCacheAnswered(attempt, answer, &context)
        }
    }

    /// The read will not be tried again and its table of reads is about to be emptied.
    mutating func failOwner(of read: Read, _ error: ClientError) {
        switch read.owner {
        case .load(let oid):
            guard let entry = loading.removeValue(forKey: oid) else { return }
            for waiter in entry.waiters { if let operation = waiter.operation { fail(operation, error) } }
        case .batch(let operation, let index): readOfBatchEnded(operation, index, .failure(error))
        // The next connection to a master begins the check again.
        case .finish, .savedCache: break
        }
    }
}

extension AnswerObject {
    /// Deleted, or its creation was undone: there is no data.
    var isDeletion: Bool { checksum == .zero && data.readableBytes == 0 }

    var storedData: StoredData { StoredData(compression: compression ?? 0, checksum: checksum, data: data) }
}
