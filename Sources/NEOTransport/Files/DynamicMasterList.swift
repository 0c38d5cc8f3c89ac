import NEOProtocol

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// The file that remembers the addresses of masters (`spec/tools.md §5.4`, `spec/client.md §2.3`).
public struct DynamicMasterList: Sendable {
    /// What is wrong with the file, its path included.
    public struct Failure: Error, Hashable, CustomStringConvertible {
        public let description: String
    }

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

    public let path: String

    public init(path: String) {
        self.path = path
    }

    /// The addresses in the file; nil: there is no file.
    public func read() throws(Failure) -> [NodeAddress]? {
        guard TextFile.exists(path) else { return nil }
        do {
            let data = Data(try TextFile.read(path).utf8)
            return try JSONDecoder().decode([Entry].self, from: data)
                .map { NodeAddress(host: $0.host, port: $0.port) }
        } catch {
            throw Failure(description: "\(path): not a list of masters: \(error)")
        }
    }

    public func write(_ addresses: [NodeAddress]) throws(Failure) {
        do {
            let data = try JSONEncoder().encode(addresses.map(Entry.init))
            try TextFile.replace(path, with: String(decoding: data, as: UTF8.self))
        } catch {
            throw Failure(description: "the list of masters cannot be written to \(path): \(error)")
        }
    }
}
