import NEOEngine
import NEOProtocol
import NIOCore

/// What programs do with a cluster, and what must hold of all that they read.
///
/// The ledger already checks that each read is right; a workload states it a second time, in terms of what an
/// application relies on, and chooses which transactions meet.
public protocol Workload: AnyObject {
    var name: String { get }
    /// All the objects that it uses.
    var objects: [OID] { get }
    /// What to begin with: done once, before any other step. Nil: nothing.
    var setUp: Step? { get }
    func nextStep(_ random: inout SplitMix64) -> Step
    /// What is wrong with what a client read of the objects of a step, or of all the objects.
    func examine(_ snapshot: Snapshot) -> String?
}

extension Workload {
    public var setUp: Step? { nil }
}

/// One transaction of a program.
public struct Step {
    public var reads: [OID]
    /// What to write, from what was read; nothing: it only reads.
    public var change: (Snapshot) -> [OID: ByteBuffer]
    /// What else than ``change``.
    public var kind = Kind.change

    public enum Kind: Hashable, Sendable {
        case change
        /// Takes back the last change of what is read.
        case undo
        /// Orders to pack up to the TID as of which is read.
        case pack
    }

    public init(reads: [OID], change: @escaping (Snapshot) -> [OID: ByteBuffer] = { _ in [:] }) {
        self.reads = reads
        self.change = change
    }
}

/// Objects as of one TID.
public struct Snapshot {
    public var values: [OID: ByteBuffer] = [:]

    /// The first integer of an object; nil: it does not exist.
    public func integer(_ oid: OID) -> Int64? { values[oid].flatMap { $0.getInteger(at: $0.readerIndex) } }

    /// Nil: the object does not exist.
    public func integers(_ oid: OID) -> [Int64]? {
        guard var data = values[oid] else { return nil }
        var integers: [Int64] = []
        while let integer: Int64 = data.readInteger() { integers.append(integer) }
        return integers
    }
}

extension ByteBuffer {
    init(integers: [Int64]) {
        self.init()
        for integer in integers { writeInteger(integer) }
    }
}
