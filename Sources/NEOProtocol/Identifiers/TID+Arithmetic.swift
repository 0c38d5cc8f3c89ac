// A TID is a minute of the calendar in its 32 high bits, and a 2^-32th of this minute in its low ones:
//
//     high = ((((year - 1900) * 12 + month - 1) * 31 + day - 1) * 24 + hour) * 60 + minute
//
// Every month has room for 31 days, so some values of `high` are no date. TIDs that this node makes always are dates;
// TIDs that it receives can be anything, and nothing here traps on them.

extension TID {
    /// The TID of a time (`spec/protocol.md §7.2`).
    ///
    /// - Parameter unixTime: seconds since the Unix epoch.
    /// - Returns: nil out of the years that can be told: 1900 to 9999.
    public init?(unixTime: Double) {
        guard unixTime >= -2_208_988_800, unixTime < 253_402_300_800 else { return nil }
        let wholeSeconds = unixTime.rounded(.down)
        let seconds = Int(wholeSeconds)
        let minutes = GregorianCalendar.floorDivide(seconds, 60)
        guard let high = Self.high(minutes: minutes) else { return nil }
        let position = (Double(seconds - minutes * 60) + (unixTime - wholeSeconds)) / (60 / 4_294_967_296)
        self.init(UInt64(high) << 32 | UInt64(Swift.min(position, 4_294_967_295)))
    }

    /// The TID that is `offset` units of 60 / 2^32 s later on the calendar (`addTID`, `spec/protocol.md §7.2`).
    ///
    /// When the minute changes the result is always a valid date, whatever `self` was.
    /// - Returns: nil before 1900 and over the greatest 64-bit value.
    public func advanced(by offset: Int64) -> TID? {
        // |offset| >> 32 is under 2^31 minutes and the sum of the low parts under 2^33: nothing overflows.
        let sum = Int64(rawValue & 0xffff_ffff) + (offset & 0xffff_ffff)
        let low = UInt64(sum & 0xffff_ffff)
        let minutes = Int(offset >> 32) + Int(sum >> 32)
        guard minutes != 0 else { return TID(rawValue & 0xffff_ffff_0000_0000 | low) }
        guard let high = Self.high(minutes: calendarMinutes + minutes) else { return nil }
        return TID(UInt64(high) << 32 | low)
    }

    /// The next value, as an integer: the bound after this TID. The last one has no next and stays.
    public var successor: TID { TID(rawValue == .max ? .max : rawValue + 1) }

    /// The previous value, as an integer: the bound before this TID. Zero stays.
    public var predecessor: TID { TID(rawValue == 0 ? 0 : rawValue - 1) }

    /// Minutes since the Unix epoch; a day after the end of its month stands for one of the next month.
    private var calendarMinutes: Int {
        let high = Int(rawValue >> 32)
        let days = high / (24 * 60)
        let months = days / 31
        let day = GregorianCalendar.dayNumber(year: 1900 + months / 12, month: months % 12 + 1, day: days % 31 + 1)
        return day * 24 * 60 + high % (24 * 60)
    }

    /// The high part for a number of minutes since the Unix epoch, nil if it has none.
    private static func high(minutes: Int) -> UInt32? {
        let day = GregorianCalendar.floorDivide(minutes, 24 * 60)
        let date = GregorianCalendar.date(dayNumber: day)
        let months = (date.year - 1900) * 12 + date.month - 1
        return UInt32(exactly: (months * 31 + date.day - 1) * 24 * 60 + minutes - day * 24 * 60)
    }
}
