import NIOConcurrencyHelpers
import NIOPosix

/// The thread that performs the jobs of a node.
///
/// ```
///  event loop   submit a  submit b  submit c            completed [a]           completed [b, c]
///                  │         │         │                      ▲                        ▲
///  writer          └─ perform [a] ─────┼──────────────────────┴── perform [b, c] ──────┘
/// ```
///
/// Whatever is submitted during a batch makes the next one, so that one commit serves as many jobs as are waiting.
///
/// `@unchecked Sendable`: `executor` is only used by work items of `pool`, which has one thread; all the rest is Sendable.
final class JobWriter<Job: Sendable, JobResult: Sendable>: @unchecked Sendable {
    typealias Completion = @Sendable (Result<[JobResult], any Error>) -> Void

    private struct State {
        var jobs: [Job] = []
        var isActive = false
        var hasFailed = false
    }

    private let executor: any JobExecutor<Job, JobResult>
    private let completion: Completion
    private let pool = NIOThreadPool(numberOfThreads: 1)
    private let state = NIOLockedValueBox(State())

    /// - Parameter completion: called by the writer's thread for each batch; the last time with an error, if it fails.
    init(executor: sending any JobExecutor<Job, JobResult>, completion: @escaping Completion) {
        self.executor = executor
        self.completion = completion
        pool.start()
    }

    /// Adds jobs to the next batch.
    func submit(_ jobs: [Job]) {
        let mustWake = state.withLockedValue { state in
            guard !state.hasFailed else { return false }
            state.jobs.append(contentsOf: jobs)
            defer { state.isActive = true }
            return !state.isActive
        }
        if mustWake { pool.submit { _ in self.performAll() } }
    }

    /// Performs what was submitted, closes the executor, ends the thread, then calls `completion` from any thread.
    func close(_ completion: @escaping @Sendable () -> Void) {
        pool.submit { _ in
            self.executor.close()
            self.pool.shutdownGracefully { _ in completion() }
        }
    }

    private func performAll() {
        while let batch = nextBatch() {
            do {
                let results = try executor.perform(batch)
                guard results.count == batch.count else {
                    throw JobWriterError(expectedResults: batch.count, results: results.count)
                }
                completion(.success(results))
                executor.settle()
            } catch {
                state.withLockedValue { state in
                    state.hasFailed = true
                    state.jobs = []
                }
                completion(.failure(error))
                return
            }
        }
    }

    private func nextBatch() -> [Job]? {
        state.withLockedValue { state in
            guard !state.jobs.isEmpty else {
                state.isActive = false
                return nil
            }
            defer { state.jobs = [] }
            return state.jobs
        }
    }
}

/// An executor broke its contract.
struct JobWriterError: Error, CustomStringConvertible {
    let expectedResults: Int
    let results: Int

    var description: String { "the database gave \(results) results for \(expectedResults) jobs" }
}
