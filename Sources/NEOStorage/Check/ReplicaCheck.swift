import NEODatabase
import NEOProtocol

/// The comparison of the cells of one partition, conducted by this node (`spec/replication.md §8.3`).
///
/// ```
///   transactions, chunk by chunk ──fewer than a chunk──▶ object records, chunk by chunk ──fewer than a chunk──▶ over
///        │                                                    │
///        └── digests differ: those who are wrong are told to the master and left out; fewer than two left: over
/// ```
struct ReplicaCheck: Sendable {
    /// Rows of a chunk.
    static let length = 40_000

    enum Chunk: Hashable, Sendable {
        case transactions(from: TID)
        case objects(from: ObjectRecordID)
    }

    /// What comes after a comparison.
    enum Verdict: Hashable, Sendable {
        /// Somebody has not answered yet.
        case waiting
        /// - corrupted: those whose rows are wrong.
        /// - isOver: there is nothing left to compare.
        case compared(corrupted: [NID], isOver: Bool)
    }

    let partition: PartitionID
    let min: TID
    let max: TID
    /// The one that is right.
    let reference: NID?
    let own: NID
    /// Who takes part, this node included, ascending.
    private(set) var participants: [NID]
    private(set) var chunk: Chunk
    /// Of the answers that are awaited.
    private(set) var serial: UInt64
    private var digests: [NID: Packet] = [:]
    /// Those that were asked for the chunk.
    private var asked: Set<NID> = []
    /// What this node computes for the chunk.
    var digest: CellDigest?

    init(_ order: CheckPartition, own: NID, peers: [NID], reference: NID?, serial: UInt64) {
        partition = order.partition
        min = order.min
        max = Swift.min(order.max, .max)
        self.own = own
        self.reference = reference
        self.serial = serial
        participants = (peers + [own]).sorted()
        chunk = .transactions(from: order.min)
    }

    var peers: [NID] { participants.filter { $0 != own } }

    /// Whether it makes sense to go on.
    var isPossible: Bool {
        participants.count > 1 && reference.map(participants.contains) ?? true
    }

    /// - Returns: false if the participant was asked already.
    mutating func ask(_ nid: NID) -> Bool {
        participants.contains(nid) && asked.insert(nid).inserted
    }

    mutating func remove(_ nid: NID) {
        participants.removeAll { $0 == nid }
        digests[nid] = nil
    }

    mutating func answered(_ packet: Packet, by nid: NID, serial: UInt64) {
        guard serial == self.serial, participants.contains(nid) else { return }
        digests[nid] = packet
    }

    /// The request for the chunk.
    var request: Packet {
        switch chunk {
        case .transactions(let from):
            AskCheckTIDRange(partition: partition, length: Self.length, min: from, max: max).packet
        case .objects(let from):
            AskCheckSerialRange(partition: partition, length: Self.length, min: from.tid, max: max, minOID: from.oid)
                .packet
        }
    }

    /// Compares what all answered, and moves on to the next chunk.
    mutating func compare(next serial: UInt64) -> Verdict {
        guard participants.allSatisfy({ digests[$0] != nil }) else { return .waiting }
        let truth = reference.flatMap { digests[$0] } ?? majority
        // Nobody is right without a reference or a majority.
        let corrupted = participants.filter { truth == nil || digests[$0] != truth }
        for nid in corrupted { remove(nid) }
        guard let truth, isPossible else { return .compared(corrupted: corrupted, isOver: true) }
        let isOver = advance(truth)
        self.serial = serial
        digests = [:]
        asked = []
        digest = nil
        return .compared(corrupted: corrupted, isOver: isOver)
    }

    private var majority: Packet? {
        participants.lazy.compactMap { digests[$0] }.first { packet in
            participants.count { digests[$0] == packet } * 2 > participants.count
        }
    }

    /// - Returns: whether all was compared.
    private mutating func advance(_ digest: Packet) -> Bool {
        switch digest {
        case .answerCheckTIDRange(let answer):
            chunk =
                answer.count < Self.length || answer.last >= max
                ? .objects(from: ObjectRecordID(tid: min, oid: .zero))
                : .transactions(from: TID(answer.last.rawValue + 1))
            return false
        case .answerCheckSerialRange(let answer):
            let last = ObjectRecordID(tid: answer.lastTID, oid: answer.lastOID)
            chunk = .objects(from: last.successor)
            return answer.count < Self.length || last.successor.tid > max
        default: return true
        }
    }
}
