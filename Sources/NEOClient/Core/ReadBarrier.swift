import NEOProtocol

/// Makes a storage show what it has locked before it is asked about it.
///
/// The client knows of a transaction as soon as all storages locked it; each of them publishes it a little later, and
/// answers some questions as if it did not exist until then (`spec/storage.md §11`). It delays the answer to `AskTIDsFrom`:
/// this is asked first, to the same node.
///
/// ```
///   AskTIDs, AskObjectUndoSerial ──▶ raised ──AskTIDsFrom──▶ asked ──AnswerTIDsFrom──▶ passed ──▶ the question
///   AskTransactionInformation ─────▶ none ────TID_NOT_FOUND, but it may be locked────▶ raised
///   others ────────────────────────▶ none
/// ```
enum ReadBarrier: Hashable, Sendable {
    /// The node delays the answer by itself, or there is nothing to wait for.
    case none
    /// To be asked to the node that is chosen.
    case raised
    case asked(NID)
    case passed(NID)

    init(before request: ReadRequest) {
        switch request {
        case .tids, .undoSerials: self = .raised
        case .object, .finalTID, .transaction, .history, .tidsFrom, .oidsFrom: self = .none
        }
    }

    /// What to ask to a node instead of `request`; nil: `request` itself.
    mutating func request(
        before request: ReadRequest,
        to nid: NID,
        last: TID,
        partition: PartitionID
    ) -> AskTIDsFrom? {
        switch self {
        case .none: return nil
        case .passed(nid): return nil
        case .raised, .asked, .passed: self = .asked(nid)
        }
        var bound = last
        if case .transaction(let request) = request { bound = request.tid }
        // Only what is up to the bound is waited for: a busy cluster always has something locked.
        return AskTIDsFrom(min: bound, max: bound, length: 1, partition: partition)
    }

    /// - Returns: the node that answered the barrier; nil: it is another answer.
    mutating func passed() -> NID? {
        guard case .asked(let nid) = self else { return nil }
        self = .passed(nid)
        return nid
    }

    /// A node does not know a transaction.
    /// - Returns: whether it may be locked there.
    mutating func raise(ifUnknown request: ReadRequest?, last: TID) -> Bool {
        guard self == .none, case .transaction(let request)? = request, request.tid <= last else { return false }
        self = .raised
        return true
    }
}
