import NEOProtocol
import NIOCore

/// All that clients tried, saw and were told: what a history is judged by.
public struct Ledger {
    /// A transaction of a client, from its begin to what became of it.
    public struct Attempt {
        public enum Outcome: Hashable, Sendable {
            /// Nothing was said yet; it stays so if the client dies.
            case open
            /// Certainly not committed.
            case aborted
            case committed(TID)
            /// The client was told that nobody knows.
            case unknown
        }

        /// Written into the description of the transaction, and into each of its records.
        public let number: UInt64
        public let client: String
        public var ttid: TTID?
        /// By OID, ascending; nil: the creation of the object is undone.
        public var writes: [(oid: OID, data: ByteBuffer?)] = []
        /// It orders to pack up to this TID.
        public var pack: TID?
        /// When its finish was requested, in virtual nanoseconds; nil: it was not.
        public var requested: UInt64?
        /// When its outcome was told.
        public var ended: UInt64?
        public var outcome = Outcome.open

        /// Whether it may be there or not.
        var isUncertain: Bool { outcome == .unknown || outcome == .open && requested != nil }
    }

    /// What a client read of the database as of one TID.
    public struct Observation {
        public let client: String
        /// When it asked for the last TID, if it asked the only master that leads.
        public let synced: UInt64?
        public let tid: TID
        public var reads: [(oid: OID, serial: TID, data: ByteBuffer?)] = []
    }

    /// An operator orders to forget what was committed after a TID, while no client is there.
    struct Truncation: Hashable, Sendable {
        let tid: TID
        /// How many attempts there were before.
        let attempts: Int
        /// Whether it was done: nil as long as it is uncertain.
        var isDone: Bool?
    }

    public internal(set) var attempts: [Attempt] = []
    var truncation: Truncation?
    public internal(set) var observations: [Observation] = []
    /// What is superseded up to this TID may be gone: a pack up to there was ordered, and perhaps committed.
    public var packed: TID { attempts.compactMap { $0.requested == nil ? nil : $0.pack }.max() ?? .zero }

    /// Whether what was committed may be gone.
    func mayBeTruncated(_ attempt: Attempt, at tid: TID) -> Bool {
        guard let truncation else { return false }
        return tid > truncation.tid && attempt.number <= UInt64(truncation.attempts)
    }

    /// The TID of the last pack order that was acknowledged.
    var lastPackOrder: TID? {
        attempts.compactMap { attempt in
            if attempt.pack != nil, case .committed(let tid) = attempt.outcome { tid } else { nil }
        }.max()
    }
    public internal(set) var conflicts = 0
    public internal(set) var failures = 0

    public var commits: Int { attempts.count { if case .committed = $0.outcome { true } else { false } } }

    /// - Returns: the number of the new attempt, from 1 on.
    mutating func open(by client: String) -> UInt64 {
        let number = UInt64(attempts.count + 1)
        attempts.append(Attempt(number: number, client: client))
        return number
    }

    subscript(number: UInt64) -> Attempt {
        get { attempts[Int(number) - 1] }
        set { attempts[Int(number) - 1] = newValue }
    }

    /// What an attempt writes: its number, so that each record is unique, then the data of the workload.
    static func record(_ number: UInt64, _ payload: ByteBuffer) -> ByteBuffer {
        var record = ByteBuffer(integer: number)
        record.writeImmutableBuffer(payload)
        return record
    }

    /// The data of the workload in a record.
    static func payload(of record: ByteBuffer) -> ByteBuffer {
        record.getSlice(at: record.readerIndex + 8, length: max(0, record.readableBytes - 8)) ?? ByteBuffer()
    }

    static func description(_ number: UInt64) -> ByteBuffer { ByteBuffer(string: "\(number)") }

    static func number(in description: ByteBuffer) -> UInt64? { UInt64(String(buffer: description)) }
}
