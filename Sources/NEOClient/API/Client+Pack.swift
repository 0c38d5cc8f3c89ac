import NEOEngine
import NEOProtocol
import NIOCore

extension Client {
    /// Orders storages to delete old revisions: of each object, those that are not the last one up to `tid`; that one too if
    /// it is a deletion. No unreachable object is searched for. Storages do it later: see ``waitForPack(_:)``.
    ///
    /// - Parameters:
    ///   - tid: at most ``lastTransaction()``.
    ///   - oids: nil: all the objects.
    /// - Returns: the id of the order; nil: there is nothing to pack.
    public func pack(through tid: TID, oids: [OID]? = nil) throws(ClientError) -> TID? {
        guard tid > .zero, oids?.isEmpty != true, try lastTransaction() > .zero else { return nil }
        let transaction = try begin(description: ByteBuffer(string: "IStorage.pack"))
        do throws(ClientError) {
            try transaction.setPackOrder(through: tid, oids: oids)
            _ = try transaction.vote()
            return try transaction.finish()
        } catch {
            transaction.abort()
            throw error
        }
    }

    /// Waits until all the storages have executed a pack order. Returns at once if there is no such order any more.
    /// - Parameter tid: up to where it packs: the cache forgets what it removed.
    public func waitForPack(_ order: TID, through tid: TID? = nil) throws(ClientError) {
        _ = try call { core, operation, context in core.waitForPack(operation, order, &context) }
        if let tid { try look { $0.forgetPacked(through: tid) } }
    }
}

extension Client.Transaction {
    /// Has the transaction carry a pack order: see ``Client/pack(through:oids:)``. Before the vote.
    public func setPackOrder(through tid: TID, oids: [OID]? = nil) throws(ClientError) {
        let order = PackRequest(oids: oids.map { OIDList($0) }, tid: tid)
        _ = try client.call { core, operation, _ in core.setPackOrder(operation, self.id, order) }
    }
}
