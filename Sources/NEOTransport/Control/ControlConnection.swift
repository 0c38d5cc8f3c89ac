import Glibc
import NEOProtocol
import NIOCore

/// A blocking connection for a program that sends a request and waits for its answer, like `neoctl`.
///
/// Unless a limit is given, it waits for as long as TCP keeps the connection alive (`spec/tools.md §9.3`).
public final class ControlConnection {
    /// Why nothing can be exchanged.
    public enum Failure: Error, Hashable, Sendable {
        /// The node cannot be reached.
        case notConnected(reason: String)
        /// Nothing came, or nothing could be sent, within the limit that was given.
        case timeout
        /// The node closed the connection, or does not speak the protocol.
        case closed(reason: String)
    }

    private let socket: Int32
    private var decoder = FrameDecoder()

    /// Connects and sends the handshake.
    /// - Parameter timeoutSeconds: the longest wait for one reading or writing; nil: no limit.
    public init(to address: NodeAddress, timeoutSeconds: Int? = nil) throws(Failure) {
        socket = try Self.connect(to: address, timeoutSeconds: timeoutSeconds)
        var handshake = ByteBuffer()
        handshake.writeBytes(FrameDecoder.handshake)
        do throws(Failure) {
            try Self.write(handshake, to: socket)
        } catch {
            Glibc.close(socket)
            throw error
        }
    }

    deinit {
        Glibc.close(socket)
    }

    public func send(_ frame: Frame) throws(Failure) {
        var buffer = ByteBuffer()
        frame.encode(into: &buffer)
        try Self.write(buffer, to: socket)
    }

    public func receive() throws(Failure) -> Frame {
        while true {
            do throws(FrameDecoder.Failure) {
                if let frame = try decoder.next() { return frame }
            } catch {
                throw .closed(reason: "\(error)")
            }
            var buffer = ByteBuffer()
            var received = 0
            repeat {
                errno = 0
                received = buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: 1 << 16) { bytes in
                    max(0, Glibc.recv(socket, bytes.baseAddress, bytes.count, 0))
                }
            } while received == 0 && errno == EINTR
            guard received > 0 else {
                throw received == 0 && errno == EAGAIN ? .timeout : .closed(reason: "closed by peer")
            }
            decoder.receive(buffer)
        }
    }

    private static func connect(to address: NodeAddress, timeoutSeconds: Int?) throws(Failure) -> Int32 {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(address.host, String(address.port), &hints, &list) == 0, let info = list?.pointee else {
            throw .notConnected(reason: "\(address) is not a numeric address")
        }
        defer { freeaddrinfo(list) }
        let socket = Glibc.socket(info.ai_family, info.ai_socktype | Int32(SOCK_CLOEXEC.rawValue), info.ai_protocol)
        guard socket >= 0 else { throw .notConnected(reason: lastError) }
        if let timeoutSeconds {
            var limit = timeval(tv_sec: timeoutSeconds, tv_usec: 0)
            let size = socklen_t(MemoryLayout<timeval>.size)
            setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, size)
            setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, size)
        }
        guard Glibc.connect(socket, info.ai_addr, info.ai_addrlen) == 0 else {
            let reason = lastError
            Glibc.close(socket)
            throw .notConnected(reason: reason)
        }
        set(socket, SOL_SOCKET, SO_KEEPALIVE, 1)
        set(socket, Int32(IPPROTO_TCP), TCP_KEEPIDLE, 60)
        set(socket, Int32(IPPROTO_TCP), TCP_KEEPINTVL, 10)
        set(socket, Int32(IPPROTO_TCP), TCP_KEEPCNT, 3)
        set(socket, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        return socket
    }

    /// A connection without one of these options is still usable.
    private static func set(_ socket: Int32, _ level: Int32, _ option: Int32, _ value: Int32) {
        var value = value
        setsockopt(socket, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
    }

    private static func write(_ buffer: ByteBuffer, to socket: Int32) throws(Failure) {
        var buffer = buffer
        while buffer.readableBytes > 0 {
            let sent = buffer.withUnsafeReadableBytes {
                Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if sent < 0, errno == EINTR { continue }
            guard sent > 0 else { throw errno == EAGAIN ? .timeout : .closed(reason: lastError) }
            buffer.moveReaderIndex(forwardBy: sent)
        }
    }

    private static var lastError: String { String(cString: strerror(errno)) }
}
