import NEOEngine
import NEOProtocol
import NIOCore

/// Transfers between accounts: the total never changes, and no account is overdrawn.
public final class Bank: Workload {
    public let name = "bank"
    public let objects: [OID]
    private static let deposit: Int64 = 100

    public init(base: UInt64, accounts count: Int) {
        objects = (0..<UInt64(count)).map { OID(base + $0) }
    }

    public var setUp: Step? {
        Step(reads: objects) { [objects] snapshot in
            guard snapshot.values.isEmpty else { return [:] }
            return objects.reduce(into: [:]) { $0[$1] = ByteBuffer(integers: [Self.deposit]) }
        }
    }

    public func nextStep(_ random: inout SplitMix64) -> Step {
        let payer = objects[Int.random(in: objects.indices, using: &random)]
        let payee = objects[Int.random(in: objects.indices, using: &random)]
        // An audit.
        if payer == payee { return Step(reads: objects) }
        let amount = Int64.random(in: 1...20, using: &random)
        return Step(reads: [payer, payee]) { snapshot in
            guard let from = snapshot.integer(payer), let to = snapshot.integer(payee), from >= amount else {
                return [:]
            }
            return [payer: ByteBuffer(integers: [from - amount]), payee: ByteBuffer(integers: [to + amount])]
        }
    }

    public func examine(_ snapshot: Snapshot) -> String? {
        let balances = objects.compactMap(snapshot.integer)
        if let debt = balances.first(where: { $0 < 0 }) { return "an account has \(debt)" }
        guard balances.count == objects.count else { return nil }
        let total = balances.reduce(0, +)
        return total == Self.deposit * Int64(objects.count) ? nil : "the total is \(total): \(balances)"
    }
}
