import NEOProtocol
import NIOCore

/// A request that needs a write lock.
enum DelayedWrite: Hashable, Sendable {
    case store(AskStoreObject)
    case check(AskCheckCurrentSerial)
    case relock(AskRelockObject)

    var ttid: TTID {
        switch self {
        case .store(let store): store.ttid
        case .check(let check): check.ttid
        case .relock(let relock): relock.ttid
        }
    }

    var oid: OID {
        switch self {
        case .store(let store): store.oid
        case .check(let check): check.oid
        case .relock(let relock): relock.oid
        }
    }

    /// Bytes of object data.
    var bytes: Int {
        if case .store(let store) = self { store.data.readableBytes } else { 0 }
    }
}
