import NEOProtocol
import NIOCore
import OrderedCollections

extension Transaction {
    var acceptsStores: Bool { phase == .open && waitingStore == nil }

    /// The revision from which the transaction changes an object, or at which it checks it.
    func base(of oid: OID) -> TID? {
        pending[oid]?.base ?? written[oid]?.base ?? resolving[oid]
    }

    /// The objects in the order in which the program stored them, whatever the order of the answers.
    var writtenOIDs: [OID] {
        written.elements.sorted { $0.value.order < $1.value.order }.map(\.key)
    }

    var resolvedConflicts: [ResolvedConflict] {
        resolved.map { ResolvedConflict(oid: $0.key, serial: $0.value) }
    }

    /// Whether a node can tell what the transaction wrote in a partition.
    func isKnown(by nid: NID, in partition: PartitionID) -> Bool {
        if case .failed? = nodes[nid] { return false }
        return partitions[partition]?.contains(nid) ?? true
    }

    /// Replaces what is pending for an object.
    mutating func addPending(_ store: WaitingStore, awaited: [NID]) {
        attempts += 1
        var order = attempts
        if let previous = pending[store.oid] {
            pendingBytes -= previous.content.byteCount
            order = previous.order
        }
        if let previous = written.removeValue(forKey: store.oid) {
            writtenBytes -= previous.content.byteCount
            order = previous.order
        }
        pendingBytes += store.content.byteCount
        pending[store.oid] = PendingStore(
            content: store.content,
            base: store.base,
            dataTID: store.dataTID,
            order: order,
            restored: store.isRestored ? store : nil,
            awaited: awaited,
            attempt: attempts
        )
    }

    /// All the nodes took it: it is kept for the cache if there is room.
    mutating func setWritten(_ oid: OID, maximumBytes: Int) {
        guard let store = pending.removeValue(forKey: oid) else { return }
        let size = store.content.byteCount
        pendingBytes -= size
        var content = store.content
        switch content {
        case .data:
            // What an undo took back can be read again.
            let isKept = keepsWritten && store.dataTID == nil
            if isKept || writtenBytes + size < maximumBytes { writtenBytes += size } else { content = .forgotten }
        case .unkept: content = .forgotten
        case .forgotten, .deleted, .checked: break
        }
        written[oid] = Written(content: content, base: store.base, dataTID: store.dataTID, order: store.order)
    }

    /// The conflicts found, out of the tables, for the program to resolve; `repeated` are those of objects that had one before.
    /// - Throws: the error that ends the transaction if one cannot be resolved.
    mutating func takeConflicts() throws(ClientError) -> (all: [Conflict], repeated: [Conflict]) {
        guard !conflicts.isEmpty else { return ([], []) }
        var taken: [Conflict] = []
        var repeated: [Conflict] = []
        for (oid, serial) in conflicts where resolving[oid] == nil {
            guard let store = pending.removeValue(forKey: oid) else { continue }
            pendingBytes -= store.content.byteCount
            conflicts[oid] = nil
            let data = store.content.data
            switch store.content {
            case .checked:
                let message = "\(oid) was read at \(store.base) and is now at \(serial)"
                throw ClientError(.readConflict, message, oid: oid, serial: serial, base: store.base)
            case .data(let data) where store.base != .zero:
                let conflict = Conflict(oid: oid, serial: serial, base: store.base, data: data)
                taken.append(conflict)
                if resolved.updateValue(serial, forKey: oid) != nil { repeated.append(conflict) }
                resolving[oid] = serial
            case .data, .deleted, .forgotten, .unkept:
                let message = "\(oid) was changed from \(store.base) and is now at \(serial)"
                throw ClientError(.conflict, message, oid: oid, serial: serial, base: store.base, data: data)
            }
        }
        return (taken, repeated)
    }
}
