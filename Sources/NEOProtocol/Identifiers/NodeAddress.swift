/// Where a node listens: a numeric IPv4 or IPv6 address and a port (`spec/protocol.md §2.1`).
///
/// Two addresses are equal if both texts and ports are.
public struct NodeAddress: Hashable, Sendable {
    /// Numeric text, without brackets: `127.0.0.1`, `::1`.
    public var host: String
    public var port: UInt16

    public init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }
}

extension NodeAddress: Comparable {
    /// By the bytes of the host, then by port: the order that decides elections.
    public static func < (left: NodeAddress, right: NodeAddress) -> Bool {
        if left.host == right.host { return left.port < right.port }
        return left.host.utf8.lexicographicallyPrecedes(right.host.utf8)
    }
}

extension NodeAddress: CustomStringConvertible {
    /// `host:port`, with brackets around an IPv6 host.
    public var description: String { host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
