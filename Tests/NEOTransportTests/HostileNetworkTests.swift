import NEOEngine
import NEOMaster
import NEOProtocol
import NIOCore
import Testing

@testable import NEOTransport

/// A real master behind real sockets, and peers that do their worst: it lives, and serves the next one.
@Suite(.timeLimit(.minutes(3))) struct HostileNetworkTests {
    /// Tells where a core listens.
    struct Listening<Core: NodeCore & Sendable>: NodeCore, Sendable {
        var core: Core
        let ports: Journal<UInt16>

        mutating func start(_ context: inout CoreContext<Core.Job>) { core.start(&context) }

        mutating func handle(_ event: Event<Core.JobResult>, _ context: inout CoreContext<Core.Job>) {
            if case .listening(let address) = event { ports.add(address.port) }
            core.handle(event, &context)
        }
    }

    let host: NodeHost<Listening<MasterCore>>
    let port: UInt16

    init() async throws {
        let ports = Journal<UInt16>()
        let core = MasterCore(MasterConfiguration(cluster: "test", bind: loopback, partitions: 2, autostart: 1))
        host = NodeHost(core: Listening(core: core, ports: ports), logger: silent)
        host.start()
        port = try #require(try await ports.first { $0.first })
    }

    /// A new operator gets an answer.
    func expectService() throws {
        let peer = try RawPeer(port: port)
        let identification = RequestIdentification(
            type: .admin,
            nid: nil,
            address: nil,
            cluster: "test",
            idTimestamp: nil,
            extra: Properties()
        )
        try peer.send(FrameDecoder.handshake + bytes(1, identification.packet) + bytes(2, AskClusterState().packet))
        var decoder = FrameDecoder()
        var received: [Packet] = []
        while !received.contains(where: { $0.code == .answerClusterState }) {
            let more = try peer.receive(64 << 10)
            try #require(!more.isEmpty, "closed after \(received.map(\.code))")
            decoder.receive(ByteBuffer(bytes: more))
            while let frame = try decoder.next() { received.append(frame.packet) }
        }
        #expect(received.first?.code == .acceptIdentification)
    }

    @Test func randomBytes() async throws {
        var random = SplitMix64(seed: .random(in: 0 ... .max))
        print("hostile network: seed \(random.state)")
        for round in 0..<300 {
            let peer = try RawPeer(port: port)
            let count = Int.random(in: 0..<400, using: &random)
            let garbage = (0..<count).map { _ in UInt8.random(in: 0 ... .max, using: &random) }
            // The node may have closed already.
            try? peer.send((round % 2 == 0 ? FrameDecoder.handshake : []) + garbage)
        }
        try expectService()
        #expect(await host.stop() == 0)
    }

    /// Frames cut anywhere, then the end of the connection.
    @Test func halfFrames() async throws {
        let whole =
            FrameDecoder.handshake
            + bytes(
                0,
                RequestIdentification(
                    type: .storage,
                    nid: nil,
                    address: NodeAddress(host: "127.0.0.1", port: 9),
                    cluster: "test",
                    idTimestamp: nil,
                    extra: Properties()
                ).packet
            )
        for length in 0..<whole.count { try RawPeer(port: port).send(Array(whole.prefix(length))) }
        try expectService()
        #expect(await host.stop() == 0)
    }

    /// More silent connections than are kept: the oldest ones go, the next good peer is served.
    @Test func thousandsOfConnections() async throws {
        for round in 0..<8 {
            var peers: [RawPeer] = []
            for _ in 0..<400 {
                guard let peer = try? RawPeer(port: port) else { break }
                if round.isMultiple(of: 2) { try? peer.send(FrameDecoder.handshake) }
                peers.append(peer)
            }
            #expect(peers.count == 400)
            try expectService()
        }
        try expectService()
        #expect(await host.stop() == 0)
    }

    /// Peers that send one byte now and then hold nothing but their connection.
    @Test func slowPeers() async throws {
        let peers = try (0..<100).map { _ in try RawPeer(port: port) }
        let input = FrameDecoder.handshake + bytes(0, Ping().packet)
        for byte in input {
            for peer in peers { try peer.send([byte]) }
            try await Task.sleep(for: .milliseconds(20))
            try expectService()
        }
        let answer = FrameDecoder.handshake + bytes(0, Pong().packet)
        for peer in peers { #expect(try peer.receiveAll(answer.count) == answer) }
        #expect(await host.stop() == 0)
    }
}
