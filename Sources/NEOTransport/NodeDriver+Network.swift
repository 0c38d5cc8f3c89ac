import Logging
import NEOEngine
import NEOProtocol
import NIOCore
import NIOPosix

extension NodeDriver {
    func listen(at address: NodeAddress) {
        let socketAddress: SocketAddress
        do {
            socketAddress = try SocketAddress(ipAddress: address.host, port: Int(address.port))
        } catch {
            return listenFailed(at: address, error)
        }
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        ServerBootstrap(group: eventLoop)
            .serverChannelOption(.backlog, value: options.backlog)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(ListenerHandler(logger: bound.value.logger))
                }
            }
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try bound.value.accept(channel) }
            }
            .bind(to: socketAddress)
            .assumeIsolated()
            .whenComplete { result in
                switch result {
                case .success(let channel): self.listening(channel, at: address)
                case .failure(let error): self.listenFailed(at: address, error)
                }
            }
    }

    private func listening(_ channel: any Channel, at address: NodeAddress) {
        guard case .running = phase else {
            channel.close(promise: nil)
            return
        }
        listeners.append(channel)
        let port = channel.localAddress?.port.flatMap(UInt16.init(exactly:)) ?? address.port
        deliver(.listening(NodeAddress(host: address.host, port: port)))
        endTurn()
    }

    private func listenFailed(at address: NodeAddress, _ error: any Error) {
        logger.critical("cannot listen at \(address), the node exits: \(error)")
        end(status: HostExit.failure)
    }

    private func accept(_ channel: any Channel) throws {
        guard case .running = phase else { throw ChannelError.ioOnClosedChannel }
        lastIncoming &+= 1
        let id = ConnectionID(.incoming, lastIncoming)
        let peer = channel.remoteAddress.flatMap(NodeAddress.init) ?? NodeAddress(host: "unknown", port: 0)
        let handler = ConnectionHandler(driver: self, id: id, peer: peer)
        try install(handler, in: channel)
    }

    func connect(_ id: ConnectionID, to address: NodeAddress) {
        let handler = ConnectionHandler(driver: self, id: id, peer: address)
        connections[id] = handler
        let socketAddress: SocketAddress
        do {
            socketAddress = try SocketAddress(ipAddress: address.host, port: Int(address.port))
        } catch {
            return deliver(.connectFailed(id, reason: "\(address) is not a numeric address"))
        }
        let bound = NIOLoopBound((driver: self, handler: handler), eventLoop: eventLoop)
        ClientBootstrap(group: eventLoop)
            .connectTimeout(.milliseconds(options.connectTimeoutMilliseconds))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let (driver, handler) = bound.value
                    try driver.install(handler, in: channel)
                }
            }
            .connect(to: socketAddress)
            .assumeIsolated()
            .whenFailure { error in handler.connectFailed("\(error)") }
    }

    private func install(_ handler: ConnectionHandler<Core>, in channel: any Channel) throws {
        try SocketSettings.apply(to: channel, options: options)
        let pipeline = channel.pipeline.syncOperations
        try options.security?.addHandlers(to: pipeline, direction: handler.id.direction)
        try pipeline.addHandler(handler)
    }
}

extension NodeAddress {
    init?(_ address: SocketAddress) {
        guard let host = address.ipAddress, let port = address.port.flatMap(UInt16.init(exactly:)) else { return nil }
        self.init(host: host, port: port)
    }
}

/// Tells why connections could not be accepted: for example, there are too many open files.
private final class ListenerHandler: ChannelInboundHandler {
    typealias InboundIn = any Channel

    private let logger: Logger

    init(logger: Logger) {
        self.logger = logger
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        logger.error("cannot accept a connection: \(error)")
    }
}
