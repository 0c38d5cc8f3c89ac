/// The codes of all packets. The code of an answer is that of its request with bit 0x8000 set (`spec/protocol.md §12`).
public enum PacketCode: UInt16, CaseIterable, Hashable, Sendable {
    case requestIdentification = 0x0001
    case ping = 0x0002
    case closeClient = 0x0003
    case askPrimary = 0x0004
    case notPrimaryMaster = 0x0005
    case notifyNodeInformation = 0x0006
    case askRecovery = 0x0007
    case askLastIDs = 0x0008
    case askPartitionTable = 0x0009
    case sendPartitionTable = 0x000a
    case notifyPartitionChanges = 0x000b
    case startOperation = 0x000c
    case stopOperation = 0x000d
    case askUnfinishedTransactions = 0x000e
    case askLockedTransactions = 0x000f
    case askFinalTID = 0x0010
    case validateTransaction = 0x0011
    case askBeginTransaction = 0x0012
    case failedVote = 0x0013
    case askFinishTransaction = 0x0014
    case askLockInformation = 0x0015
    case invalidateObjects = 0x0016
    case invalidatePartitions = 0x0017
    case notifyUnlockInformation = 0x0018
    case askNewOIDs = 0x0019
    case notifyDeadlock = 0x001a
    case askRelockObject = 0x001b
    case askStoreObject = 0x001c
    case abortTransaction = 0x001d
    case askStoreTransaction = 0x001e
    case askVoteTransaction = 0x001f
    case askObject = 0x0020
    case askTIDs = 0x0021
    case askTransactionInformation = 0x0022
    case askObjectHistory = 0x0023
    case askPartitionList = 0x0024
    case askNodeList = 0x0025
    case setNodeState = 0x0026
    case addPendingNodes = 0x0027
    case tweakPartitionTable = 0x0028
    case setNumReplicas = 0x0029
    case setClusterState = 0x002a
    case repair = 0x002b
    case notifyRepair = 0x002c
    case notifyClusterInformation = 0x002d
    case askClusterState = 0x002e
    case askObjectUndoSerial = 0x002f
    case askTIDsFrom = 0x0030
    case askOIDsFrom = 0x0031
    case waitForPack = 0x0032
    case askPackOrders = 0x0033
    case notifyPackSigned = 0x0034
    case notifyPackCompleted = 0x0035
    case checkReplicas = 0x0036
    case checkPartition = 0x0037
    case askCheckTIDRange = 0x0038
    case askCheckSerialRange = 0x0039
    case notifyPartitionCorrupted = 0x003a
    case notifyReady = 0x003b
    case askLastTransaction = 0x003c
    case askCheckCurrentSerial = 0x003d
    case notifyTransactionFinished = 0x003e
    case replicate = 0x003f
    case notifyReplicationDone = 0x0040
    case askFetchTransactions = 0x0041
    case askFetchObjects = 0x0042
    case addTransaction = 0x0043
    case addObject = 0x0044
    case truncate = 0x0045
    case flushLog = 0x0046
    case askMonitorInformation = 0x0047
    case notifyMonitorInformation = 0x0048
    case notifyUpstreamAdmin = 0x0049
    case error = 0x8000
    case acceptIdentification = 0x8001
    case pong = 0x8002
    case answerPrimary = 0x8004
    case answerRecovery = 0x8007
    case answerLastIDs = 0x8008
    case answerPartitionTable = 0x8009
    case answerUnfinishedTransactions = 0x800e
    case answerLockedTransactions = 0x800f
    case answerFinalTID = 0x8010
    case answerBeginTransaction = 0x8012
    case answerTransactionFinished = 0x8014
    case answerInformationLocked = 0x8015
    case answerNewOIDs = 0x8019
    case answerRelockObject = 0x801b
    case answerStoreObject = 0x801c
    case answerStoreTransaction = 0x801e
    case answerVoteTransaction = 0x801f
    case answerObject = 0x8020
    case answerTIDs = 0x8021
    case answerTransactionInformation = 0x8022
    case answerObjectHistory = 0x8023
    case answerPartitionList = 0x8024
    case answerNodeList = 0x8025
    case answerTweakPartitionTable = 0x8028
    case answerClusterState = 0x802e
    case answerObjectUndoSerial = 0x802f
    case answerTIDsFrom = 0x8030
    case answerOIDsFrom = 0x8031
    case waitedForPack = 0x8032
    case answerPackOrders = 0x8033
    case answerCheckTIDRange = 0x8038
    case answerCheckSerialRange = 0x8039
    case answerLastTransaction = 0x803c
    case answerCheckCurrentSerial = 0x803d
    case answerFetchTransactions = 0x8041
    case answerFetchObjects = 0x8042
    case answerMonitorInformation = 0x8047
}

