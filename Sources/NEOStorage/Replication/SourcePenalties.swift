import NEOEngine
import NEOProtocol

/// Sources that failed are left alone for a while, longer each time (`spec/replication.md §10.6`).
struct SourcePenalties: Hashable, Sendable {
    static let shortestMilliseconds: UInt64 = 1000
    static let longestMilliseconds: UInt64 = 30_000

    private struct Key: Hashable {
        var source: NID
        /// Nil: the connection with the source.
        var partition: PartitionID?
    }

    private struct Penalty: Hashable {
        var begin: Instant
        var milliseconds: UInt64
    }

    private var penalties: [Key: Penalty] = [:]

    /// - Parameter isLong: it is not going to be better soon.
    mutating func add(_ source: NID, _ partition: PartitionID?, isLong: Bool = false, now: Instant) {
        let key = Key(source: source, partition: partition)
        let previous = penalties[key]?.milliseconds ?? 0
        let milliseconds = isLong ? Self.longestMilliseconds : max(previous * 2, Self.shortestMilliseconds)
        penalties[key] = Penalty(begin: now, milliseconds: min(milliseconds, Self.longestMilliseconds))
    }

    /// The source works.
    mutating func remove(_ source: NID, _ partition: PartitionID?) {
        guard !penalties.isEmpty else { return }
        penalties[Key(source: source, partition: partition)] = nil
    }

    /// How long not to ask a source for a partition, in milliseconds.
    func delay(_ source: NID, _ partition: PartitionID, now: Instant) -> UInt64 {
        max(delay(Key(source: source, partition: nil), now), delay(Key(source: source, partition: partition), now))
    }

    func delay(_ source: NID, now: Instant) -> UInt64 { delay(Key(source: source, partition: nil), now) }

    private func delay(_ key: Key, _ now: Instant) -> UInt64 {
        guard let penalty = penalties[key] else { return 0 }
        let elapsed = now.milliseconds(since: penalty.begin)
        return elapsed < penalty.milliseconds ? penalty.milliseconds - elapsed : 0
    }
}
