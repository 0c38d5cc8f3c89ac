import NEOEngine
import NEOProtocol
import NIOCore

/// Lists to which numbers are appended: each has all that was there when the number was appended, in order.
public final class Lists: Workload {
    public let name = "lists"
    public let objects: [OID]
    /// A list that is longer is only read.
    private static let longest = 100

    public init(base: UInt64, lists count: Int) {
        objects = (0..<UInt64(count)).map { OID(base + $0) }
    }

    public func nextStep(_ random: inout SplitMix64) -> Step {
        let list = objects[Int.random(in: objects.indices, using: &random)]
        return Step(reads: [list]) { snapshot in
            let elements = snapshot.integers(list) ?? []
            guard elements.count < Self.longest else { return [:] }
            return [list: ByteBuffer(integers: elements + [Int64(elements.count + 1)])]
        }
    }

    public func examine(_ snapshot: Snapshot) -> String? {
        for list in objects {
            let elements = snapshot.integers(list) ?? []
            if elements != (0..<elements.count).map({ Int64($0 + 1) }) { return "list \(list) is \(elements)" }
        }
        return nil
    }
}
