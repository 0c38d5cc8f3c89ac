/// The only one that changes a database. The host calls it on a thread of its own.
public protocol DatabaseWriter: Sendable {
    /// Applies jobs in their order, in one commit.
    ///
    /// All the jobs that wait are given together: they share one synchronisation with the disk. If one of them is
    /// durable (``DatabaseJob/Operation/isDurable``), the results are given once this commit, and thus all those before,
    /// are on disk.
    ///
    /// - Returns: a result for each job, in the same order. Readers see the effects from then on.
    /// - Throws: ``DatabaseFailure``. Nothing of the batch may be answered and the process must stop: the state of
    ///   the database is only known after it was opened again (`spec/database.md §6`).
    func perform(_ jobs: [DatabaseJob]) throws -> [DatabaseJobResult]

    /// Looks after the database between two batches, once the results of a batch were given: nobody waits for it but the
    /// jobs that come next.
    func settle()

    /// Makes durable what is not, and releases the database. It must be the last call.
    func close() throws
}

extension DatabaseWriter {
    public func settle() {}
}
