import NEOProtocol

/// A question that any storage with a readable cell of a partition can answer (`spec/client.md §9.3`).
public enum ReadRequest: Sendable {
    case object(AskObject)
    case finalTID(AskFinalTID)
    case tids(AskTIDs)
    case transaction(AskTransactionInformation)
    case history(AskObjectHistory)
    case tidsFrom(AskTIDsFrom)
    case oidsFrom(AskOIDsFrom)
    case undoSerials(AskObjectUndoSerial)

    /// The partition asked, in a table of `count` partitions.
    func partition(of count: Int) -> PartitionID {
        switch self {
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
