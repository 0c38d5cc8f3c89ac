import NEODatabase
import NEOEngine
import NEOProtocol
import NIOCore

/// What is refused while the disk is nearly full (`spec/storage.md §22`, `spec/database.md §16`, scenario 8).
extension StorageCore {
    /// Whether there is no room for `bytes` more of data.
    mutating func isShortOfSpace(adding bytes: Int, _ context: inout Context) throws -> Bool {
        guard space.isDue(adding: bytes, now: context.now) else { return space.shortage != nil }
        switch space.look(try reader.availableBytes(), now: context.now) {
        case .none: break
        case .ended: context.log(.error, "writes are refused: \(shortageMessage)")
        case .isBack: context.log(.warning, "there is space on the disk again: writes are accepted")
        }
        return space.shortage != nil
    }

    /// Answers a store that brings data, if there is no room for it. The transaction can only be aborted then.
    ///
    /// Deletions, undos that share data, and orders to pack are welcome: that is how space comes back.
    mutating func refusedForSpace(
        _ store: AskStoreObject,
        _ id: ConnectionID,
        _ request: UInt32,
        _ context: inout Context
    ) throws -> Bool {
        let bytes = store.data.readableBytes
        guard bytes > 0, try isShortOfSpace(adding: bytes, &context) else { return false }
        connections.fail(id, to: request, .readOnlyAccess, shortageMessage, &context)
        return true
    }

    private var shortageMessage: String {
        let mebibytes = { (bytes: UInt64) in "\(bytes >> 20) MiB" }
        let node = nid.map(\.description) ?? "this node"
        return "the disk of \(node) is nearly full: expected \(mebibytes(space.reserve)) free, "
            + "got \(mebibytes(space.shortage ?? 0))"
    }
}
