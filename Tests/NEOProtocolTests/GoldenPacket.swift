// The names are those of the golden data.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import MessagePack
import NEOProtocol
import NIOCore
import TestVectors

/// An entry of `packets.json`.
struct GoldenPacket: Decodable, Sendable {
    var name: String
    var code: UInt16
    var id: UInt32
    var args: TypedTree
    var encoded_hex: Hex
    var note: String?

    static func all() throws -> [GoldenPacket] { try Vectors.load("packets.json") }

    /// The list of OIDs as one `bin`, which is read and never written.
    var isWrittenDifferently: Bool { note?.contains("oids as ONE bin") ?? false }
}

/// The typed tree of the same packet with other arguments, encoded.
func encoded(id: MessagePackValue = .integer(0), code: MessagePackValue, args: MessagePackValue) -> ByteBuffer {
    var writer = MessagePackWriter()
    writer.write(.array([id, code, args]))
    return writer.buffer
}

extension Frame {
    var encoded: ByteBuffer {
        var buffer = ByteBuffer()
        encode(into: &buffer)
        return buffer
    }
}
