import NEOClient
import NEOProtocol
import NEOTransport

extension ClientConfiguration {
    /// Reads the options of `neo_client_open`.
    init(options: [(name: String, value: String)]) throws(ClientError) {
        func wrong(_ option: (name: String, value: String), _ expected: String) -> ClientError {
            ClientError(.invalidArgument, "option \(option.name): expected \(expected), got \(option.value)")
        }
        var masters: [NodeAddress]?
        var cluster: String?
        self.init(masters: [], cluster: "")
        for option in options {
            switch option.name {
            case "master_nodes": masters = try Self.masters(option.value)
            case "name": cluster = option.value
            case "compress":
                switch option.value {
                case "1": compression = .zlib
                case "0": compression = .off
                case let text where text.hasPrefix("zlib="):
                    guard let level = Int(text.dropFirst(5)), let policy = CompressionPolicy.zlib(level: level) else {
                        throw wrong(option, "zlib= and a level of 1 to 9")
                    }
                    compression = policy
                default: throw wrong(option, "0, 1 or zlib=N")
                }
            case "cache_size":
                guard let bytes = Int(option.value), bytes >= 0 else { throw wrong(option, "a number of bytes") }
                cacheBytes = bytes
            case "cache_file": cacheFile = option.value
            case "read_only", "ignore_wrong_checksum":
                guard option.value == "0" || option.value == "1" else { throw wrong(option, "0 or 1") }
                if option.name == "read_only" {
                    isReadOnly = option.value == "1"
                } else {
                    ignoresWrongChecksum = option.value == "1"
                }
            case "wait_timeout":
                guard let seconds = Double(option.value), seconds > 0, seconds < 1e9 else {
                    throw wrong(option, "a number of seconds")
                }
                waitTimeoutMilliseconds = UInt64((seconds * 1000).rounded(.up))
            case "dynamic_master_list": dynamicMasterList = option.value
            case "ca", "cert", "key":
                throw ClientError(.notImplemented, "option \(option.name): not available in this version")
            default:
                throw ClientError(.invalidArgument, "unknown option \(option.name)")
            }
        }
        if cacheFile != nil, ignoresWrongChecksum {
            // A damaged record would be damaged for ever.
            throw ClientError(.invalidArgument, "option cache_file: not possible with ignore_wrong_checksum")
        }
        guard let masters else { throw ClientError(.invalidArgument, "option master_nodes: required") }
        guard let cluster, !cluster.isEmpty else { throw ClientError(.invalidArgument, "option name: required") }
        self.masters = masters
        self.cluster = cluster
    }

    /// Addresses separated by white space: `host:port`, `[host]:port`.
    private static func masters(_ text: String) throws(ClientError) -> [NodeAddress] {
        var addresses: [NodeAddress] = []
        for word in text.split(whereSeparator: \.isWhitespace) {
            guard let colon = word.lastIndex(of: ":"), let port = UInt16(word[word.index(after: colon)...]) else {
                throw ClientError(.invalidArgument, "option master_nodes: expected host:port, got \(word)")
            }
            var host = word[..<colon]
            if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
            guard let address = resolve(host: String(host), port: port) else {
                throw ClientError(.invalidArgument, "option master_nodes: \(host) cannot be resolved")
            }
            if !addresses.contains(address) { addresses.append(address) }
        }
        return addresses
    }
}
