import NEOProtocol

/// A call of the program to its core, chosen by the host and never used twice.
public struct OperationID: Hashable, Comparable, Sendable {
    public let rawValue: UInt64

    public init(_ rawValue: UInt64) {
        self.rawValue = rawValue
    }

    public static func < (left: OperationID, right: OperationID) -> Bool { left.rawValue < right.rawValue }
}

/// The end of an operation.
public struct Completion<Result: Sendable>: Sendable {
    public var operation: OperationID
    public var result: Result

    public init(_ operation: OperationID, _ result: Result) {
        self.operation = operation
        self.result = result
    }
}

/// A core that a program calls, besides the events of the network: the client.
///
/// Calls are methods of the core that take an ``OperationID``; each ends in exactly one ``Completion``. Some results
/// must be told to the program before the core may go on: these are *deliveries*, one at a time and in order.
public protocol CallableCore: NodeCore where Job == Never, JobResult == Never {
    associatedtype OperationResult: Sendable
    associatedtype Delivery: Sendable

    /// The operations that ended since the last call, in order.
    mutating func takeCompletions() -> [Completion<OperationResult>]

    /// What must be told to the program now: the same until ``delivered(_:)``.
    var nextDelivery: Delivery? { get }

    /// To be called once the program was told ``nextDelivery``.
    mutating func delivered(_ context: inout CoreContext<Never>)

    /// What the program sees of the core without asking it: published by the host after each change.
    var publishedValue: UInt64 { get }
}
