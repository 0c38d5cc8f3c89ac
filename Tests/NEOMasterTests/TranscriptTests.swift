import NEOEngine
import NEOProtocol
import NIOCore
import TestVectors
import Testing

@testable import NEOMaster

/// Peers recorded with a reference master talk to this one: it must send the same packets, in the same order on each
/// connection. Only for transcripts without transactions: their TIDs, hence their partitions, come from the clock.
@Suite struct TranscriptTests {
    struct Transcript: Decodable {
        struct Cluster: Decodable {
            var name: String
            var partitions: Int
            var replicas: Int
        }

        struct Message: Decodable {
            var time: Double
            var dir: String
            var kind: String
            var hex: Hex?
        }

        struct Connection: Decodable {
            var from: String
            var to: String
            var messages: [Message]
        }

        var clusters: [Cluster]
        var connections: [Connection]
    }

    struct Incoming {
        var time: Double
        var connection: Int
        var frame: Hex?
    }

    private func decode(_ hex: Hex) throws -> Frame? {
        var decoder = FrameDecoder()
        decoder.receive(ByteBuffer(bytes: FrameDecoder.handshake + hex.bytes))
        return try decoder.next()
    }

    @Test(arguments: ["transcripts/01-startup-and-neoctl.json"])
    func replay(name: String) throws {
        let transcript: Transcript = try Vectors.load(name)
        let cluster = transcript.clusters[0]
        var incoming: [Incoming] = []
        var expected: [Int: [Frame]] = [:]
        for (index, connection) in transcript.connections.enumerated() where connection.to == "M1" {
            for message in connection.messages {
                if message.dir == ">", message.kind != "handshake" {
                    incoming.append(Incoming(time: message.time, connection: index, frame: message.hex))
                } else if message.dir == "<", message.kind == "packet", let hex = message.hex {
                    if let frame = try decode(hex) { expected[index, default: []].append(frame) }
                }
            }
        }
        incoming.sort { $0.time < $1.time }
        let origin = expected[0]?.compactMap { frame -> Double? in
            if case .notifyNodeInformation(let information) = frame.packet { information.timestamp } else { nil }
        }.first
        let address = NodeAddress(host: "127.0.0.1", port: 1)
        var core = MasterCore(
            MasterConfiguration(
                cluster: cluster.name,
                bind: address,
                partitions: cluster.partitions,
                replicas: cluster.replicas
            )
        )
        var sent: [Int: [Frame]] = [:]

        func feed(_ event: Event<Never>, at time: Double) {
            var context = CoreContext<Never>(
                now: Instant(nanoseconds: UInt64(time * 1e9)),
                wallTime: (origin ?? 0) + time,
                random: SplitMix64(seed: 1)
            )
            core.handle(event, &context)
            for effect in context.effects {
                guard case .send(let id, let frame) = effect else { continue }
                sent[Int(id.number), default: []].append(frame)
            }
        }

        feed(.listening(address), at: 0)
        var accepted: Set<Int> = []
        // Times are those of a relay: an answer may seem to come before its request.
        var held: [Incoming] = incoming
        while !held.isEmpty {
            let ready = try held.indices.first { position in
                let event = held[position]
                guard !held[..<position].contains(where: { $0.connection == event.connection }) else { return false }
                guard let hex = event.frame, let frame = try decode(hex), frame.packet.code.isAnswer else {
                    return true
                }
                return sent[event.connection, default: []].contains { sent in
                    sent.id == frame.id && sent.packet.code.answer == frame.packet.code
                }
            }
            guard let ready else { break }
            let event = held.remove(at: ready)
            let id = ConnectionID(.incoming, UInt32(event.connection))
            if accepted.insert(event.connection).inserted {
                feed(.accepted(id, from: address), at: event.time)
            }
            guard let hex = event.frame else {
                feed(.closed(id, .closedByPeer), at: event.time)
                continue
            }
            if let frame = try decode(hex) { feed(.received(id, frame), at: event.time) }
        }
        #expect(held.isEmpty)
        for (index, frames) in expected.sorted(by: { $0.key < $1.key }) {
            let got = (sent[index] ?? []).map(line)
            let wanted = frames.map(line)
            for (position, pair) in zip(got, wanted).enumerated() where pair.0 != pair.1 {
                Issue.record(
                    "\(transcript.connections[index].from) \(index), \(position): \(pair.0), expected \(pair.1)"
                )
                break
            }
            #expect(got.count == wanted.count, "\(transcript.connections[index].from) \(index)")
        }
    }

    /// The order of nodes has no meaning, but that the receiver comes first.
    private func line(_ frame: Frame) -> String {
        var packet = frame.packet
        if case .notifyNodeInformation(var information) = packet {
            information.nodes.sort {
                ($0.type.rawValue, $0.nid?.rawValue ?? 0) < ($1.type.rawValue, $1.nid?.rawValue ?? 0)
            }
            packet = .notifyNodeInformation(information)
        }
        return "\(frame.id) \(brief(packet))"
    }
}
