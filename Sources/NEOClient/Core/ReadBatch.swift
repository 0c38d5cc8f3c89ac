import NEOEngine
import NEOProtocol
import NEOTopology

/// Questions asked together, whatever their partitions: they are answered in one round trip.
struct ReadBatch: Sendable {
    var answers: [Result<Packet, ClientError>?]
    var missingCount: Int

    init(count: Int) {
        answers = Array(repeating: nil, count: count)
        missingCount = count
    }
}

extension ClientCore {
    /// Asks several questions at once; gives `answers`, in the order of the questions.
    ///
    /// Each is asked again to other replicas as long as there are some; damaged records are not accepted
    /// (`spec/client.md §9.3, §9.4`). The record cache is neither looked at nor filled (`§9.5`).
    /// - Parameter transaction: the one whose writes must be seen by the answers.
    public mutating func read(
        _ operation: OperationID,
        _ requests: [ReadRequest],
        seeing transaction: TransactionID? = nil,
        _ context: inout CoreContext<Never>
    ) {
        guard !requests.isEmpty else { return complete(operation, .answers([])) }
        batches[operation] = ReadBatch(count: requests.count)
        for (index, request) in requests.enumerated() {
            startRead(request, for: .batch(operation, index), seeing: transaction, &context)
        }
    }

    mutating func readOfBatchEnded(_ operation: OperationID, _ index: Int, _ answer: ReadAnswer) {
        guard batches[operation] != nil else { return }
        batches[operation]!.answers[index] = answer
        batches[operation]!.missingCount -= 1
        guard batches[operation]!.missingCount == 0, let batch = batches.removeValue(forKey: operation) else { return }
        complete(operation, .answers(batch.answers.compactMap(\.self)))
    }

    /// The number of partitions; nil while there is no master.
    public var partitionCount: Int? { partitions?.partitions }
}
