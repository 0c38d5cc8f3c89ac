import Logging
import NEOEngine
import NEOProtocol
import NIOCore

/// One connection: between the bytes of a channel and the events of a core.
///
/// ```
///  opening ──active and secured──▶ open ──closeAfterFlush──▶ closing ──flushed, peer closed, timeout──▶ over
///     └──────────failed──────────────┴──close, closed, invalid input, limit──────────────────────────────▲
/// ```
final class ConnectionHandler<Core: NodeCore>: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum State {
        case opening
        case open
        case closing
        case over
    }

    /// Frames for which nobody waits are written together up to this size (`spec/protocol.md §9.3`).
    private static var delayedBytes: Int { 64 << 10 }
    /// Output is handed to the channel in pieces of this size: a larger buffer would be copied while it grows.
    private static var pieceBytes: Int { 256 << 10 }
    /// The output buffer that an idle connection may keep.
    private static var keptBytes: Int { 16 << 10 }

    let id: ConnectionID
    let peer: NodeAddress
    private let driver: NodeDriver<Core>
    private var state = State.opening
    private var context: ChannelHandlerContext?
    private var decoder = FrameDecoder()
    private var output = ByteBuffer()
    private var isTouched = false
    private var mustFlush = false
    private var mustNotifyWhenWritten = false
    private var isReadPaused = false
    private var failure: CloseReason?
    private var closeTimeout: Scheduled<Void>?

    init(driver: NodeDriver<Core>, id: ConnectionID, peer: NodeAddress) {
        self.driver = driver
        self.id = id
        self.peer = peer
    }

    var isOpen: Bool { state == .open }

    // MARK: Opening

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if state == .over { context.close(promise: nil) }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
    }

    func channelActive(context: ChannelHandlerContext) {
        if driver.options.security == nil { becomeOpen() }
        context.fireChannelActive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is ConnectionSecured { becomeOpen() }
        context.fireUserInboundEventTriggered(event)
    }

    private func becomeOpen() {
        guard state == .opening else { return }
        state = .open
        if let probe = driver.probe, let context {
            // Of a channel without a socket, nothing is seen before the loop looks itself.
            try? context.pipeline.syncOperations.withUnsafeTransportIfAvailable { (socket: NIOBSDSocket.Handle) in
                probe.add(socket)
            }
        }
        output.writeBytes(FrameDecoder.handshake)
        touch()
        switch id.direction {
        case .incoming:
            driver.connections[id] = self
            driver.deliver(.accepted(id, from: peer))
        case .outgoing:
            driver.deliver(.connected(id))
        }
        driver.endTurn()
    }

    func connectFailed(_ reason: String) {
        guard state == .opening else { return }
        state = .over
        driver.deliver(.connectFailed(id, reason: reason))
        driver.endTurn()
    }

    // MARK: Receiving

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        // What comes after a connection was aborted is read and thrown away.
        guard state == .open else { return }
        decoder.receive(unwrapInboundIn(data))
        do throws(FrameDecoder.Failure) {
            while state == .open, let frame = try decoder.next() {
                driver.deliver(.received(id, frame))
            }
        } catch {
            complain(error)
            fail(.invalidInput(error))
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        driver.endTurn()
        context.fireChannelReadComplete()
    }

    private func complain(_ failure: FrameDecoder.Failure) {
        guard driver.complaints.allows(peer.host, at: HostClock.now) else { return }
        // Port scanners and browsers are no news for an operator.
        let level: Logger.Level = if case .notNEO = failure { .debug } else { .warning }
        driver.logger.log(level: level, "\(id) with \(peer) is closed: \(failure)")
    }

    // MARK: Back-pressure

    /// Nothing is read from a peer that connected and does not read its answers.
    ///
    /// The side that connected always reads: if both stopped, each would wait for the other for ever.
    func read(context: ChannelHandlerContext) {
        if state == .open, id.direction == .incoming, !context.channel.isWritable {
            isReadPaused = true
        } else {
            context.read()
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { resumeReading(context) }
        context.fireChannelWritabilityChanged()
    }

    private func resumeReading(_ context: ChannelHandlerContext) {
        guard isReadPaused else { return }
        isReadPaused = false
        context.read()
    }

    // MARK: Sending

    func send(_ frame: Frame) {
        guard state == .open else { return }
        frame.encode(into: &output)
        if !frame.packet.code.isDelayed || output.readableBytes > Self.delayedBytes { touch() }
        if output.readableBytes >= Self.pieceBytes { handOver() }
    }

    /// The core is told when all that it sent was given to the system, or kept by no buffer of this process.
    func notifyWhenWritten() {
        guard state == .open else { return }
        mustNotifyWhenWritten = true
        touch()
    }

    private func touch() {
        guard !isTouched else { return }
        isTouched = true
        driver.touch(self)
    }

    /// Writes what was sent during the turn.
    func writeOutput() {
        isTouched = false
        handOver()
        guard mustFlush || mustNotifyWhenWritten, state != .over, let context else { return }
        mustFlush = false
        if mustNotifyWhenWritten {
            mustNotifyWhenWritten = false
            // Writes end in their order: an empty one ends once all those before did.
            let promise = context.eventLoop.makePromise(of: Void.self)
            promise.futureResult.assumeIsolated().whenSuccess { [self] in written() }
            context.write(wrapOutboundOut(ByteBuffer()), promise: promise)
        }
        context.flush()
        // A buffer that was written at once is used again; one that is waiting is not copied but left.
        if output.capacity > Self.keptBytes { output = ByteBuffer() } else { output.clear(minimumCapacity: 0) }
    }

    /// Gives the output to the channel without writing it.
    private func handOver() {
        guard state == .open || state == .closing, let context, output.readableBytes > 0 else { return }
        context.write(wrapOutboundOut(output), promise: nil)
        mustFlush = true
        output.moveReaderIndex(to: output.writerIndex)
        if output.capacity > Self.keptBytes { output = ByteBuffer() }
        checkOutput(context)
    }

    private func written() {
        guard state == .open else { return }
        driver.deliver(.written(id))
        driver.endTurn()
    }

    private func checkOutput(_ context: ChannelHandlerContext) {
        guard state == .open, !context.channel.isWritable else { return }
        guard let waiting = try? context.channel.syncOptions?.getOption(.bufferedWritableBytes) else { return }
        guard waiting > driver.options.maximumOutputBytes else { return }
        driver.logger.warning("\(id) with \(peer) is closed: it leaves \(waiting) bytes unread")
        fail(.limitExceeded("\(waiting) bytes wait to be read by the peer"))
    }

    // MARK: Closing

    /// Drops what is queued and closes. The core gets no event.
    func close() {
        guard state != .over else { return }
        state = .over
        output = ByteBuffer()
        closeTimeout?.cancel()
        context?.close(promise: nil)
    }

    /// Closes on behalf of the host, which tells the core.
    private func fail(_ reason: CloseReason) {
        guard state != .over else { return }
        close()
        driver.deliver(.closed(id, reason))
    }

    /// Closes once all is written.
    ///
    /// Only the sending side is shut down at first, and what comes is thrown away until the peer has closed too: closing a
    /// socket that holds unread bytes resets the connection, and the peer would lose the error that was sent last.
    ///
    /// It can be called again with another timeout.
    func closeAfterFlush(timeoutMilliseconds: Int64) {
        guard state == .open || state == .closing, let context else { return }
        closeTimeout?.cancel()
        closeTimeout = driver.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(timeoutMilliseconds)) {
            self.close()
        }
        guard state == .open else { return }
        handOver()
        guard state == .open else { return }
        state = .closing
        mustFlush = false
        context.flush()
        context.close(mode: .output, promise: nil)
        resumeReading(context)
    }

    func channelInactive(context: ChannelHandlerContext) {
        closeTimeout?.cancel()
        switch state {
        case .opening where id.direction == .outgoing:
            connectFailed("\(failure ?? .closedByPeer)")
        case .open:
            state = .over
            driver.deliver(.closed(id, failure ?? .closedByPeer))
            driver.endTurn()
        case .opening, .closing, .over:
            state = .over
        }
        driver.closed(self)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        failure = failure ?? .failed("\(error)")
        context.close(promise: nil)
    }
}
