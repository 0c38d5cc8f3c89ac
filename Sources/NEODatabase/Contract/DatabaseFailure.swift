/// Why a database can not be opened, read or written.
public struct DatabaseFailure: Error, Hashable, Sendable {
    public enum Code: Hashable, Sendable {
        /// Another process uses it.
        case locked
        /// It belongs to another cluster.
        case wrongCluster
        /// Its format is newer than what this program knows, or too old to be migrated.
        case wrongFormat
        /// An old format with unfinished transactions cannot be migrated.
        case unfinishedTransactions
        /// The options of the connection string are wrong.
        case invalidOptions
        /// The file is not a database, or is damaged.
        case corrupted
        /// No space left.
        case full
        /// A job breaks the contract of ``DatabaseJob``: an error of this program.
        case invalidJob
        /// Anything else that the backend reports.
        case failed
    }

    public var code: Code
    public var message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }
}

extension DatabaseFailure: CustomStringConvertible {
    public var description: String { message }
}
