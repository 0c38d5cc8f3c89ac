import MessagePack
import NIOCore

/// Cuts the bytes of one direction of a connection into the handshake and frames (`spec/protocol.md §3, §4`).
public struct FrameDecoder: Sendable {
    /// What each side sends first: `["NEO", 5]`.
    public static let handshake: [UInt8] = [0x92, 0xa3, 0x4e, 0x45, 0x4f, 0x05]

    /// Why the bytes of a peer cannot be understood. The connection must be closed without an answer.
    public enum Failure: Error, Hashable, Sendable, CustomStringConvertible {
        case notNEO(firstBytes: [UInt8])
        case versionMismatch(UInt8)
        case malformed(MessagePackError)

        public var description: String {
            switch self {
            case .notNEO(let bytes):
                let hex = bytes.map { String($0, radix: 16) }.joined(separator: " ")
                return "not a NEO stream: expected 92 a3 4e 45 4f 5, got \(hex)"
            case .versionMismatch(let version): return "protocol version mismatch: expected 5, got \(version)"
            case .malformed(let error): return "malformed packet: \(error)"
            }
        }
    }

    private var buffer = ByteBuffer()
    private var isAccepted = false
    private var scanner: MessagePackScanner
    private var failure: Failure?

    /// What a frame can take. A host sets low ones until the peer has identified; they hold for what is looked at from
    /// now on, so a frame of which some came before can fail later than one that begins after.
    public var limits: MessagePackScanner.Limits {
        get { scanner.limits }
        set { scanner.limits = newValue }
    }

    public init(limits: MessagePackScanner.Limits = .init()) {
        scanner = MessagePackScanner(limits: limits)
    }

    /// Whether the handshake of the peer has come.
    public var isHandshakeComplete: Bool { isAccepted }

    /// Bytes received and not decoded yet.
    public var bufferedBytes: Int { buffer.readableBytes }

    /// Adds received bytes. They are not copied unless a frame began before them.
    public mutating func receive(_ bytes: ByteBuffer) {
        guard failure == nil else { return }
        if buffer.readableBytes == 0 {
            buffer = bytes
        } else if buffer.readerIndex > 0 {
            // The frames decoded so far can still be in use: only the rest moves to a storage of its own.
            var joined = ByteBufferAllocator().buffer(capacity: buffer.readableBytes + bytes.readableBytes)
            joined.writeImmutableBuffer(buffer)
            joined.writeImmutableBuffer(bytes)
            buffer = joined
        } else {
            buffer.writeImmutableBuffer(bytes)
        }
    }

    /// The next frame, or nil if it has not come whole. Once it has thrown, it throws the same for ever.
    public mutating func next() throws(Failure) -> Frame? {
        if let failure { throw failure }
        do throws(Failure) {
            guard try checkHandshake() else { return nil }
            return try nextFrame()
        } catch {
            failure = error
            buffer = ByteBuffer()
            throw error
        }
    }

    private mutating func checkHandshake() throws(Failure) -> Bool {
        guard !isAccepted else { return true }
        let expected = Self.handshake
        let received = buffer.getBytes(at: buffer.readerIndex, length: min(expected.count, buffer.readableBytes)) ?? []
        guard received.elementsEqual(expected.prefix(received.count)) else {
            if received.count == expected.count, received.dropLast().elementsEqual(expected.dropLast()) {
                throw .versionMismatch(received[5])
            }
            throw .notNEO(firstBytes: received)
        }
        guard received.count == expected.count else { return false }
        buffer.moveReaderIndex(forwardBy: expected.count)
        isAccepted = true
        return true
    }

    private mutating func nextFrame() throws(Failure) -> Frame? {
        do throws(MessagePackError) {
            if buffer.readableBytes > 0 {
                let head = buffer.getInteger(at: buffer.readerIndex, as: UInt8.self)
                guard head == 0x93 || head == 0xdc || head == 0xdd else {
                    throw MessagePackError(.unexpectedType, "expected an array of 3 elements")
                }
            }
            guard let length = try scanner.scan(buffer), let bytes = buffer.readSlice(length: length) else {
                return nil
            }
            // Nothing is left: let the storage go with the last packet that uses it.
            if buffer.readableBytes == 0 { buffer = ByteBuffer() }
            return try Frame(decoding: bytes)
        } catch {
            throw .malformed(error)
        }
    }
}
