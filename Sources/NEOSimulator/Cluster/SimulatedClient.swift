import NEOClient
import NEOEngine
import NEOProtocol

/// A process with the real client core, and the calls that its program makes.
public final class SimulatedClient {
    public let node: CoreNode<ClientCore>
    private var lastOperation: UInt64 = 0
    private var handlers: [OperationID: (OperationResult) -> Void] = [:]
    /// The results that came in the current turn, to be handled once it is over.
    private var ended: [Completion<OperationResult>] = []
    private var isHandling = false

    init(name: String, configuration: ClientConfiguration) {
        node = CoreNode(
            name: name,
            makeCore: { ClientCore(configuration: configuration) },
            perform: { _ in [] },
            interruptDisk: { _ in }
        )
        node.observe = { [unowned self] core, context in
            // The program of a simulation is told at once.
            while core.nextDelivery != nil { core.delivered(&context) }
            ended.append(contentsOf: core.takeCompletions())
        }
        node.afterTurn = { [unowned self] in handleEnded() }
    }

    /// The program starts again: what it waited for is forgotten.
    public func start() {
        handlers = [:]
        ended = []
        node.start()
    }

    public func crash() {
        handlers = [:]
        ended = []
        node.crash()
    }

    /// Nothing happens any more: the handlers that wait, and hold the client, are let go.
    func end() {
        handlers = [:]
        ended = []
    }

    /// Calls the core; `handler` gets the result.
    public func call(
        _ body: (inout ClientCore, OperationID, inout CoreContext<Never>) -> Void,
        then handler: @escaping (OperationResult) -> Void
    ) {
        guard node.isUp else { return }
        lastOperation += 1
        let operation = OperationID(lastOperation)
        handlers[operation] = handler
        node.call { core, context in body(&core, operation, &context) }
    }

    /// Calls the core, which gives nothing back.
    public func tell(_ body: (inout ClientCore, inout CoreContext<Never>) -> Void) {
        node.call(body)
    }

    private func handleEnded() {
        // A handler calls the core again, whose completions are handled after those that are here.
        guard !isHandling else { return }
        isHandling = true
        defer { isHandling = false }
        while !ended.isEmpty {
            let completion = ended.removeFirst()
            handlers.removeValue(forKey: completion.operation)?(completion.result)
        }
    }
}
