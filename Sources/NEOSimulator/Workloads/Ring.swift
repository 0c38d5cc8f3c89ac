import NEOEngine
import NEOProtocol
import NIOCore

/// Nodes that refer to each other in a ring; one at a time is moved. Each snapshot is one ring of all of them.
public final class Ring: Workload {
    public let name = "ring"
    public let objects: [OID]

    public init(base: UInt64, nodes count: Int) {
        objects = (0..<UInt64(count)).map { OID(base + $0) }
    }

    public var setUp: Step? {
        Step(reads: objects) { [objects] snapshot in
            guard snapshot.values.isEmpty else { return [:] }
            return objects.indices.reduce(into: [:]) { changes, index in
                changes[objects[index]] = Self.reference(to: objects[(index + 1) % objects.count])
            }
        }
    }

    private static func reference(to oid: OID) -> ByteBuffer { ByteBuffer(integers: [Int64(oid.rawValue)]) }

    private static func next(_ oid: OID, _ snapshot: Snapshot) -> OID? {
        snapshot.integer(oid).map { OID(UInt64($0)) }
    }

    public func nextStep(_ random: inout SplitMix64) -> Step {
        let moved = objects[Int.random(in: objects.indices, using: &random)]
        let place = objects[Int.random(in: objects.indices, using: &random)]
        return Step(reads: objects) { [objects] snapshot in
            guard let before = objects.first(where: { Self.next($0, snapshot) == moved }),
                let after = Self.next(moved, snapshot), let follower = Self.next(place, snapshot),
                place != moved, place != before
            else { return [:] }
            // In a ring that is broken they may be the same.
            var changes = [before: Self.reference(to: after)]
            changes[moved] = Self.reference(to: follower)
            changes[place] = Self.reference(to: moved)
            return changes
        }
    }

    public func examine(_ snapshot: Snapshot) -> String? {
        guard snapshot.values.count == objects.count else { return snapshot.values.isEmpty ? nil : "a node is absent" }
        var visited: Set<OID> = []
        var oid = objects[0]
        while visited.insert(oid).inserted {
            guard let next = Self.next(oid, snapshot) else { return "\(oid) refers to nothing" }
            oid = next
        }
        return visited.count == objects.count && oid == objects[0] ? nil : "the ring has \(visited.count) nodes"
    }
}
