import Logging
import NEODatabase
import NEOTransport

/// Has the writer of a database carry out the jobs of a storage.
struct DatabaseExecutor: JobExecutor {
    let writer: any DatabaseWriter
    let logger: Logger

    func perform(_ jobs: [DatabaseJob]) throws -> [DatabaseJobResult] {
        try writer.perform(jobs)
    }

    func settle() { writer.settle() }

    func close() {
        do {
            try writer.close()
        } catch {
            // All that was acknowledged is durable already.
            logger.error("closing the database: \(error)")
        }
    }
}
