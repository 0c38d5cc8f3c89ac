import NEOProtocol
import NIOCore

/// A revision of an object.
public struct Record: Hashable, Sendable {
    /// The record as the program stored it.
    public var data: ByteBuffer
    public var serial: TID
    /// The following revision; nil if this one is current as far as is known.
    public var next: TID?

    public init(data: ByteBuffer, serial: TID, next: TID?) {
        self.data = data
        self.serial = serial
        self.next = next
    }
}

/// Which revision of an object is wanted (`spec/client.md §9.1`).
public enum Revision: Hashable, Sendable {
    /// The one current at ``ClientCore/lastTransaction``.
    case current
    /// The greatest one before.
    case before(TID)
    /// Exactly this one.
    case at(TID)
}
