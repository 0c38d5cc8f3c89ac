import NEOEngine

/// Decides whether there is room for new data.
///
/// Writes are refused some time before the disk is full, so that transactions that were voted can be locked and unlocked,
/// pack and deletions can give space back, and the node goes on to serve what it has (`spec/storage.md §22`).
struct SpaceWatch: Hashable, Sendable {
    /// What a look at the disk changed.
    enum Change: Hashable, Sendable {
        case none
        case ended
        case isBack
    }

    /// The space is looked at again after so long, or after so many bytes.
    static let milliseconds: UInt64 = 1000
    static let bytes = 8 << 20
    /// Most bytes above the reserve that end a shortage.
    static let margin: UInt64 = 64 << 20

    /// Bytes that must be left; 0: there is nothing to watch.
    let reserve: UInt64
    /// What was left at the last look, while it is not enough.
    private(set) var shortage: UInt64?
    private var lastLook: Instant?
    private var bytesSince = 0

    init(reserve: UInt64) {
        self.reserve = reserve
    }

    /// Counts bytes that are going to be written.
    /// - Returns: whether it is time to look at the disk.
    mutating func isDue(adding bytes: Int, now: Instant) -> Bool {
        guard reserve > 0 else { return false }
        bytesSince += bytes
        guard let lastLook else { return true }
        return bytesSince >= Self.bytes || now.milliseconds(since: lastLook) >= Self.milliseconds
    }

    /// - Parameter available: nil if nobody knows.
    mutating func look(_ available: UInt64?, now: Instant) -> Change {
        lastLook = now
        bytesSince = 0
        let available = available ?? .max
        // Once it was short, more is needed: no node changes its mind with each file that comes and goes.
        let margin = shortage == nil ? 0 : min(reserve / 4, Self.margin)
        let (enough, overflows) = reserve.addingReportingOverflow(margin)
        let isShort = available < (overflows ? .max : enough)
        let change: Change = isShort == (shortage != nil) ? .none : isShort ? .ended : .isBack
        shortage = isShort ? available : nil
        return change
    }
}
