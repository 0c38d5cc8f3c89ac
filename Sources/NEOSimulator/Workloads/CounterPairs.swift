import NEOEngine
import NEOProtocol
import NIOCore

/// Both counters of a pair are incremented in one transaction: they are equal in each snapshot.
///
/// The counters of a pair lie in different partitions, if there are several.
public final class CounterPairs: Workload {
    public let name = "counter pairs"
    private let pairs: [(first: OID, second: OID)]

    public init(base: UInt64, pairs count: Int) {
        pairs = (0..<UInt64(count)).map { (OID(base + 2 * $0), OID(base + 2 * $0 + 1)) }
    }

    public var objects: [OID] { pairs.flatMap { [$0.first, $0.second] } }

    public func nextStep(_ random: inout SplitMix64) -> Step {
        let pair = pairs[Int.random(in: pairs.indices, using: &random)]
        return Step(reads: [pair.first, pair.second]) { snapshot in
            [pair.first, pair.second].reduce(into: [:]) { changes, oid in
                changes[oid] = ByteBuffer(integers: [(snapshot.integer(oid) ?? 0) + 1])
            }
        }
    }

    public func examine(_ snapshot: Snapshot) -> String? {
        for pair in pairs where snapshot.integer(pair.first) != snapshot.integer(pair.second) {
            let values = [pair.first, pair.second].map { snapshot.integer($0).map(String.init) ?? "absent" }
            return "counters \(pair.first) and \(pair.second) are \(values[0]) and \(values[1])"
        }
        return nil
    }
}
