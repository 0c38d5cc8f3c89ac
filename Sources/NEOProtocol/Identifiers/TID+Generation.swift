extension TID {
    /// The TTID of a transaction that begins: the first TID after `last` that is not in the past
    /// (`spec/protocol.md §7.3`).
    ///
    /// - Parameters:
    ///   - now: the TID of the current time.
    ///   - last: the greatest TID used so far.
    /// - Returns: nil if no TID that storages can hold is left after `last`.
    public static func next(now: TID, last: TID) -> TID? {
        now > last ? now.ifStorable : last.advanced(by: 1)?.ifStorable
    }

    /// The final TID of a transaction: after `last`, or `ttid` itself if that is `last`, not under `ttid`, and in
    /// the partition of `ttid`, whose cells already hold the metadata of the transaction (`spec/protocol.md §7.3`).
    ///
    /// - Parameters:
    ///   - now: the TID of the current time.
    ///   - last: the greatest TID used so far: of the pending TTIDs, of which `ttid` is one, and of the last
    ///     transaction queued for locking if there is one, else of the last committed one.
    ///   - partitions: their number, 1 to 2^32 - 1.
    /// - Returns: nil if no TID that storages can hold is left after `last`.
    public static func next(now: TID, last: TID, ttid: TTID, partitions: Int) -> TID? {
        guard partitions > 0, partitions <= UInt32.max else { return nil }
        let last = Swift.max(last, ttid)
        if now <= last, ttid == last { return ttid }
        let wanted = ttid.partition(of: partitions)
        guard var tid = now > last ? now : last.advanced(by: 1) else { return nil }
        func isSuitable(_ tid: TID) -> Bool { tid > last && tid.partition(of: partitions) == wanted }
        // A smaller value is preferred, not to run ahead of the clock.
        let nearest = tid.advanced(by: Int64(wanted - tid.partition(of: partitions)))
        if let nearest, isSuitable(nearest) { return nearest.ifStorable }
        // The calendar skips values at the end of a short month, which changes the partition. A step is shorter than
        // a minute, so that the end of a month is passed at most once.
        while !isSuitable(tid) {
            let missing = (wanted - tid.partition(of: partitions) + partitions) % partitions
            guard let later = tid.advanced(by: Int64(missing)) else { return nil }
            tid = later
        }
        return tid.ifStorable
    }

    private var ifStorable: TID? { self <= .max ? self : nil }
}
