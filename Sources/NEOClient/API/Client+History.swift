import NEOProtocol
import NEOTopology
import NIOCore

/// What was committed (`spec/client.md §13`). These methods ask storages; the record cache is neither looked at nor filled.
///
/// Lists can be long: each method gives a part of them, whose size the caller bounds, and never an empty part before the end.
extension Client {
    // MARK: Transactions

    /// TIDs from `start` to `stop`, both included, ascending: the first ones, about `count`. Empty: there are no more.
    public func transactions(from start: TID, through stop: TID, count: Int) throws(ClientError) -> [TID] {
        guard start <= stop, count > 0 else { return [] }
        let partitions = try partitionCount()
        // TIDs are spread over the partitions: each has its share, more or less.
        let share = count / partitions * 2 + 16
        let answers = try read(
            (0..<partitions).map { .tidsFrom(AskTIDsFrom(min: start, max: stop, length: share, partition: $0)) }
        )
        var merged: [TID] = []
        // Beyond the end of the shortest full list, some may be missing.
        var bound = stop
        for answer in answers {
            guard case .answerTIDsFrom(let answer) = try answer.get() else { throw unexpected("TIDs") }
            merged += answer.tids
            if answer.tids.count >= share, let last = answer.tids.last { bound = min(bound, last) }
        }
        return merged.filter { $0 <= bound }.sorted()
    }

    /// The newest TIDs, in descending order: at least `count` of them, unless they are all there are.
    public func newestTransactions(_ count: Int) throws(ClientError) -> (tids: [TID], isComplete: Bool) {
        let partitions = try partitionCount()
        var length = count / partitions * 2 + 16
        while true {
            let answers = try read(
                (0..<partitions).map { .tids(AskTIDs(first: 0, last: length, partition: $0)) }
            )
            var merged: [TID] = []
            var bound = TID.zero
            for answer in answers {
                guard case .answerTIDs(let answer) = try answer.get() else { throw unexpected("TIDs") }
                merged += answer.tids
                if answer.tids.count >= length, let last = answer.tids.last { bound = max(bound, last) }
            }
            let exact = merged.filter { $0 >= bound }.sorted(by: >)
            if bound == .zero || exact.count >= count { return (exact, bound == .zero) }
            length *= 2
        }
    }

    /// The metadata of transactions: of the first ones of the list, about `maximumBytes` of them, at least of one.
    public func information(
        about tids: ArraySlice<TID>,
        maximumBytes: Int
    ) throws(ClientError) -> [TransactionInformation] {
        var window = ReadWindow(maximumBytes: maximumBytes)
        var all: [TransactionInformation] = []
        while let range = window.next(of: tids) {
            let answers = try read(tids[range].map { .transaction(AskTransactionInformation(tid: $0)) })
            for answer in answers {
                guard case .answerTransactionInformation(let answer) = try answer.get() else {
                    throw unexpected("the metadata of a transaction")
                }
                let information = TransactionInformation(answer)
                window.received(information.byteCount)
                all.append(information)
            }
        }
        return all
    }

    // MARK: Objects

    /// Revisions of an object, the newest first: at most `count` (`spec/client.md §13.4`).
    public func history(of oid: OID, count: Int) throws(ClientError) -> [HistoryRecord] {
        guard count > 0 else { return [] }
        let answers = try read([.history(AskObjectHistory(oid: oid, first: 0, last: count))])
        for answer in answers {
            if case .answerObjectHistory(let answer) = try answer.get() { return answer.history }
        }
        throw unexpected("the history of \(oid)")
    }

