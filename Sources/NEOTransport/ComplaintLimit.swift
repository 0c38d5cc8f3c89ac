import NEOEngine

/// Limits what is logged about peers that do not speak the protocol: once a minute for a host
/// (`spec/protocol.md §18.5`).
struct ComplaintLimit {
    private static let intervalMilliseconds: UInt64 = 60_000
    /// Beyond, hosts are forgotten rather than kept: the limit is a courtesy, memory is not.
    private static let maximumHosts = 1024

    private var last: [String: Instant] = [:]

    /// Whether to log something about `host`.
    mutating func allows(_ host: String, at now: Instant) -> Bool {
        if let last = last[host], now.milliseconds(since: last) < Self.intervalMilliseconds { return false }
        if last.count >= Self.maximumHosts { last.removeAll() }
        last[host] = now
        return true
    }
}
