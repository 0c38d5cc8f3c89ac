import NEODatabase
import NEOProtocol

/// Submits jobs one by one.
struct Steps {
    let writer: any DatabaseWriter
    private var lastID: UInt64 = 0

    init(_ writer: any DatabaseWriter) {
        self.writer = writer
    }

    @discardableResult
    mutating func perform(_ operation: DatabaseJob.Operation) throws -> DatabaseJobResult.Outcome? {
        try perform(together: [operation]).first
    }

    /// In one commit.
    @discardableResult
    mutating func perform(together operations: [DatabaseJob.Operation]) throws -> [DatabaseJobResult.Outcome] {
        let jobs = operations.map { operation in
            lastID += 1
            return DatabaseJob(id: .init(rawValue: lastID), operation: operation)
        }
        return try writer.perform(jobs).map(\.outcome)
    }
}
