import NEOEngine
import NEOProtocol
import NEOTopology

/// Storages that are dropped: see ``Removal``.
extension MasterCore {
    /// Those that have cells, without the storage itself, and are going to be told the next table.
    func witnesses(ofRemoving nid: NID) -> Set<NID> {
        var witnesses = table.nids.filter { other in
            guard other != nid, let node = registry[other], node.connection != nil else { return false }
            return !isHeldBack(node)
        }
        if clusterState == .recovering {
            witnesses = witnesses.filter { recovery.ptid(of: $0) == table.ptid }
        }
        return witnesses
    }

    /// Answers the operator once the present table is recorded.
    mutating func awaitRecords(by witnesses: Set<NID>, ofRemoving nid: NID, _ source: Source, _ context: inout Context)
    {
        removals.append(Removal(source: source, nid: nid, ptid: table.ptid ?? 0, awaited: witnesses))
        askWhetherRecorded(witnesses.sorted(), &context)
    }

    mutating func removalsRecorded(_ ptid: Int, at nid: NID, _ context: inout Context) {
        for index in removals.indices { removals[index].recorded(ptid, at: nid) }
        answerRemovals(&context)
    }

    mutating func removalsLost(_ nid: NID, _ context: inout Context) {
        for index in removals.indices { removals[index].lost(nid) }
        answerRemovals(&context)
    }

    private mutating func answerRemovals(_ context: inout Context) {
        let ended = removals.filter { $0.outcome != .waiting }
        guard !ended.isEmpty else { return }
        removals.removeAll { $0.outcome != .waiting }
        for removal in ended {
            if removal.outcome == .recorded {
                acknowledge(removal.source, "node permanently removed", &context)
            } else {
                let text =
                    "all storages were lost before they recorded that \(removal.nid) is removed: look, and ask again"
                deny(removal.source, text, &context)
            }
        }
    }
}
