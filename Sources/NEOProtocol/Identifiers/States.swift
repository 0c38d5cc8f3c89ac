/// An enum that travels as a MessagePack extension of one byte (`spec/protocol.md §6.1`).
public protocol WireEnum: RawRepresentable, CaseIterable, Hashable, Sendable where RawValue == UInt8 {
    static var extensionType: Int8 { get }
    /// The name in the protocol, in capitals.
    var name: String { get }
}

/// The state of a cell: what a storage has of a partition.
public enum CellState: UInt8, WireEnum {
    case outOfDate = 0
    case upToDate = 1
    /// Up to date, and to be dropped once another cell is.
    case feeding = 2
    case corrupted = 3
    /// Only in lists of changes: the cell is removed.
    case discarded = 4

    public static var extensionType: Int8 { 0 }

    public var name: String {
        switch self {
        case .outOfDate: "OUT_OF_DATE"
        case .upToDate: "UP_TO_DATE"
        case .feeding: "FEEDING"
        case .corrupted: "CORRUPTED"
        case .discarded: "DISCARDED"
        }
    }

    /// The letter of printed partition tables.
    public var letter: Character {
        switch self {
        case .outOfDate: "O"
        case .upToDate: "U"
        case .feeding: "F"
        case .corrupted: "C"
        case .discarded: "D"
        }
    }

    /// Whether clients can read such a cell.
    public var isReadable: Bool { self == .upToDate || self == .feeding }
}

public enum ClusterState: UInt8, WireEnum {
    case recovering = 0
    case verifying = 1
    case running = 2
    case stopping = 3
    case startingBackup = 4
    case backingUp = 5
    case stoppingBackup = 6

    public static var extensionType: Int8 { 1 }

    public var name: String {
        switch self {
        case .recovering: "RECOVERING"
        case .verifying: "VERIFYING"
        case .running: "RUNNING"
        case .stopping: "STOPPING"
        case .startingBackup: "STARTING_BACKUP"
        case .backingUp: "BACKINGUP"
        case .stoppingBackup: "STOPPING_BACKUP"
        }
    }
}

public enum NodeState: UInt8, WireEnum {
    case unknown = 0
    case down = 1
    case running = 2
    case pending = 3

    public static var extensionType: Int8 { 3 }

    public var name: String {
        switch self {
        case .unknown: "UNKNOWN"
        case .down: "DOWN"
        case .running: "RUNNING"
        case .pending: "PENDING"
        }
    }

    /// The letter of printed partition tables.
    public var letter: Character {
        switch self {
        case .unknown: "U"
        case .down: "D"
        case .running: "R"
        case .pending: "P"
        }
    }
}

public enum NodeType: UInt8, WireEnum {
    case master = 0
    case storage = 1
    case client = 2
    case admin = 3

    public static var extensionType: Int8 { 4 }

    public var name: String {
        switch self {
        case .master: "MASTER"
        case .storage: "STORAGE"
        case .client: "CLIENT"
        case .admin: "ADMIN"
        }
    }

    /// The first letter of node ids.
    public var letter: Character {
        switch self {
        case .master: "M"
        case .storage: "S"
        case .client: "C"
        case .admin: "A"
        }
    }
}

/// The codes of ``ErrorPacket``. They travel as plain integers (`spec/protocol.md §11.2`).
public enum ErrorCode: UInt8, CaseIterable, Hashable, Sendable {
    case ack = 0
    case denied = 1
    case notReady = 2
    case oidNotFound = 3
    case tidNotFound = 4
    case oidDoesNotExist = 5
    case protocolError = 6
    case replicationError = 7
    case checkingError = 8
    case backendNotImplemented = 9
    case nonReadableCell = 10
    case readOnlyAccess = 11
    case incompleteTransaction = 12
    case undoPackError = 13

    /// The name in the protocol, in capitals.
    public var name: String {
        switch self {
        case .ack: "ACK"
        case .denied: "DENIED"
        case .notReady: "NOT_READY"
        case .oidNotFound: "OID_NOT_FOUND"
        case .tidNotFound: "TID_NOT_FOUND"
        case .oidDoesNotExist: "OID_DOES_NOT_EXIST"
        case .protocolError: "PROTOCOL_ERROR"
        case .replicationError: "REPLICATION_ERROR"
        case .checkingError: "CHECKING_ERROR"
        case .backendNotImplemented: "BACKEND_NOT_IMPLEMENTED"
        case .nonReadableCell: "NON_READABLE_CELL"
        case .readOnlyAccess: "READ_ONLY_ACCESS"
        case .incompleteTransaction: "INCOMPLETE_TRANSACTION"
        case .undoPackError: "UNDO_PACK_ERROR"
        }
    }
}
