import FoundationEssentials
import Logging
import NEOConfiguration
import NEOProtocol

/// The file that remembers the addresses of masters (`spec/tools.md §5.4`).
struct DynamicMasterList: Sendable {
    let path: String
    let addresses: [NodeAddress]

    private struct Entry: Codable {
        var host: String
        var port: UInt16

        init(_ address: NodeAddress) {
            host = address.host
            port = address.port
        }

        init(from decoder: any Decoder) throws {
            var pair = try decoder.unkeyedContainer()
            host = try pair.decode(String.self)
            port = try pair.decode(UInt16.self)
        }

        func encode(to encoder: any Encoder) throws {
            var pair = encoder.unkeyedContainer()
            try pair.encode(host)
            try pair.encode(port)
        }
    }

    /// Reads the file, or creates an empty one.
    init(path: String) throws(ConfigurationError) {
        self.path = path
        do {
            if TextFile.exists(path) {
                let data = Data(try TextFile.read(path).utf8)
                addresses = try JSONDecoder().decode([Entry].self, from: data)
                    .map { NodeAddress(host: $0.host, port: $0.port) }
            } else {
                addresses = []
                try TextFile.replace(path, with: "[]")
            }
        } catch {
            throw .invalid("\(path): not a list of masters: \(error)")
        }
    }

    /// Failures are told in the log: the node works without its file.
    func save(_ addresses: [NodeAddress], _ logger: Logger) {
        do {
            let data = try JSONEncoder().encode(addresses.map(Entry.init))
            try TextFile.replace(path, with: String(decoding: data, as: UTF8.self))
        } catch {
            logger.error("the list of masters cannot be written to \(path): \(error)")
        }
    }
}
