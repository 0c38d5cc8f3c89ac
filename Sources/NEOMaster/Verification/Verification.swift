import NEOProtocol
import OrderedCollections

/// What is asked and learnt during VERIFYING (`spec/master.md §6`).
///
/// ```
///   lockedTransactions ─▶ finalTIDs ─▶ validation ─▶ lastIDs ─▶ packOrders ─▶ done
/// ```
///
/// In each step all the answers are awaited; a node that is lost is not awaited any more.
struct Verification: Hashable, Sendable {
    enum Step: Hashable, Sendable {
        case lockedTransactions
        case finalTIDs
        /// Those who can tell later how a transaction ended have to record it before others forget that it was decided.
        case validation
        case lastIDs
        case packOrders
        case done
    }

    private(set) var step = Step.done
    /// Of the table that storages had when they were asked for their last ids.
    var ptid: Int?
    private(set) var awaited: Set<NID> = []
    /// Storages without a readable cell are given the table once those with one recorded it. Else they could be the only ones to
    /// have it, and a master that begins without them later does not know how far its own must be beyond.
    var holdsTableBack = false
    /// The nodes that voted each interrupted transaction.
    private var voted: OrderedDictionary<TTID, [NID]> = [:]
    /// Those whose commit was decided.
    private var decided: [TTID: TID] = [:]
    /// Those to ask final TIDs for, the next one last.
    private var undecided: [TTID] = []
    /// The nodes that may know how the last of `undecided` ended and were not asked, the next one last.
    private var witnesses: [NID]?

    private(set) var lastTID = TID.zero
    private(set) var lastOID = OID.zero
    private(set) var firstTID = TID.max

    mutating func begin(_ step: Step, awaiting nids: [NID]) {
        self.step = step
        awaited = Set(nids)
    }

    /// - Returns: whether all the answers of the step are there.
    mutating func answered(_ nid: NID) -> Bool {
        guard awaited.remove(nid) != nil else { return false }
        return awaited.isEmpty
    }

    // MARK: Interrupted transactions

    /// - Returns: the TTIDs for which another node gave another TID: the databases contradict each other.
    mutating func add(_ transactions: OrderedDictionary<TTID, TID?>, from nid: NID) -> [TTID] {
        var contradictions: [TTID] = []
        for (ttid, tid) in transactions {
            voted[ttid, default: []].append(nid)
            guard let tid else { continue }
            if let other = decided[ttid], other != tid { contradictions.append(ttid) } else { decided[ttid] = tid }
        }
        return contradictions
    }

    /// What to do about interrupted transactions.
    enum Question: Hashable, Sendable {
        case askFinalTID(TTID, of: NID)
        case none
    }

    /// To be called once when all the locked transactions are known.
    mutating func decide() {
        step = .finalTIDs
        awaited = []
        undecided = voted.keys.filter { decided[$0] == nil }.sorted(by: >)
        witnesses = nil
    }

    /// The next node to ask how a transaction ended.
    /// - Parameter candidates: the identified nodes that have a readable cell of the partition of a transaction.
    mutating func nextQuestion(candidates: (TTID) -> [NID]) -> Question {
        while let ttid = undecided.last {
            if witnesses == nil {
                let voters = voted[ttid] ?? []
                witnesses = candidates(ttid).filter { !voters.contains($0) }.reversed()
            }
            if let witness = witnesses?.popLast() {
                awaited = [witness]
                return .askFinalTID(ttid, of: witness)
            }
            undecided.removeLast()
            witnesses = nil
        }
        return .none
    }

    /// The answer of the node that was asked; an answer of another one, or about another transaction, is ignored.
    mutating func finalTID(_ tid: TID?, of ttid: TTID, from nid: NID) -> Bool {
        guard step == .finalTIDs, undecided.last == ttid, awaited.remove(nid) != nil else { return false }
        if let tid {
            decided[ttid] = tid
            undecided.removeLast()
            witnesses = nil
        }
        return true
    }

    mutating func lost(_ nid: NID) {
        witnesses?.removeAll { $0 == nid }
    }

    /// The transactions to validate, in the order of their TIDs, and the nodes that have them voted.
    var validations: [(ttid: TTID, tid: TID, nids: [NID])] {
        voted.compactMap { ttid, nids in decided[ttid].map { (ttid, $0, nids) } }
            .sorted { $0.tid < $1.tid }
    }

    /// The greatest TTID among all of them.
    var lastTTID: TTID { voted.keys.max() ?? .zero }

    /// Transactions whose commit was not decided: storages drop them when they start.
    var dropped: [TTID] { voted.keys.filter { decided[$0] == nil }.sorted() }

    // MARK: Last ids

    mutating func add(_ answer: AnswerLastIDs) {
        lastTID = max(lastTID, answer.lastTID ?? .zero)
        lastOID = max(lastOID, answer.lastOID ?? .zero)
        firstTID = min(firstTID, answer.firstTID)
    }
}
