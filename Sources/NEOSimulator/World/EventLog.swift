import NIOCore

/// What happened in a simulation, as a hash and, if asked for, as text.
///
/// Two runs from the same seed have the same hash: this is what shows that nothing but the seed decides.
public struct EventLog: Sendable {
    /// FNV-1a over all that was recorded.
    public private(set) var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    /// Number of events.
    public private(set) var count = 0
    public private(set) var lines: [String] = []
    public let keepsText: Bool

    public init(keepsText: Bool = false) {
        self.keepsText = keepsText
    }

    mutating func record(_ time: UInt64, _ node: Int, _ kind: UInt8, bytes: ByteBuffer? = nil) {
        count += 1
        mix(time)
        mix(UInt64(node) << 8 | UInt64(kind))
        if let bytes { for byte in bytes.readableBytesView { mix(byte: byte) } }
    }

    mutating func write(_ line: @autoclosure () -> String) {
        if keepsText { lines.append(line()) }
    }

    private mutating func mix(_ value: UInt64) {
        for shift in stride(from: 0, to: 64, by: 8) { mix(byte: UInt8(truncatingIfNeeded: value >> UInt64(shift))) }
    }

    private mutating func mix(byte: UInt8) {
        hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3
    }
}
