import NEOProtocol
import NIOCore
import OrderedCollections

extension Transaction {
    var acceptsStores: Bool { phase == .open && waitingStore == nil }

    /// The revision from which the transaction changes an object, or at which it checks it.
    func base(of oid: OID) -> TID? {
        pending[oid]?.base ?? written[oid]?.base ?? resolving[oid]
    }

    var resolvedConflicts: [ResolvedConflict] {
        resolved.map { ResolvedConflict(oid: $0.key, serial: $0.value) }
    }

    /// Replaces what is pending for an object.
    mutating func addPending(_ store: WaitingStore, awaited: [NID]) {
        attempts += 1
        if let previous = pending[store.oid] { pendingBytes -= previous.content.byteCount }
        if let previous = written.removeValue(forKey: store.oid) { writtenBytes -= previous.content.byteCount }
        pendingBytes += store.content.byteCount
        pending[store.oid] = PendingStore(
            content: store.content,
            base: store.base,
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
        if case .data = content {
            if writtenBytes + size < maximumBytes { writtenBytes += size } else { content = .forgotten }
        }
        written[oid] = Written(content: content, base: store.base)
    }

    /// The conflicts found, out of the tables, for the program to resolve.
    /// - Throws: the error that ends the transaction if one cannot be resolved.
    mutating func takeConflicts() throws(ClientError) -> [Conflict] {
        guard !conflicts.isEmpty else { return [] }
        var taken: [Conflict] = []
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
                resolved[oid] = serial
                resolving[oid] = serial
                taken.append(Conflict(oid: oid, serial: serial, base: store.base, data: data))
            case .data, .deleted, .forgotten:
                let message = "\(oid) was changed from \(store.base) and is now at \(serial)"
                throw ClientError(.conflict, message, oid: oid, serial: serial, base: store.base, data: data)
            }
        }
        return taken
    }
}
