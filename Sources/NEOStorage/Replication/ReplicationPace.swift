import NEOEngine

/// Makes replication give way to clients, but never below a minimum speed.
struct ReplicationPace: Hashable, Sendable {
    /// What a row costs besides its bytes.
    static let rowBytes = 256

    private var lastForeground: Instant?

    /// A client, or the master for a client, was served.
    mutating func servedForeground(_ now: Instant) {
        lastForeground = now
    }

    /// How long to rest after some work, in milliseconds.
    func rest(after rows: Int, bytes: Int, now: Instant, _ options: ReplicationOptions) -> UInt64 {
        guard let lastForeground, now.milliseconds(since: lastForeground) < options.foregroundMilliseconds else {
            return 0
        }
        let cost = bytes + rows * Self.rowBytes
        return UInt64(cost) * 1000 / UInt64(max(1, options.minimumBytesPerSecond))
    }
}
