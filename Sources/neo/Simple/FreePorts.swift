import Glibc
import NEOConfiguration
import NEOProtocol

/// Ports that nobody listens at now.
enum FreePorts {
    /// - Throws: ``ConfigurationError/invalid(_:)`` if the host is not one of this machine.
    static func find(_ count: Int, at host: String) throws(ConfigurationError) -> [NodeAddress] {
        // All are held until the last one is found, so that they differ.
        var sockets: [Int32] = []
        defer { for socket in sockets { close(socket) } }
        var addresses: [NodeAddress] = []
        for _ in 0..<count {
            var hints = addrinfo()
            hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
            hints.ai_flags = AI_NUMERICHOST
            var list: UnsafeMutablePointer<addrinfo>?
            guard getaddrinfo(host, "0", &hints, &list) == 0, let info = list?.pointee else {
                throw .invalid("\(host) is not a numeric address")
            }
            defer { freeaddrinfo(list) }
            let socket = Glibc.socket(info.ai_family, info.ai_socktype, info.ai_protocol)
            sockets.append(socket)
            guard bind(socket, info.ai_addr, info.ai_addrlen) == 0 else {
                throw .invalid("cannot listen at \(host): \(String(cString: strerror(errno)))")
            }
            var storage = sockaddr_storage()
            var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
            let port: UInt16 = withUnsafeMutablePointer(to: &storage) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                    getsockname(socket, address, &length)
                    // The port is at the same place for IPv4 and IPv6.
                    return UnsafeRawPointer(address).loadUnaligned(fromByteOffset: 2, as: UInt16.self).bigEndian
                }
            }
            addresses.append(NodeAddress(host: host, port: port))
        }
        return addresses
    }
}
