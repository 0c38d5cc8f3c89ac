import NEODatabase
import NEOMaster
import NEOProtocol
import NEOStorage

/// A mistake made on purpose, to see that the checks notice it.
///
/// Cores know nothing of it: their hosts alter what they get, send or believe to be on their disks.
public enum Defect: String, CaseIterable, Hashable, Sendable {
    /// A storage answers votes and locks before they are on its disk.
    case unsyncedVotes = "unsynced-votes"
    /// A master unlocks, and tells the client, before the storages have locked.
    case earlyUnlock = "early-unlock"
    /// A client learns of a transaction, and not of the objects that it changed.
    case lostInvalidations = "lost-invalidations"
    /// A storage misses some of the records that it replicates.
    case replicationGap = "replication-gap"
    /// Masters do not look for each other: each leads.
    case twoPrimaries = "two-primaries"
}

extension ClusterLayout {
    /// Has what a defect is about.
    public mutating func suit(_ defect: Defect) {
        spares = 0
        switch defect {
        case .replicationGap:
            storages = max(2, storages)
            replicas = 1
        case .twoPrimaries: masters = max(2, masters)
        case .lostInvalidations:
            clients = max(2, clients)
            cacheBytes = 20 << 20
        case .unsyncedVotes, .earlyUnlock: break
        }
    }
}

extension SimulatedCluster {
    func install(_ defect: Defect) {
        switch defect {
        case .unsyncedVotes: for disk in disks { disk.ignoresSyncs = true }
        case .earlyUnlock: for master in masters { answerLocks(in: master) }
        case .lostInvalidations:
            for client in clients {
                client.node.alterReceived = { frame in
                    guard case .invalidateObjects(var invalidation) = frame.packet else { return frame }
                    invalidation.oids = []
                    return Frame(id: frame.id, .invalidateObjects(invalidation))
                }
            }
        case .replicationGap:
            for storage in storages {
                var count = 0
                storage.alterReceived = { frame in
                    guard case .addObject = frame.packet else { return frame }
                    count += 1
                    return count.isMultiple(of: 5) ? nil : frame
                }
            }
        case .twoPrimaries: break
        }
    }

    private func answerLocks(in master: CoreNode<MasterCore>) {
        master.answerSent = { frame in
            guard case .askLockInformation(let request) = frame.packet else { return nil }
            return Frame(id: frame.id, .answerInformationLocked(AnswerInformationLocked(ttid: request.ttid)))
        }
        master.alterReceived = { frame in
            if case .answerInformationLocked = frame.packet { nil } else { frame }
        }
    }
}