extension PacketCode: CustomStringConvertible {
    /// The name in the protocol, also in texts.
    public var description: String { name }

    /// The name in the protocol.
    public var name: String {
        switch self {
        case .requestIdentification: "RequestIdentification"
        case .ping: "Ping"
        case .closeClient: "CloseClient"
        case .askPrimary: "AskPrimary"
        case .notPrimaryMaster: "NotPrimaryMaster"
        case .notifyNodeInformation: "NotifyNodeInformation"
        case .askRecovery: "AskRecovery"
        case .askLastIDs: "AskLastIDs"
        case .askPartitionTable: "AskPartitionTable"
        case .sendPartitionTable: "SendPartitionTable"
        case .notifyPartitionChanges: "NotifyPartitionChanges"
        case .startOperation: "StartOperation"
        case .stopOperation: "StopOperation"
        case .askUnfinishedTransactions: "AskUnfinishedTransactions"
        case .askLockedTransactions: "AskLockedTransactions"
        case .askFinalTID: "AskFinalTID"
        case .validateTransaction: "ValidateTransaction"
        case .askBeginTransaction: "AskBeginTransaction"
        case .failedVote: "FailedVote"
        case .askFinishTransaction: "AskFinishTransaction"
        case .askLockInformation: "AskLockInformation"
        case .invalidateObjects: "InvalidateObjects"
        case .invalidatePartitions: "InvalidatePartitions"
        case .notifyUnlockInformation: "NotifyUnlockInformation"
        case .askNewOIDs: "AskNewOIDs"
        case .notifyDeadlock: "NotifyDeadlock"
        case .askRelockObject: "AskRelockObject"
        case .askStoreObject: "AskStoreObject"
        case .abortTransaction: "AbortTransaction"
        case .askStoreTransaction: "AskStoreTransaction"
        case .askVoteTransaction: "AskVoteTransaction"
        case .askObject: "AskObject"
        case .askTIDs: "AskTIDs"
        case .askTransactionInformation: "AskTransactionInformation"
        case .askObjectHistory: "AskObjectHistory"
        case .askPartitionList: "AskPartitionList"
        case .askNodeList: "AskNodeList"
        case .setNodeState: "SetNodeState"
        case .addPendingNodes: "AddPendingNodes"
        case .tweakPartitionTable: "TweakPartitionTable"
        case .setNumReplicas: "SetNumReplicas"
        case .setClusterState: "SetClusterState"
        case .repair: "Repair"
        case .notifyRepair: "NotifyRepair"
        case .notifyClusterInformation: "NotifyClusterInformation"
        case .askClusterState: "AskClusterState"
        case .askObjectUndoSerial: "AskObjectUndoSerial"
        case .askTIDsFrom: "AskTIDsFrom"
        case .askOIDsFrom: "AskOIDsFrom"
        case .waitForPack: "WaitForPack"
        case .askPackOrders: "AskPackOrders"
        case .notifyPackSigned: "NotifyPackSigned"
        case .notifyPackCompleted: "NotifyPackCompleted"
        case .checkReplicas: "CheckReplicas"
        case .checkPartition: "CheckPartition"
        case .askCheckTIDRange: "AskCheckTIDRange"
        case .askCheckSerialRange: "AskCheckSerialRange"
        case .notifyPartitionCorrupted: "NotifyPartitionCorrupted"
        case .notifyReady: "NotifyReady"
        case .askLastTransaction: "AskLastTransaction"
        case .askCheckCurrentSerial: "AskCheckCurrentSerial"
        case .notifyTransactionFinished: "NotifyTransactionFinished"
        case .replicate: "Replicate"
        case .notifyReplicationDone: "NotifyReplicationDone"
        case .askFetchTransactions: "AskFetchTransactions"
        case .askFetchObjects: "AskFetchObjects"
        case .addTransaction: "AddTransaction"
        case .addObject: "AddObject"
        case .truncate: "Truncate"
        case .flushLog: "FlushLog"
        case .askMonitorInformation: "AskMonitorInformation"
        case .notifyMonitorInformation: "NotifyMonitorInformation"
        case .notifyUpstreamAdmin: "NotifyUpstreamAdmin"
        case .error: "Error"
        case .acceptIdentification: "AcceptIdentification"
        case .pong: "Pong"
        case .answerPrimary: "AnswerPrimary"
        case .answerRecovery: "AnswerRecovery"
        case .answerLastIDs: "AnswerLastIDs"
        case .answerPartitionTable: "AnswerPartitionTable"
        case .answerUnfinishedTransactions: "AnswerUnfinishedTransactions"
        case .answerLockedTransactions: "AnswerLockedTransactions"
        case .answerFinalTID: "AnswerFinalTID"
        case .answerBeginTransaction: "AnswerBeginTransaction"
        case .answerTransactionFinished: "AnswerTransactionFinished"
        case .answerInformationLocked: "AnswerInformationLocked"
        case .answerNewOIDs: "AnswerNewOIDs"
        case .answerRelockObject: "AnswerRelockObject"
        case .answerStoreObject: "AnswerStoreObject"
        case .answerStoreTransaction: "AnswerStoreTransaction"
        case .answerVoteTransaction: "AnswerVoteTransaction"
        case .answerObject: "AnswerObject"
        case .answerTIDs: "AnswerTIDs"
        case .answerTransactionInformation: "AnswerTransactionInformation"
        case .answerObjectHistory: "AnswerObjectHistory"
        case .answerPartitionList: "AnswerPartitionList"
        case .answerNodeList: "AnswerNodeList"
        case .answerTweakPartitionTable: "AnswerTweakPartitionTable"
        case .answerClusterState: "AnswerClusterState"
        case .answerObjectUndoSerial: "AnswerObjectUndoSerial"
        case .answerTIDsFrom: "AnswerTIDsFrom"
        case .answerOIDsFrom: "AnswerOIDsFrom"
        case .waitedForPack: "WaitedForPack"
        case .answerPackOrders: "AnswerPackOrders"
        case .answerCheckTIDRange: "AnswerCheckTIDRange"
        case .answerCheckSerialRange: "AnswerCheckSerialRange"
        case .answerLastTransaction: "AnswerLastTransaction"
        case .answerCheckCurrentSerial: "AnswerCheckCurrentSerial"
        case .answerFetchTransactions: "AnswerFetchTransactions"
        case .answerFetchObjects: "AnswerFetchObjects"
        case .answerMonitorInformation: "AnswerMonitorInformation"
        }
    }

