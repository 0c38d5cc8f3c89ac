import NEOProtocol

/// A read that must not miss a transaction of which a client may know (`spec/storage.md §9.8`).
enum DelayedRead: Hashable, Sendable {
    case object(AskObject)
    case history(AskObjectHistory)
    case tids(AskTIDsFrom)
    case oids(AskOIDsFrom)
}
