import NEOEngine
import NEOProtocol

/// Requests of those who connected to this node (`spec/storage.md §5`).
extension StorageCore {
    /// What became of a request.
    enum Verdict: Hashable, Sendable {
        /// Answered, or its answer is on its way.
        case done
        /// It has to wait.
        case blocked
    }

    mutating func requested(
        _ id: ConnectionID,
        _ request: UInt32,
        _ packet: Packet,
        _ context: inout Context
    ) throws {
        guard let peer = peers[id] else { return }
        switch peer.role {
        case .client(let nid, let isReadOnly):
            clientRequests &+= 1
            pace.servedForeground(context.now)
            // First what costs least and comes most often.
            if case .askObject(let ask) = packet {
                try read(.object(ask), for: id, request, isReadOnly: isReadOnly, &context)
            } else {
                try served(id, nid, isReadOnly: isReadOnly, request, packet, &context)
            }
        case .unidentified: try introduced(id, request, packet, &context)
        case .storage: try requestedByStorage(id, request, packet, &context)
        }
    }

    private mutating func served(
        _ id: ConnectionID,
        _ nid: NID,
        isReadOnly: Bool,
        _ request: UInt32,
        _ packet: Packet,
        _ context: inout Context
    ) throws {
        switch packet {
        case .askObjectHistory(let ask):
            try read(.history(ask), for: id, request, isReadOnly: isReadOnly, &context)
        case .askTIDsFrom(let ask): try read(.tids(ask), for: id, request, isReadOnly: isReadOnly, &context)
        case .askOIDsFrom(let ask): try read(.oids(ask), for: id, request, isReadOnly: isReadOnly, &context)
        case .askTIDs(let ask): try answer(ask, to: id, request, isReadOnly: isReadOnly, &context)
        case .askTransactionInformation(let ask): try answer(ask, to: id, request, isReadOnly: isReadOnly, &context)
        case .askObjectUndoSerial(let ask): try answer(ask, to: id, request, isReadOnly: isReadOnly, &context)
        case .abortTransaction(let abort):
            // Not an error: the transaction may have ended, and its id may even be another client's by now.
            guard transactions[abort.ttid]?.owner == nid else { return }
            try self.abort(abort.ttid, &context)
        case .closeClient: try close(id, "the client leaves", &context)
        case .flushLog: break
        case .askStoreObject, .askCheckCurrentSerial, .askRelockObject, .askStoreTransaction, .askVoteTransaction,
            .askFinalTID:
            if isReadOnly {
                let message = "read-only access because cluster is in backuping mode"
                connections.fail(id, to: request, .readOnlyAccess, message, &context)
            } else {
                try written(id, nid, request, packet, &context)
            }
        default:
            if packet.payload is any RequestPayload {
                try unexpected(id, request, packet, &context)
            } else {
                try close(id, "unexpected packet \(packet.code)", &context)
            }
        }
    }

    /// Requests of a client that write.
    private mutating func written(
        _ id: ConnectionID,
        _ nid: NID,
        _ request: UInt32,
        _ packet: Packet,
        _ context: inout Context
    ) throws {
        switch packet {
        case .askStoreObject(let store):
            guard try !refusedForSpace(store, id, request, &context) else { return }
            try write(.store(store), for: id, nid, request, &context)
        case .askCheckCurrentSerial(let check): try write(.check(check), for: id, nid, request, &context)
        case .askRelockObject(let relock): try write(.relock(relock), for: id, nid, request, &context)
        case .askStoreTransaction(let vote): try self.vote(vote, for: id, nid, request, &context)
        case .askVoteTransaction(let vote): try self.vote(vote.ttid, for: id, nid, request, &context)
        case .askFinalTID(let ask): try answerFinalTID(of: ask.ttid, to: id, request, &context)
        default: break
        }
    }
}