    /// Exact revisions: the first ones of the list, about `maximumBytes` of them, at least one. Nil: there is no such
    /// revision, because it was packed or because the transaction only checked the object.
    public func revisions(
        _ wanted: ArraySlice<(oid: OID, tid: TID)>,
        maximumBytes: Int
    ) throws(ClientError) -> [StoredRevision?] {
        var window = ReadWindow(maximumBytes: maximumBytes)
        var all: [StoredRevision?] = []
        while let range = window.next(of: wanted) {
            let answers = try read(
                wanted[range].map { .object(AskObject(oid: $0.oid, at: $0.tid, before: nil)) }
            )
            for answer in answers {
                let revision = try Self.revision(answer)
                window.received(64 + (revision?.stored?.data.readableBytes ?? 0))
                all.append(revision)
            }
        }
        return all
    }

    private static func revision(_ answer: Result<Packet, ClientError>) throws(ClientError) -> StoredRevision? {
        switch answer {
        case .success(.answerObject(let answer)): return StoredRevision(answer)
        case .success(let packet): throw ClientError(.internalError, "\(packet.code) is not a record")
        case .failure(let error) where error.code == .objectNotFound || error.code == .revisionNotFound: return nil
        case .failure(let error): throw error
        }
    }

    /// Objects that exist at `tid`, from `start` on, ascending: the first ones, about `count`.
    /// - Returns: them, and from where to go on; nil: there are no more.
    public func objects(at tid: TID, from start: OID, count: Int) throws(ClientError) -> (oids: [OID], next: OID?) {
        let partitions = try partitionCount()
        let share = max(1, count) / partitions + 2
        var start = start
        while true {
            let answers = try read(
                (0..<partitions).map {
                    .oidsFrom(AskOIDsFrom(partition: $0, length: share, min: start, tid: tid))
                }
            )
            var merged: [OID] = []
            var next: OID?
            for answer in answers {
                guard case .answerOIDsFrom(let answer) = try answer.get() else { throw unexpected("OIDs") }
                merged += answer.oids
                if let bound = answer.next { next = min(next ?? bound, bound) }
            }
            if let next { merged.removeAll { $0 >= next } }
            if let next, merged.isEmpty, next > start {
                // All those considered are deleted.
                start = next
                continue
            }
            return (merged.sorted(), next)
        }
    }

    // MARK: Questions

    /// Asks questions together; gives the answers in their order.
    func read(
        _ requests: [ReadRequest],
        seeing transaction: TransactionID? = nil
    ) throws(ClientError) -> [Result<Packet, ClientError>] {
        let result = try call { core, operation, context in
            core.read(operation, requests, seeing: transaction, &context)
        }
        guard case .answers(let answers) = result, answers.count == requests.count else {
            throw unexpected(result)
        }
        return answers
    }

    /// The number of partitions. Connects if needed; a cluster never changes it.
    func partitionCount() throws(ClientError) -> Int {
        if let count = try look({ $0.partitionCount }) { return count }
        try sync()
        if let count = try look({ $0.partitionCount }) { return count }
        throw ClientError(.unavailable, "connection to primary master node closed")
    }

    private func unexpected(_ expected: String) -> ClientError {
        ClientError(.internalError, "expected \(expected) as the answer of a storage")
    }
}

/// How many things of unknown size to ask at once: few at first, then as many as fit, by the largest one seen.
struct ReadWindow: Sendable {
    private static let first = 8
    private static let most = 256

    private let maximumBytes: Int
    private var position: Int?
    private var bytes = 0
    private var largest = 0
    private var previous = 0

    init(maximumBytes: Int) {
        self.maximumBytes = maximumBytes
    }

    mutating func received(_ size: Int) {
        bytes += size
        largest = max(largest, size)
    }

    /// What to ask next of a list; nil: it is asked completely, or there is no room for more.
    mutating func next<Element>(of list: ArraySlice<Element>) -> Range<Int>? {
        let start = position ?? list.startIndex
        guard start < list.endIndex, position == nil || bytes < maximumBytes else { return nil }
        let fitting = previous == 0 ? Self.first : (maximumBytes - bytes) / max(largest, 1)
        let count = min(max(1, fitting), Self.most, max(Self.first, 2 * previous), list.endIndex - start)
        previous = count
        position = start + count
        return start..<start + count
    }
}
