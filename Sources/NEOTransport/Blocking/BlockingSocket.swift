import NEOEngine
import NEOProtocol
import NIOCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A TCP connection that never blocks, with the frames that come and go on it.
///
/// Used under the lock of its host. An object, so that what it holds is not copied when it is changed. Bytes go through ``flush()`` and ``receive()`` only: TLS takes its place there.
final class BlockingSocket {
    enum State {
        case connecting(deadline: UInt64)
        case open
        /// Only what is queued is still to be written.
        case flushing
    }

    /// Most bytes read in one turn, so that one connection does not hold up the others.
    private static let maximumBytesPerTurn = 1 << 20
    static let connectTimeoutNanoseconds: UInt64 = 10_000_000_000

    let descriptor: Int32
    var state: State
    var decoder = FrameDecoder()
    var output = ByteBuffer()
    private var readBytes = 16 << 10

    /// Begins to connect.
    init(connectingTo address: NodeAddress, now: UInt64) throws(SocketError) {
        var hints = addrinfo()
        hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV
        #if canImport(Glibc)
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        #else
        hints.ai_socktype = SOCK_STREAM
        #endif
        var found: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(address.host, String(address.port), &hints, &found) == 0, let information = found else {
            throw SocketError("expected a numeric address, got \(address)")
        }
        defer { freeaddrinfo(found) }
        #if canImport(Darwin)
        let kind = information.pointee.ai_socktype
        #else
        let kind = information.pointee.ai_socktype | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        #endif
        descriptor = socket(information.pointee.ai_family, kind, 0)
        guard descriptor >= 0 else { throw SocketError("socket", errno) }
        #if canImport(Darwin)
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        #endif
        Self.setOptions(descriptor)
        state = .connecting(deadline: now &+ Self.connectTimeoutNanoseconds)
        output.writeBytes(FrameDecoder.handshake)
        while connect(descriptor, information.pointee.ai_addr, information.pointee.ai_addrlen) != 0 {
            let code = errno
            if code == EINTR { continue }
            if code == EINPROGRESS || code == EISCONN { break }
            _ = Self.close(descriptor)
            throw SocketError("connect", code)
        }
    }

    /// No delay, and the keep-alive of `spec/protocol.md §2`: 60 s idle, 3 probes 10 s apart.
    private static func setOptions(_ descriptor: Int32) {
        func set(_ level: Int32, _ name: Int32, _ value: Int32) {
            var value = value
            _ = setsockopt(descriptor, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
        }
        let tcp = Int32(IPPROTO_TCP)
        set(tcp, TCP_NODELAY, 1)
        set(SOL_SOCKET, SO_KEEPALIVE, 1)
        #if canImport(Darwin)
        set(tcp, TCP_KEEPALIVE, 60)
        #else
        set(tcp, TCP_KEEPIDLE, 60)
        // Unacknowledged data ends the connection when probes would.
        set(tcp, TCP_USER_TIMEOUT, 90_000)
        #endif
        set(tcp, TCP_KEEPINTVL, 10)
        set(tcp, TCP_KEEPCNT, 3)
    }

    static func close(_ descriptor: Int32) -> Int32 {
        #if canImport(Glibc)
        Glibc.close(descriptor)
        #elseif canImport(Musl)
        Musl.close(descriptor)
        #else
        Darwin.close(descriptor)
        #endif
    }

    func encode(_ frame: Frame) { frame.encode(into: &output) }

    /// What to wait for.
    var pollEvents: Int16 {
        switch state {
        case .connecting: Int16(POLLOUT)
        case .open: output.readableBytes > 0 ? Int16(POLLIN | POLLOUT) : Int16(POLLIN)
        case .flushing: Int16(POLLOUT)
        }
    }

    /// The outcome of a connection that became writable.
    func connectError() -> Int32 {
        var code: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &length) == 0 ? code : errno
    }

    /// Writes as much as the system takes.
    func flush() {
        if case .connecting = state { return }
        while output.readableBytes > 0 {
            let descriptor = descriptor
            #if canImport(Darwin)
            let flags: Int32 = 0
            #else
            let flags = Int32(MSG_NOSIGNAL)
            #endif
            let count = output.withUnsafeReadableBytes { send(descriptor, $0.baseAddress, $0.count, flags) }
            if count >= 0 {
                output.moveReaderIndex(forwardBy: count)
                continue
            }
            let code = errno
            if code == EINTR { continue }
            if code == EAGAIN || code == EWOULDBLOCK { return }
            // What the peer sent before is still to be read: the closure is told by ``receive()``.
            output.clear()
            return
        }
        if output.storageCapacity > 1 << 20 { output = ByteBuffer() } else { output.clear() }
    }

    /// Reads what has come, up to a limit, into the decoder.
    /// - Returns: why the connection is over, if it is: to be told after what was received.
    func receive() -> CloseReason? {
        var total = 0
        while total < Self.maximumBytesPerTurn {
            var buffer = ByteBufferAllocator().buffer(capacity: readBytes)
            var code: Int32 = 0
            let descriptor = descriptor
            let wanted = readBytes
            let count = buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: wanted) { bytes in
                let count = recv(descriptor, bytes.baseAddress, bytes.count, 0)
                if count < 0 { code = errno }
                return max(0, count)
            }
            if count > 0 {
                decoder.receive(buffer)
                total += count
                if count < wanted { return nil }
                readBytes = min(readBytes * 2, 1 << 20)
            } else if code == 0 {
                return .closedByPeer
            } else if code == EAGAIN || code == EWOULDBLOCK {
                if total == 0 { readBytes = max(readBytes / 2, 16 << 10) }
                return nil
            } else if code != EINTR {
                return .failed(SocketError("recv", code).description)
            }
        }
        return nil
    }
}

/// Why the system refused something about a socket.
struct SocketError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }

    init(_ call: String, _ code: Int32) {
        description = "\(call): \(String(cString: strerror(code)))"
    }
}
