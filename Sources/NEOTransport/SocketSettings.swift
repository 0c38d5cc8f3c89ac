import NIOCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// The options of every connection (`spec/protocol.md §2.2, §18.11`).
enum SocketSettings {
    /// A dead peer is noticed after idle + probes × interval = 90 s.
    private static let keepaliveIdleSeconds: ChannelOptions.Types.SocketOption.Value = 60
    private static let keepaliveIntervalSeconds: ChannelOptions.Types.SocketOption.Value = 10
    private static let keepaliveProbes: ChannelOptions.Types.SocketOption.Value = 3
    /// Probes are not sent while data wait for an acknowledgement: this covers that case.
    private static let userTimeoutMilliseconds: ChannelOptions.Types.SocketOption.Value = 90_000

    /// Applies all that the system supports.
    static func apply(to channel: any Channel, options: HostOptions) throws {
        guard let sync = channel.syncOptions else { return }
        try sync.setOption(.tcpOption(.tcp_nodelay), value: 1)
        try sync.setOption(.socketOption(.so_keepalive), value: 1)
        #if os(Linux)
        try sync.setOption(tcp(TCP_KEEPIDLE), value: keepaliveIdleSeconds)
        try sync.setOption(tcp(TCP_KEEPINTVL), value: keepaliveIntervalSeconds)
        try sync.setOption(tcp(TCP_KEEPCNT), value: keepaliveProbes)
        try sync.setOption(tcp(TCP_USER_TIMEOUT), value: userTimeoutMilliseconds)
        #endif
        try sync.setOption(
            .writeBufferWaterMark,
            value: .init(low: options.resumeReadingBelowBytes, high: options.pauseReadingAboveBytes)
        )
        // Small: a slice kept by the core keeps the whole buffer. It grows while large packets come.
        try sync.setOption(
            .recvAllocator,
            value: AdaptiveRecvByteBufferAllocator(minimum: 4 << 10, initial: 4 << 10, maximum: 512 << 10)
        )
    }

    #if os(Linux)
    private static func tcp(_ name: CInt) -> ChannelOptions.Types.SocketOption {
        .init(level: .tcp, name: .init(rawValue: name))
    }
    #endif
}
