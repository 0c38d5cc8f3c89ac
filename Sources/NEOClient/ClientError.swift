import NEOProtocol
import NIOCore

/// Why a call of the client failed (`spec/client.md §15`).
public struct ClientError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kind of failure. New codes can be added; raw values are those of the C interface.
    public struct Code: RawRepresentable, Hashable, Sendable {
        public let rawValue: Int32

        public init(rawValue: Int32) {
            self.rawValue = rawValue
        }

        /// No record of this object exists, or the one asked is a deletion.
        public static let objectNotFound = Code(rawValue: 1)
        /// The object exists and has no revision that satisfies the request.
        public static let revisionNotFound = Code(rawValue: 2)
        /// No such transaction.
        public static let transactionNotFound = Code(rawValue: 3)
        /// All replicas have a damaged record.
        public static let wrongChecksum = Code(rawValue: 4)
        /// The connection to the primary master was lost; reading again may succeed.
        public static let primaryMasterLost = Code(rawValue: 5)
        /// The cluster could not do it now: nothing was committed, the transaction can be tried again.
        public static let unavailable = Code(rawValue: 6)
        /// The object was changed by another transaction and the conflict was not resolved.
        public static let conflict = Code(rawValue: 7)
        /// An object that was only read was changed by another transaction.
        public static let readConflict = Code(rawValue: 8)
        /// The client or the cluster does not accept changes.
        public static let readOnly = Code(rawValue: 9)
        /// The transaction is unknown, or not in the right state for this call.
        public static let transactionState = Code(rawValue: 10)
        /// A record needed by an undo was packed meanwhile.
        public static let undoPack = Code(rawValue: 11)
        /// The storage does not have this feature.
        public static let notImplemented = Code(rawValue: 12)
        /// A node refused the request.
        public static let refused = Code(rawValue: 13)
        /// The arguments are not acceptable; nothing was sent.
        public static let invalidArgument = Code(rawValue: 14)
        /// The transaction may be committed or not.
        public static let outcomeUnknown = Code(rawValue: 15)
        /// The client is closed.
        public static let closed = Code(rawValue: 16)
        /// The client was opened by the parent process.
        public static let forked = Code(rawValue: 17)
        /// The program asked to stop waiting.
        public static let interrupted = Code(rawValue: 18)
        /// A defect of the client itself.
        public static let internalError = Code(rawValue: 19)
        /// The transaction cannot be undone: objects were changed later, or packed.
        public static let notUndoable = Code(rawValue: 20)
    }

    public var code: Code
    /// What was expected, what came, from whom.
    public var message: String
    public var oid: OID?
    /// For conflicts: the current revision; for a wrong checksum: the revision.
    public var serial: TID?
    /// For conflicts: the revision that the change started from.
    public var base: TID?
    /// For conflicts: the data that could not be stored.
    public var data: ByteBuffer?

    public init(
        _ code: Code,
        _ message: String,
        oid: OID? = nil,
        serial: TID? = nil,
        base: TID? = nil,
        data: ByteBuffer? = nil
    ) {
        self.code = code
        self.message = message
        self.oid = oid
        self.serial = serial
        self.base = base
        self.data = data
    }

    /// Whether trying the whole transaction again may succeed.
    public var isTransient: Bool {
        switch code {
        case .primaryMasterLost, .unavailable, .conflict, .readConflict: true
        default: false
        }
    }

    public var description: String { message }

    static let closed = ClientError(.closed, "the client is closed")

    /// The error of a node to a request.
    init(_ error: ErrorPacket, from peer: String, oid: OID? = nil) {
        let code: Code =
            switch error.code {
            case .oidDoesNotExist: .objectNotFound
            case .oidNotFound: .revisionNotFound
            case .tidNotFound: .transactionNotFound
            case .readOnlyAccess: .readOnly
            case .undoPackError: .undoPack
            case .backendNotImplemented: .notImplemented
            case .incompleteTransaction: .unavailable
            default: .refused
            }
        let prefix = error.code == .protocolError ? "protocol error" : error.code.name
        self.init(code, "\(prefix): \(error.message) (from \(peer))", oid: oid)
    }
}
