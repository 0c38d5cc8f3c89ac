import NEODatabase
import NEOEngine
import NEOProtocol

/// Hands what was fetched to the database, without making clients wait (`spec/replication.md §4.11, §4.18`).
extension StorageCore {
    mutating func write(
        _ chunk: DatabaseJob.ReplicationChunk,
        bytes: Int,
        completes round: RoundID? = nil,
        _ context: inout Context
    ) {
        let entry = ReplicationQueue.Entry(chunk: chunk, bytes: bytes, completes: round)
        guard round != nil || entry.rows > 0 || chunk.progress != nil else { return }
        replicationQueue.append(entry)
        writeReplicated(&context)
    }

    mutating func writeReplicated(_ context: inout Context) {
        guard let entry = replicationQueue.next() else { return }
        submit(.replicate(entry.chunk), then: .replicated, bytes: 0, &context)
    }

    /// The progress that a job records is on disk together with the rows.
    mutating func replicated(_ context: inout Context) throws {
        guard let entry = replicationQueue.completed() else { return }
        if let round = entry.completes { try completed(round, &context) }
        let rest = pace.rest(after: entry.rows, bytes: entry.bytes, now: context.now, configuration.replication)
        if rest > 0 {
            replicationQueue.isResting = true
            context.startTimer(Timer.replicationRest, milliseconds: rest)
        } else {
            writeReplicated(&context)
        }
        try fetchNext(&context)
    }

    mutating func replicationRested(_ context: inout Context) {
        replicationQueue.isResting = false
        writeReplicated(&context)
    }
}