    /// The code of the answer, for a request.
    public var answer: PacketCode? {
        switch self {
        case .requestIdentification: .acceptIdentification
        case .ping: .pong
        case .askPrimary: .answerPrimary
        case .askRecovery: .answerRecovery
        case .askLastIDs: .answerLastIDs
        case .askPartitionTable: .answerPartitionTable
        case .askUnfinishedTransactions: .answerUnfinishedTransactions
        case .askLockedTransactions: .answerLockedTransactions
        case .askFinalTID: .answerFinalTID
        case .askBeginTransaction: .answerBeginTransaction
        case .failedVote: .error
        case .askFinishTransaction: .answerTransactionFinished
        case .askLockInformation: .answerInformationLocked
        case .askNewOIDs: .answerNewOIDs
        case .askRelockObject: .answerRelockObject
        case .askStoreObject: .answerStoreObject
        case .askStoreTransaction: .answerStoreTransaction
        case .askVoteTransaction: .answerVoteTransaction
        case .askObject: .answerObject
        case .askTIDs: .answerTIDs
        case .askTransactionInformation: .answerTransactionInformation
        case .askObjectHistory: .answerObjectHistory
        case .askPartitionList: .answerPartitionList
        case .askNodeList: .answerNodeList
        case .setNodeState: .error
        case .addPendingNodes: .error
        case .tweakPartitionTable: .answerTweakPartitionTable
        case .setNumReplicas: .error
        case .setClusterState: .error
        case .repair: .error
        case .askClusterState: .answerClusterState
        case .askObjectUndoSerial: .answerObjectUndoSerial
        case .askTIDsFrom: .answerTIDsFrom
        case .askOIDsFrom: .answerOIDsFrom
        case .waitForPack: .waitedForPack
        case .askPackOrders: .answerPackOrders
        case .checkReplicas: .error
        case .askCheckTIDRange: .answerCheckTIDRange
        case .askCheckSerialRange: .answerCheckSerialRange
        case .askLastTransaction: .answerLastTransaction
        case .askCheckCurrentSerial: .answerCheckCurrentSerial
        case .askFetchTransactions: .answerFetchTransactions
        case .askFetchObjects: .answerFetchObjects
        case .truncate: .error
        case .askMonitorInformation: .answerMonitorInformation
        default: nil
        }
    }

    /// Whether this is an answer or an error.
    public var isAnswer: Bool { rawValue & 0x8000 != 0 }

    /// Whether the packet need not be processed if its connection is already closed (`spec/protocol.md §9.4`).
    public var isIgnoredWhenClosed: Bool {
        switch self {
        case .askFinishTransaction, .askLockInformation, .setNodeState, .addPendingNodes, .setNumReplicas,
            .setClusterState:
            false
        default: answer != nil
        }
    }

    /// Whether the packet only waits in the send queue until another one comes (`spec/protocol.md §9.3`).
    public var isDelayed: Bool { self == .addTransaction || self == .addObject }
}
