import MessagePack
import NIOCore

/// The objects of a partial pack order.
///
/// Reference storages answer the OIDs concatenated in one `bin`: both forms are read, only the array is written, since
/// the other one stops a reference storage (`spec/protocol.md §13`, packs).
public struct OIDList: WireValue {
    public var oids: [OID]

    public init(_ oids: [OID]) {
        self.oids = oids
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        guard case 0xc4...0xc6 = try reader.peek() else {
            oids = try .init(from: &reader)
            return
        }
        var bytes = try reader.readBinary()
        guard bytes.readableBytes.isMultiple(of: 8) else {
            throw MessagePackError(.wrongCount, "expected OIDs of 8 bytes, got \(bytes.readableBytes) bytes")
        }
        oids = []
        oids.reserveCapacity(bytes.readableBytes / 8)
        while let oid = bytes.readInteger(as: UInt64.self) { oids.append(OID(oid)) }
    }

    public func encode(into writer: inout MessagePackWriter) { oids.encode(into: &writer) }
}
