import Crypto

/// The digest of a range of records, by which replicas are compared: the SHA-1 of the decimal values, joined by commas
/// (`spec/protocol.md §7.5`).
public struct RangeDigest: Sendable {
    /// How many values were added.
    public private(set) var count = 0
    private var hash = Insecure.SHA1()
    /// Text that is not hashed yet.
    private var text: [UInt8] = []

    public init() {}

    /// Adds a value; values come in the ascending order of their records.
    public mutating func append(_ value: UInt64) {
        if count > 0 { text.append(UInt8(ascii: ",")) }
        count += 1
        let start = text.count
        var rest = value
        repeat {
            text.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10))
            rest /= 10
        } while rest > 0
        text[start...].reverse()
        if text.count >= 4096 {
            hash.update(data: text)
            text.removeAll(keepingCapacity: true)
        }
    }

    /// The digest of the values so far, ``Checksum/zero`` if there are none.
    public var checksum: Checksum {
        guard count > 0 else { return .zero }
        var hash = hash
        hash.update(data: text)
        return Checksum(hash.finalize())
    }
}

extension AnswerCheckTIDRange {
    /// The answer for the transactions `tids`, in ascending order.
    public init(_ tids: some Sequence<TID>) {
        var digest = RangeDigest()
        var last = TID.zero
        for tid in tids {
            digest.append(tid.rawValue)
            last = tid
        }
        self.init(count: digest.count, digest: digest.checksum, last: last)
    }
}

extension AnswerCheckSerialRange {
    /// The answer for the records `serials`, in ascending order.
    public init(_ serials: some Sequence<(tid: TID, oid: OID)>) {
        var tids = RangeDigest()
        var oids = RangeDigest()
        var last = (tid: TID.zero, oid: OID.zero)
        for serial in serials {
            tids.append(serial.tid.rawValue)
            oids.append(serial.oid.rawValue)
            last = serial
        }
        self.init(
            count: tids.count,
            tidDigest: tids.checksum,
            lastTID: last.tid,
            oidDigest: oids.checksum,
            lastOID: last.oid
        )
    }
}
