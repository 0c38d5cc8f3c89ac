import NEOEngine
import NEOProtocol
import NIOCore
import Testing

@testable import NEOTransport

@Suite(.timeLimit(.minutes(2))) struct ConnectionTests {
    let handshake = FrameDecoder.handshake

    /// `spec/protocol.md §19` 7, 9, 10.
    @Test(arguments: [false, true]) func answersPing(byteByByte: Bool) async throws {
        let (host, events) = startToy()
        let peer = try RawPeer(port: #require(try await events.port()))
        let input = handshake + bytes(7, Ping().packet) + bytes(8, Ping().packet)
        if byteByByte {
            for byte in input { try peer.send([byte]) }
        } else {
            try peer.send(input)
        }
        let expected = handshake + bytes(7, Pong().packet) + bytes(8, Pong().packet)
        #expect(try peer.receiveAll(expected.count) == expected)
        #expect(await host.stop() == 0)
    }

    /// `spec/protocol.md §19` 7, 8.
    @Test(
        arguments: [
            ([0x92, 0xa3, 0x4e, 0x45, 0x4f, 0x04], .versionMismatch(4)),
            (Array("GET / HTTP/1.1\r\n\r\n".utf8), nil),
            ([0x16, 0x03, 0x01, 0x02], nil),
            (FrameDecoder.handshake + [0xc1], nil),
            (FrameDecoder.handshake + [0x94, 0, 0, 0, 0], nil),
        ] as [([UInt8], FrameDecoder.Failure?)]
    )
    func closesOnGarbage(input: [UInt8], failure: FrameDecoder.Failure?) async throws {
        let (host, events) = startToy()
        let peer = try RawPeer(port: #require(try await events.port()))
        try peer.send(input)
        let reason = try #require(try await events.first { _ in events.closeReasons.first })
        guard case .invalidInput(let actual) = reason else {
            Issue.record("closed for another reason: \(reason)")
            return
        }
        if let failure { #expect(actual == failure) }
        let received = events.entries.filter { if case .received = $0 { true } else { false } }
        #expect(received.isEmpty)
        _ = await host.stop()
    }

    /// `spec/protocol.md §19` 13: all is processed, then the closure.
    @Test func givesAllBeforeTheClosure() async throws {
        let (host, events) = startToy()
        let port = try #require(try await events.port())
        do {
            let peer = try RawPeer(port: port)
            try peer.send(handshake + (0..<1000).flatMap { bytes($0, Ping().packet) })
        }
        _ = try #require(try await events.first { _ in events.closeReasons.first })
        let kinds = events.entries.compactMap { event in
            switch event {
            case .received(_, let frame): Int(frame.id)
            case .closed: -1
            default: nil
            }
        }
        #expect(kinds == Array(0..<1000) + [-1])
        _ = await host.stop()
    }

    /// `spec/protocol.md §19` 11, 12: a slow reader gets all, although it sent more meanwhile, which is not processed.
    @Test func flushesToASlowReader() async throws {
        let text = String(repeating: "x", count: 4 << 20)
        let error = ErrorPacket(code: .protocolError, message: text).packet
        let (host, events) = startToy { event, context in
            guard case .received(let id, let frame) = event else { return }
            context.effects.append(.send(id, Frame(id: frame.id, error)))
            context.effects.append(.closeAfterFlush(id))
        }
        let peer = try RawPeer(port: #require(try await events.port()), receiveBufferBytes: 8192)
        try peer.send(handshake + bytes(3, CloseClient().packet) + bytes(4, CloseClient().packet))
        try await Task.sleep(for: .milliseconds(200))
        try peer.send((5..<100).flatMap { bytes($0, CloseClient().packet) })
        #expect(try peer.receiveToEnd() == handshake + bytes(3, error))
        let received = events.entries.filter { if case .received = $0 { true } else { false } }
        #expect(received.count == 1)
        _ = await host.stop()
    }

    /// Nothing more is read from a peer that does not read: its own sends block, and memory stays bounded.
    @Test func pausesReading() async throws {
        var options = HostOptions()
        options.pauseReadingAboveBytes = 64 << 10
        options.resumeReadingBelowBytes = 16 << 10
        let text = String(repeating: "x", count: 10_000)
        let (host, events) = startToy(options: options) { event, context in
            guard case .received(let id, let frame) = event, case .closeClient = frame.packet else { return }
            context.effects.append(.send(id, Frame(id: frame.id, ErrorPacket(code: .ack, message: text).packet)))
        }
        let peer = try RawPeer(port: #require(try await events.port()), receiveBufferBytes: 8192)
        try peer.send(handshake)
        let requests = (0..<1000).flatMap { bytes($0, CloseClient().packet) }
        let accepted = peer.sendWhileAccepted(requests, maximumBytes: 256 << 20)
        #expect(accepted < 256 << 20)
        #expect(events.closeReasons.isEmpty)
        // Once it reads, the node goes on.
        let answer = bytes(0, ErrorPacket(code: .ack, message: text).packet)
        #expect(try peer.receiveAll(answer.count * 100).count == answer.count * 100)
        host.end()
        _ = await host.waitUntilOver()
    }

    @Test func disconnectsBeyondTheLimit() async throws {
        var options = HostOptions()
        options.maximumOutputBytes = 8 << 20
        let text = String(repeating: "x", count: 1 << 20)
        let (host, events) = startToy(options: options) { event, context in
            guard case .received(let id, let frame) = event else { return }
            for _ in 0..<100 {
                context.effects.append(.send(id, Frame(id: frame.id, ErrorPacket(code: .ack, message: text).packet)))
            }
        }
        let peer = try RawPeer(port: #require(try await events.port()), receiveBufferBytes: 8192)
        try peer.send(handshake + bytes(0, CloseClient().packet))
        let reason = try #require(try await events.first { _ in events.closeReasons.first })
        guard case .limitExceeded = reason else {
            Issue.record("closed for another reason: \(reason)")
            return
        }
        _ = await host.stop()
    }

    @Test func connectsAndIsRefused() async throws {
        let (server, serverEvents) = startToy()
        let port = try #require(try await serverEvents.port())
        let good = ConnectionID(.outgoing, 1)
        let (client, events) = startToy { event, context in
            switch event {
            case .listening:
                context.effects.append(.connect(good, NodeAddress(host: "127.0.0.1", port: port)))
                context.effects.append(.connect(.init(.outgoing, 2), NodeAddress(host: "127.0.0.1", port: 1)))
                context.effects.append(.connect(.init(.outgoing, 3), NodeAddress(host: "name", port: 1)))
            case .connected(let id): context.effects.append(.send(id, Frame(id: 9, Ping().packet)))
            default: break
            }
        }
        let answer = try await events.first { events in
            events.lazy.compactMap { if case .received(good, let frame) = $0 { frame } else { nil } }.first
        }
        #expect(answer == Frame(id: 9, Pong().packet))
        let failed = try await events.first { events -> [ConnectionID]? in
            let failed = events.compactMap { if case .connectFailed(let id, reason: _) = $0 { id } else { nil } }
            return failed.count == 2 ? failed.sorted() : nil
        }
        #expect(failed == [ConnectionID(.outgoing, 2), ConnectionID(.outgoing, 3)])
        _ = await server.stop()
        #expect(try await events.first { _ in events.closeReasons.first } != nil)
        _ = await client.stop()
    }

    @Test func opensAndClosesThousands() async throws {
        let (host, events) = startToy()
        let port = try #require(try await events.port())
        for round in 0..<20 {
            let peers = try (0..<100).map { _ in try RawPeer(port: port) }
            for peer in peers { try peer.send(handshake + bytes(1, Ping().packet)) }
            for peer in peers.prefix(round * 5) { #expect(try peer.receiveAll(6).count == 6) }
        }
        let closed = try await events.first { _ in events.closeReasons.count == 2000 ? true : nil }
        #expect(closed == true)
        #expect(await host.stop() == 0)
    }
}
