import NEOProtocol

/// What became of a job.
public struct DatabaseJobResult: Hashable, Sendable {
    public enum Outcome: Hashable, Sendable {
        case done
        /// The revision to go back to is not there: it was packed. Nothing was stored, the previous store of the object
        /// is untouched.
        case undoTargetMissing
        /// What was forgotten; nil if there was no data.
        case unstored(StoredData?)
        /// A slice of a long work; submit again until it is finished.
        case slice(isFinished: Bool)
        /// A slice of a pack, and where the next one begins: an object with many revisions may take several. Nil: the
        /// partition is done.
        case packed(next: OID?)
        /// Ids of orders that are not recorded here.
        case packOrdersSigned(unknown: [TID])
        /// How many rows of the slice are orphans, and where the next slice begins; nil: the end.
        case orphans(count: Int, next: Int64?)
    }

    public var id: DatabaseJob.ID
    public var outcome: Outcome

    public init(id: DatabaseJob.ID, outcome: Outcome) {
        self.id = id
        self.outcome = outcome
    }
}
