import NEOEngine
import NEOProtocol

/// Orders to pack, while all the other programs go on.
public final class Packs: Workload {
    public let name = "packs"
    public let objects: [OID] = []

    public init() {}

    public func nextStep(_ random: inout SplitMix64) -> Step {
        var step = Step(reads: [])
        // Rare: what is packed is not checked any more.
        if Int.random(in: 0..<20, using: &random) == 0 { step.kind = .pack }
        return step
    }

    public func examine(_ snapshot: Snapshot) -> String? { nil }
}
