/// Carries out the jobs of a node, outside of its event loop.
///
/// All the methods are called by one thread, the writer of the node.
public protocol JobExecutor<Job, JobResult> {
    associatedtype Job: Sendable
    associatedtype JobResult: Sendable

    /// Carries out all the jobs, in order, and makes them durable together (group commit).
    ///
    /// - Returns: a result for each job, in their order.
    /// - Throws: if the database does not work any more: nothing is acknowledged and the process exits. What is wrong
    ///   with one job alone is part of its result.
    func perform(_ jobs: [Job]) throws -> [JobResult]

    /// Called after each batch, once its results were given.
    func settle()

    /// Releases the database. Called once, after the last batch.
    func close()
}

extension JobExecutor {
    public func settle() {}

    public func close() {}
}
