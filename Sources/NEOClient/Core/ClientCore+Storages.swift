import NEOEngine
import NEOProtocol
import NEOTopology
import OrderedCollections

/// The one connection with a storage, shared by all that reads and writes (`spec/client.md §8.1`).
struct StorageLink: Sendable {
    var connection: ConnectionID
    var isReady = false
    /// When the first read was asked of which nothing was heard since; nil: there is none.
    var readSince: Instant?
    /// Reads that wait for it, in order.
    var reads: [ReadID] = []
    /// Transactions that have writes waiting for it, in order.
    var transactions: [TransactionID] = []
}

extension ClientCore {
    enum LinkState {
        case ready(ConnectionID)
        /// A connection is on its way: the caller adds itself to those who wait for it.
        case pending
        /// The node does not run.
        case unavailable
    }

    /// The connection with a storage; opens it if there is none.
    mutating func link(to nid: NID, _ context: inout Context) -> LinkState {
        if let link = links[nid] { return link.isReady ? .ready(link.connection) : .pending }
        guard masterConnection != nil, let node = nodes[nid], node.type == .storage, node.state == .running,
            let address = node.address
        else { return .unavailable }
        let id = connections.connect(to: address, &context)
        roles[id] = .storage(nid)
        links[nid] = StorageLink(connection: id)
        return .pending
    }

    mutating func identifyToStorage(_ id: ConnectionID, _ nid: NID, _ context: inout Context) {
        let request = RequestIdentification(
            type: .client,
            nid: self.nid,
            address: nil,
            cluster: configuration.cluster,
            idTimestamp: idTimestamp,
            extra: Properties()
        )
        connections.ask(id, request, then: .identification, &context)
    }

    mutating func acceptedByStorage(
        _ id: ConnectionID,
        _ nid: NID,
        _ answer: AcceptIdentification,
        _ context: inout Context
    ) {
        guard answer.type == .storage, answer.nid == nid, answer.yourNID == self.nid, var link = links[nid] else {
            return drop(id, "expected \(nid) to identify us as \(self.nid?.description ?? "?")", &context)
        }
        failureMarks[nid] = nil
        storageFailures[nid] = nil
        let (reads, transactions) = (link.reads, link.transactions)
        link.isReady = true
        link.reads = []
        link.transactions = []
        links[nid] = link
        for transaction in transactions { flushWrites(transaction, to: nid, on: id, &context) }
        for read in reads { ask(read, nid, on: id, &context) }
    }

    /// The connection is over, established or not.
    mutating func storageClosed(
        _ connection: Connection<Pending>,
        _ nid: NID,
        reason: String,
        _ context: inout Context
    ) {
        guard let link = links[nid], link.connection == connection.id else { return }
        links[nid] = nil
        storageFailures[nid] = reason
        if !link.isReady {
            failureMarks[nid] = Instant(
                nanoseconds: context.now.nanoseconds &+ ClientConfiguration.failureMarkMilliseconds * 1_000_000
            )
        }
        context.log(.info, "connection with \(nid) (\(connection.peer)) closed: \(reason)")
        // Transactions first: a read that fails may open the next connection at once.
        for id in Array(transactions.keys) { nodeFailed(nid, in: id, &context) }
        for pending in connection.pendingRequests {
            if case .read(let read) = pending { nextCell(read, afterFailure: true, &context) }
        }
        for read in link.reads { nextCell(read, afterFailure: true, &context) }
    }

    /// The master is lost: closes all; reads and transactions are dealt with by the caller.
    mutating func closeStorages(_ context: inout Context) {
        for (_, link) in links {
            roles[link.connection] = nil
            connections.close(link.connection, &context)
        }
        links = [:]
        stalledReads = []
    }

    mutating func receivedFromStorage(
        _ id: ConnectionID,
        _ nid: NID,
        _ request: UInt32,
        _ packet: Packet,
        _ context: inout Context
    ) {
        switch packet {
        case .notifyDeadlock(let notification): relock(notification, at: nid, on: id, &context)
        case .flushLog, .closeClient: break
        default:
            if let connection = connections.abort(id, about: request, .protocolError, "unexpected packet", &context) {
                ended(connection, reason: "unexpected packet \(packet.code)", &context)
            }
        }
    }
}
