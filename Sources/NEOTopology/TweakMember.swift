import NEOProtocol

/// A node over which partitions are spread, and where it stands.
public struct TweakMember: Hashable, Sendable {
    public var nid: NID
    /// Path of its storage device, from the widest to the most precise component; empty if not known.
    public var devicePath: [[UInt8]]

    public init(_ nid: NID, devicePath: [[UInt8]] = []) {
        self.nid = nid
        self.devicePath = devicePath
    }
}
