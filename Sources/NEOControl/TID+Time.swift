import NEOProtocol

extension TID {
    /// The TID of a time (`spec/tools.md §1`).
    /// - Returns: nil out of the years that TIDs can tell: 1900 to 9999.
    init?(unixTime: Double) {
        guard unixTime >= -2_208_988_800, let date = UTCDate(unixTime: unixTime.rounded(.down)) else { return nil }
        let minutes = (((date.year - 1900) * 12 + date.month - 1) * 31 + date.day - 1) * 24 * 60 + date.secondOfDay / 60
        let seconds = Double(date.secondOfDay % 60) + (unixTime - unixTime.rounded(.down))
        self.init(UInt64(minutes) << 32 | Swift.min(UInt64(seconds * 4_294_967_296 / 60), 0xffff_ffff))
    }
}
