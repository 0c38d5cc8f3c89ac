/// A point of time as it is printed: `2026-11-22 14:38:38.606584`, in UTC, the fraction omitted when it is 0.
public struct UTCDate: Hashable, Sendable, CustomStringConvertible {
    public let year: Int
    public let month: Int
    public let day: Int
    public let secondOfDay: Int
    public let microsecond: Int

    /// The date of a TID (`spec/tools.md §1`), truncated to the microsecond.
    public init(_ tid: TID) {
        var minutes = Int(tid.rawValue >> 32)
        let scaled = (tid.rawValue & 0xffff_ffff) * 60
        let second = Int(scaled >> 32)
        microsecond = Int(((scaled & 0xffff_ffff) * 1_000_000) >> 32)
        secondOfDay = minutes % (24 * 60) * 60 + second
        minutes /= 24 * 60
        day = minutes % 31 + 1
        minutes /= 31
        month = minutes % 12 + 1
        year = 1900 + minutes / 12
    }

    /// - Parameter unixTime: seconds since the Unix epoch, rounded to the microsecond.
    /// - Returns: nil out of the years 1 to 9999.
    public init?(unixTime: Double) {
        guard unixTime >= -62_135_596_800, unixTime < 253_402_300_799 else { return nil }
        var seconds = Int(unixTime.rounded(.down))
        var microsecond = Int(((unixTime - unixTime.rounded(.down)) * 1e6).rounded(.toNearestOrEven))
        if microsecond == 1_000_000 {
            seconds += 1
            microsecond = 0
        }
        self.microsecond = microsecond
        secondOfDay = (seconds % 86_400 + 86_400) % 86_400
        let date = GregorianCalendar.date(dayNumber: (seconds - secondOfDay) / 86_400)
        (year, month, day) = (date.year, date.month, date.day)
    }

    /// Seconds since the Unix epoch, for display and for lags. A day after the end of its month, which only a TID that
    /// is no date can tell, stands for one of the next month.
    public var unixTime: Double {
        let day = GregorianCalendar.dayNumber(year: year, month: month, day: day)
        return Double((day * 86_400 + secondOfDay) * 1_000_000 + microsecond) / 1e6
    }

    public var description: String {
        let date = "\(digits(year, 4))-\(digits(month, 2))-\(digits(day, 2))"
        let time = "\(digits(secondOfDay / 3600, 2)):\(digits(secondOfDay / 60 % 60, 2)):\(digits(secondOfDay % 60, 2))"
        return "\(date) \(time)" + (microsecond == 0 ? "" : ".\(digits(microsecond, 6))")
    }

    private func digits(_ value: Int, _ count: Int) -> String {
        let text = String(value)
        return String(repeating: "0", count: Swift.max(0, count - text.count)) + text
    }
}
