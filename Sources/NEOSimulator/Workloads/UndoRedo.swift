import NEOEngine
import NEOProtocol
import NIOCore

/// Objects that are changed in pairs, and changes that are undone: both objects of a pair are always of the same change.
public final class UndoRedo: Workload {
    public let name = "undo and redo"
    private let pairs: [(first: OID, second: OID)]

    public init(base: UInt64, pairs count: Int) {
        pairs = (0..<UInt64(count)).map { (OID(base + 2 * $0), OID(base + 2 * $0 + 1)) }
    }

    public var objects: [OID] { pairs.flatMap { [$0.first, $0.second] } }

    public func nextStep(_ random: inout SplitMix64) -> Step {
        let pair = pairs[Int.random(in: pairs.indices, using: &random)]
        let value = Int64.random(in: 0...Int64.max, using: &random)
        var step = Step(reads: [pair.first, pair.second]) { _ in
            [pair.first: ByteBuffer(integers: [value]), pair.second: ByteBuffer(integers: [value])]
        }
        step.kind = Bool.random(using: &random) ? .undo : .change
        return step
    }

    public func examine(_ snapshot: Snapshot) -> String? {
        for pair in pairs where snapshot.integer(pair.first) != snapshot.integer(pair.second) {
            return "objects \(pair.first) and \(pair.second) are of two changes"
        }
        return nil
    }
}
