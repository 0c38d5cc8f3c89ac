import Glibc
import NEOConfiguration
import NEOProtocol

/// Finds the numeric addresses of hosts, once, at start (`spec/tools.md §5.1`).
enum HostResolver {
    /// - Parameter port: the port if the text has none.
    /// - Throws: ``ConfigurationError/invalid(_:)`` if the system does not know the host.
    static func resolve(_ address: AddressText, defaultPort port: UInt16) throws(ConfigurationError) -> NodeAddress {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let service = address.port ?? String(port)
        let status = getaddrinfo(address.host, service, &hints, &list)
        defer { if let list { freeaddrinfo(list) } }
        guard status == 0, let first = list?.pointee else {
            let reason = status == 0 ? "no address" : String(cString: gai_strerror(status))
            throw .invalid("cannot resolve '\(address.host)' port '\(service)': \(reason)")
        }
        var host = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        var number = [CChar](repeating: 0, count: Int(NI_MAXSERV))
        let named = getnameinfo(
            first.ai_addr,
            first.ai_addrlen,
            &host,
            socklen_t(host.count),
            &number,
            socklen_t(number.count),
            NI_NUMERICHOST | NI_NUMERICSERV
        )
        guard named == 0, let port = UInt16(text(number)) else {
            throw .invalid("cannot write the address of '\(address.host)' in numbers")
        }
        return NodeAddress(host: text(host), port: port)
    }

    static func resolve(list text: String) throws(ConfigurationError) -> [NodeAddress] {
        var addresses: [NodeAddress] = []
        for address in try AddressText.list(text) {
            let resolved = try resolve(address, defaultPort: 0)
            if !addresses.contains(resolved) { addresses.append(resolved) }
        }
        return addresses
    }

    private static func text(_ characters: [CChar]) -> String {
        String(decoding: characters.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
