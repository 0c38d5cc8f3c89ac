import MessagePack

/// Any packet of the protocol.
public enum Packet: Hashable, Sendable {
    case requestIdentification(RequestIdentification)
    case ping(Ping)
    case closeClient(CloseClient)
    case askPrimary(AskPrimary)
    case notPrimaryMaster(NotPrimaryMaster)
    case notifyNodeInformation(NotifyNodeInformation)
    case askRecovery(AskRecovery)
    case askLastIDs(AskLastIDs)
    case askPartitionTable(AskPartitionTable)
    case sendPartitionTable(SendPartitionTable)
    case notifyPartitionChanges(NotifyPartitionChanges)
    case startOperation(StartOperation)
    case stopOperation(StopOperation)
    case askUnfinishedTransactions(AskUnfinishedTransactions)
    case askLockedTransactions(AskLockedTransactions)
    case askFinalTID(AskFinalTID)
    case validateTransaction(ValidateTransaction)
    case askBeginTransaction(AskBeginTransaction)
    case failedVote(FailedVote)
    case askFinishTransaction(AskFinishTransaction)
    case askLockInformation(AskLockInformation)
    case invalidateObjects(InvalidateObjects)
    case invalidatePartitions(InvalidatePartitions)
    case notifyUnlockInformation(NotifyUnlockInformation)
    case askNewOIDs(AskNewOIDs)
    case notifyDeadlock(NotifyDeadlock)
    case askRelockObject(AskRelockObject)
    case askStoreObject(AskStoreObject)
    case abortTransaction(AbortTransaction)
    case askStoreTransaction(AskStoreTransaction)
    case askVoteTransaction(AskVoteTransaction)
    case askObject(AskObject)
    case askTIDs(AskTIDs)
    case askTransactionInformation(AskTransactionInformation)
    case askObjectHistory(AskObjectHistory)
    case askPartitionList(AskPartitionList)
    case askNodeList(AskNodeList)
    case setNodeState(SetNodeState)
    case addPendingNodes(AddPendingNodes)
    case tweakPartitionTable(TweakPartitionTable)
    case setNumReplicas(SetNumReplicas)
    case setClusterState(SetClusterState)
    case repair(Repair)
    case notifyRepair(NotifyRepair)
    case notifyClusterInformation(NotifyClusterInformation)
    case askClusterState(AskClusterState)
    case askObjectUndoSerial(AskObjectUndoSerial)
    case askTIDsFrom(AskTIDsFrom)
    case askOIDsFrom(AskOIDsFrom)
    case waitForPack(WaitForPack)
    case askPackOrders(AskPackOrders)
    case notifyPackSigned(NotifyPackSigned)
    case notifyPackCompleted(NotifyPackCompleted)
    case checkReplicas(CheckReplicas)
    case checkPartition(CheckPartition)
    case askCheckTIDRange(AskCheckTIDRange)
    case askCheckSerialRange(AskCheckSerialRange)
    case notifyPartitionCorrupted(NotifyPartitionCorrupted)
    case notifyReady(NotifyReady)
    case askLastTransaction(AskLastTransaction)
    case askCheckCurrentSerial(AskCheckCurrentSerial)
    case notifyTransactionFinished(NotifyTransactionFinished)
    case replicate(Replicate)
    case notifyReplicationDone(NotifyReplicationDone)
    case askFetchTransactions(AskFetchTransactions)
    case askFetchObjects(AskFetchObjects)
    case addTransaction(AddTransaction)
    case addObject(AddObject)
    case truncate(Truncate)
    case flushLog(FlushLog)
    case askMonitorInformation(AskMonitorInformation)
    case notifyMonitorInformation(NotifyMonitorInformation)
    case notifyUpstreamAdmin(NotifyUpstreamAdmin)
    case error(ErrorPacket)
    case acceptIdentification(AcceptIdentification)
    case pong(Pong)
    case answerPrimary(AnswerPrimary)
    case answerRecovery(AnswerRecovery)
    case answerLastIDs(AnswerLastIDs)
    case answerPartitionTable(AnswerPartitionTable)
    case answerUnfinishedTransactions(AnswerUnfinishedTransactions)
    case answerLockedTransactions(AnswerLockedTransactions)
    case answerFinalTID(AnswerFinalTID)
    case answerBeginTransaction(AnswerBeginTransaction)
    case answerTransactionFinished(AnswerTransactionFinished)
    case answerInformationLocked(AnswerInformationLocked)
    case answerNewOIDs(AnswerNewOIDs)
    case answerRelockObject(AnswerRelockObject)
    case answerStoreObject(AnswerStoreObject)
    case answerStoreTransaction(AnswerStoreTransaction)
    case answerVoteTransaction(AnswerVoteTransaction)
    case answerObject(AnswerObject)
    case answerTIDs(AnswerTIDs)
    case answerTransactionInformation(AnswerTransactionInformation)
    case answerObjectHistory(AnswerObjectHistory)
    case answerPartitionList(AnswerPartitionList)
    case answerNodeList(AnswerNodeList)
    case answerTweakPartitionTable(AnswerTweakPartitionTable)
    case answerClusterState(AnswerClusterState)
    case answerObjectUndoSerial(AnswerObjectUndoSerial)
    case answerTIDsFrom(AnswerTIDsFrom)
    case answerOIDsFrom(AnswerOIDsFrom)
    case waitedForPack(WaitedForPack)
    case answerPackOrders(AnswerPackOrders)
    case answerCheckTIDRange(AnswerCheckTIDRange)
    case answerCheckSerialRange(AnswerCheckSerialRange)
    case answerLastTransaction(AnswerLastTransaction)
    case answerCheckCurrentSerial(AnswerCheckCurrentSerial)
    case answerFetchTransactions(AnswerFetchTransactions)
    case answerFetchObjects(AnswerFetchObjects)
    case answerMonitorInformation(AnswerMonitorInformation)
}

extension Packet {
    /// The packet in its own type.
    public var payload: any PacketPayload {
        switch self {
        case .requestIdentification(let payload): payload
        case .ping(let payload): payload
        case .closeClient(let payload): payload
        case .askPrimary(let payload): payload
        case .notPrimaryMaster(let payload): payload
        case .notifyNodeInformation(let payload): payload
        case .askRecovery(let payload): payload
        case .askLastIDs(let payload): payload
        case .askPartitionTable(let payload): payload
        case .sendPartitionTable(let payload): payload
        case .notifyPartitionChanges(let payload): payload
        case .startOperation(let payload): payload
        case .stopOperation(let payload): payload
        case .askUnfinishedTransactions(let payload): payload
        case .askLockedTransactions(let payload): payload
        case .askFinalTID(let payload): payload
        case .validateTransaction(let payload): payload
        case .askBeginTransaction(let payload): payload
        case .failedVote(let payload): payload
        case .askFinishTransaction(let payload): payload
        case .askLockInformation(let payload): payload
        case .invalidateObjects(let payload): payload
        case .invalidatePartitions(let payload): payload
        case .notifyUnlockInformation(let payload): payload
        case .askNewOIDs(let payload): payload
        case .notifyDeadlock(let payload): payload
        case .askRelockObject(let payload): payload
        case .askStoreObject(let payload): payload
        case .abortTransaction(let payload): payload
        case .askStoreTransaction(let payload): payload
        case .askVoteTransaction(let payload): payload
        case .askObject(let payload): payload
        case .askTIDs(let payload): payload
        case .askTransactionInformation(let payload): payload
        case .askObjectHistory(let payload): payload
        case .askPartitionList(let payload): payload
        case .askNodeList(let payload): payload
        case .setNodeState(let payload): payload
        case .addPendingNodes(let payload): payload
        case .tweakPartitionTable(let payload): payload
        case .setNumReplicas(let payload): payload
        case .setClusterState(let payload): payload
        case .repair(let payload): payload
        case .notifyRepair(let payload): payload
        case .notifyClusterInformation(let payload): payload
        case .askClusterState(let payload): payload
        case .askObjectUndoSerial(let payload): payload
        case .askTIDsFrom(let payload): payload
        case .askOIDsFrom(let payload): payload
        case .waitForPack(let payload): payload
        case .askPackOrders(let payload): payload
        case .notifyPackSigned(let payload): payload
        case .notifyPackCompleted(let payload): payload
        case .checkReplicas(let payload): payload
        case .checkPartition(let payload): payload
        case .askCheckTIDRange(let payload): payload
        case .askCheckSerialRange(let payload): payload
        case .notifyPartitionCorrupted(let payload): payload
        case .notifyReady(let payload): payload
        case .askLastTransaction(let payload): payload
        case .askCheckCurrentSerial(let payload): payload
        case .notifyTransactionFinished(let payload): payload
        case .replicate(let payload): payload
        case .notifyReplicationDone(let payload): payload
        case .askFetchTransactions(let payload): payload
        case .askFetchObjects(let payload): payload
        case .addTransaction(let payload): payload
        case .addObject(let payload): payload
        case .truncate(let payload): payload
        case .flushLog(let payload): payload
        case .askMonitorInformation(let payload): payload
        case .notifyMonitorInformation(let payload): payload
        case .notifyUpstreamAdmin(let payload): payload
        case .error(let payload): payload
        case .acceptIdentification(let payload): payload
        case .pong(let payload): payload
        case .answerPrimary(let payload): payload
        case .answerRecovery(let payload): payload
        case .answerLastIDs(let payload): payload
        case .answerPartitionTable(let payload): payload
        case .answerUnfinishedTransactions(let payload): payload
        case .answerLockedTransactions(let payload): payload
        case .answerFinalTID(let payload): payload
        case .answerBeginTransaction(let payload): payload
        case .answerTransactionFinished(let payload): payload
        case .answerInformationLocked(let payload): payload
        case .answerNewOIDs(let payload): payload
        case .answerRelockObject(let payload): payload
        case .answerStoreObject(let payload): payload
        case .answerStoreTransaction(let payload): payload
        case .answerVoteTransaction(let payload): payload
        case .answerObject(let payload): payload
        case .answerTIDs(let payload): payload
        case .answerTransactionInformation(let payload): payload
        case .answerObjectHistory(let payload): payload
        case .answerPartitionList(let payload): payload
        case .answerNodeList(let payload): payload
        case .answerTweakPartitionTable(let payload): payload
        case .answerClusterState(let payload): payload
        case .answerObjectUndoSerial(let payload): payload
        case .answerTIDsFrom(let payload): payload
        case .answerOIDsFrom(let payload): payload
        case .waitedForPack(let payload): payload
        case .answerPackOrders(let payload): payload
        case .answerCheckTIDRange(let payload): payload
        case .answerCheckSerialRange(let payload): payload
        case .answerLastTransaction(let payload): payload
        case .answerCheckCurrentSerial(let payload): payload
        case .answerFetchTransactions(let payload): payload
        case .answerFetchObjects(let payload): payload
        case .answerMonitorInformation(let payload): payload
        }
    }

    public var code: PacketCode {
        switch self {
        case .requestIdentification: .requestIdentification
        case .ping: .ping
        case .closeClient: .closeClient
        case .askPrimary: .askPrimary
        case .notPrimaryMaster: .notPrimaryMaster
        case .notifyNodeInformation: .notifyNodeInformation
        case .askRecovery: .askRecovery
        case .askLastIDs: .askLastIDs
        case .askPartitionTable: .askPartitionTable
        case .sendPartitionTable: .sendPartitionTable
        case .notifyPartitionChanges: .notifyPartitionChanges
        case .startOperation: .startOperation
        case .stopOperation: .stopOperation
        case .askUnfinishedTransactions: .askUnfinishedTransactions
        case .askLockedTransactions: .askLockedTransactions
        case .askFinalTID: .askFinalTID
        case .validateTransaction: .validateTransaction
        case .askBeginTransaction: .askBeginTransaction
        case .failedVote: .failedVote
        case .askFinishTransaction: .askFinishTransaction
        case .askLockInformation: .askLockInformation
        case .invalidateObjects: .invalidateObjects
        case .invalidatePartitions: .invalidatePartitions
        case .notifyUnlockInformation: .notifyUnlockInformation
        case .askNewOIDs: .askNewOIDs
        case .notifyDeadlock: .notifyDeadlock
        case .askRelockObject: .askRelockObject
        case .askStoreObject: .askStoreObject
        case .abortTransaction: .abortTransaction
        case .askStoreTransaction: .askStoreTransaction
        case .askVoteTransaction: .askVoteTransaction
        case .askObject: .askObject
        case .askTIDs: .askTIDs
        case .askTransactionInformation: .askTransactionInformation
        case .askObjectHistory: .askObjectHistory
        case .askPartitionList: .askPartitionList
        case .askNodeList: .askNodeList
        case .setNodeState: .setNodeState
        case .addPendingNodes: .addPendingNodes
        case .tweakPartitionTable: .tweakPartitionTable
        case .setNumReplicas: .setNumReplicas
        case .setClusterState: .setClusterState
        case .repair: .repair
        case .notifyRepair: .notifyRepair
        case .notifyClusterInformation: .notifyClusterInformation
        case .askClusterState: .askClusterState
        case .askObjectUndoSerial: .askObjectUndoSerial
        case .askTIDsFrom: .askTIDsFrom
        case .askOIDsFrom: .askOIDsFrom
        case .waitForPack: .waitForPack
        case .askPackOrders: .askPackOrders
        case .notifyPackSigned: .notifyPackSigned
        case .notifyPackCompleted: .notifyPackCompleted
        case .checkReplicas: .checkReplicas
        case .checkPartition: .checkPartition
        case .askCheckTIDRange: .askCheckTIDRange
        case .askCheckSerialRange: .askCheckSerialRange
        case .notifyPartitionCorrupted: .notifyPartitionCorrupted
        case .notifyReady: .notifyReady
        case .askLastTransaction: .askLastTransaction
        case .askCheckCurrentSerial: .askCheckCurrentSerial
        case .notifyTransactionFinished: .notifyTransactionFinished
        case .replicate: .replicate
        case .notifyReplicationDone: .notifyReplicationDone
        case .askFetchTransactions: .askFetchTransactions
        case .askFetchObjects: .askFetchObjects
        case .addTransaction: .addTransaction
        case .addObject: .addObject
        case .truncate: .truncate
        case .flushLog: .flushLog
        case .askMonitorInformation: .askMonitorInformation
        case .notifyMonitorInformation: .notifyMonitorInformation
        case .notifyUpstreamAdmin: .notifyUpstreamAdmin
        case .error: .error
        case .acceptIdentification: .acceptIdentification
        case .pong: .pong
        case .answerPrimary: .answerPrimary
        case .answerRecovery: .answerRecovery
        case .answerLastIDs: .answerLastIDs
        case .answerPartitionTable: .answerPartitionTable
        case .answerUnfinishedTransactions: .answerUnfinishedTransactions
        case .answerLockedTransactions: .answerLockedTransactions
        case .answerFinalTID: .answerFinalTID
        case .answerBeginTransaction: .answerBeginTransaction
        case .answerTransactionFinished: .answerTransactionFinished
        case .answerInformationLocked: .answerInformationLocked
        case .answerNewOIDs: .answerNewOIDs
        case .answerRelockObject: .answerRelockObject
        case .answerStoreObject: .answerStoreObject
        case .answerStoreTransaction: .answerStoreTransaction
        case .answerVoteTransaction: .answerVoteTransaction
        case .answerObject: .answerObject
        case .answerTIDs: .answerTIDs
        case .answerTransactionInformation: .answerTransactionInformation
        case .answerObjectHistory: .answerObjectHistory
        case .answerPartitionList: .answerPartitionList
        case .answerNodeList: .answerNodeList
        case .answerTweakPartitionTable: .answerTweakPartitionTable
        case .answerClusterState: .answerClusterState
        case .answerObjectUndoSerial: .answerObjectUndoSerial
        case .answerTIDsFrom: .answerTIDsFrom
        case .answerOIDsFrom: .answerOIDsFrom
        case .waitedForPack: .waitedForPack
        case .answerPackOrders: .answerPackOrders
        case .answerCheckTIDRange: .answerCheckTIDRange
        case .answerCheckSerialRange: .answerCheckSerialRange
        case .answerLastTransaction: .answerLastTransaction
        case .answerCheckCurrentSerial: .answerCheckCurrentSerial
        case .answerFetchTransactions: .answerFetchTransactions
        case .answerFetchObjects: .answerFetchObjects
        case .answerMonitorInformation: .answerMonitorInformation
        }
    }

    /// Decodes the arguments of the packet `code`.
    public init(_ code: PacketCode, from reader: inout MessagePackReader) throws(MessagePackError) {
        switch code {
        case .requestIdentification: self = .requestIdentification(try RequestIdentification(from: &reader))
        case .ping: self = .ping(try Ping(from: &reader))
        case .closeClient: self = .closeClient(try CloseClient(from: &reader))
        case .askPrimary: self = .askPrimary(try AskPrimary(from: &reader))
        case .notPrimaryMaster: self = .notPrimaryMaster(try NotPrimaryMaster(from: &reader))
        case .notifyNodeInformation: self = .notifyNodeInformation(try NotifyNodeInformation(from: &reader))
        case .askRecovery: self = .askRecovery(try AskRecovery(from: &reader))
        case .askLastIDs: self = .askLastIDs(try AskLastIDs(from: &reader))
        case .askPartitionTable: self = .askPartitionTable(try AskPartitionTable(from: &reader))
        case .sendPartitionTable: self = .sendPartitionTable(try SendPartitionTable(from: &reader))
        case .notifyPartitionChanges: self = .notifyPartitionChanges(try NotifyPartitionChanges(from: &reader))
        case .startOperation: self = .startOperation(try StartOperation(from: &reader))
        case .stopOperation: self = .stopOperation(try StopOperation(from: &reader))
        case .askUnfinishedTransactions: self = .askUnfinishedTransactions(try AskUnfinishedTransactions(from: &reader))
        case .askLockedTransactions: self = .askLockedTransactions(try AskLockedTransactions(from: &reader))
        case .askFinalTID: self = .askFinalTID(try AskFinalTID(from: &reader))
        case .validateTransaction: self = .validateTransaction(try ValidateTransaction(from: &reader))
        case .askBeginTransaction: self = .askBeginTransaction(try AskBeginTransaction(from: &reader))
        case .failedVote: self = .failedVote(try FailedVote(from: &reader))
        case .askFinishTransaction: self = .askFinishTransaction(try AskFinishTransaction(from: &reader))
        case .askLockInformation: self = .askLockInformation(try AskLockInformation(from: &reader))
        case .invalidateObjects: self = .invalidateObjects(try InvalidateObjects(from: &reader))
        case .invalidatePartitions: self = .invalidatePartitions(try InvalidatePartitions(from: &reader))
        case .notifyUnlockInformation: self = .notifyUnlockInformation(try NotifyUnlockInformation(from: &reader))
        case .askNewOIDs: self = .askNewOIDs(try AskNewOIDs(from: &reader))
        case .notifyDeadlock: self = .notifyDeadlock(try NotifyDeadlock(from: &reader))
        case .askRelockObject: self = .askRelockObject(try AskRelockObject(from: &reader))
        case .askStoreObject: self = .askStoreObject(try AskStoreObject(from: &reader))
        case .abortTransaction: self = .abortTransaction(try AbortTransaction(from: &reader))
        case .askStoreTransaction: self = .askStoreTransaction(try AskStoreTransaction(from: &reader))
        case .askVoteTransaction: self = .askVoteTransaction(try AskVoteTransaction(from: &reader))
        case .askObject: self = .askObject(try AskObject(from: &reader))
        case .askTIDs: self = .askTIDs(try AskTIDs(from: &reader))
        case .askTransactionInformation: self = .askTransactionInformation(try AskTransactionInformation(from: &reader))
        case .askObjectHistory: self = .askObjectHistory(try AskObjectHistory(from: &reader))
        case .askPartitionList: self = .askPartitionList(try AskPartitionList(from: &reader))
        case .askNodeList: self = .askNodeList(try AskNodeList(from: &reader))
        case .setNodeState: self = .setNodeState(try SetNodeState(from: &reader))
        case .addPendingNodes: self = .addPendingNodes(try AddPendingNodes(from: &reader))
        case .tweakPartitionTable: self = .tweakPartitionTable(try TweakPartitionTable(from: &reader))
        case .setNumReplicas: self = .setNumReplicas(try SetNumReplicas(from: &reader))
        case .setClusterState: self = .setClusterState(try SetClusterState(from: &reader))
        case .repair: self = .repair(try Repair(from: &reader))
        case .notifyRepair: self = .notifyRepair(try NotifyRepair(from: &reader))
        case .notifyClusterInformation: self = .notifyClusterInformation(try NotifyClusterInformation(from: &reader))
        case .askClusterState: self = .askClusterState(try AskClusterState(from: &reader))
        case .askObjectUndoSerial: self = .askObjectUndoSerial(try AskObjectUndoSerial(from: &reader))
        case .askTIDsFrom: self = .askTIDsFrom(try AskTIDsFrom(from: &reader))
        case .askOIDsFrom: self = .askOIDsFrom(try AskOIDsFrom(from: &reader))
        case .waitForPack: self = .waitForPack(try WaitForPack(from: &reader))
        case .askPackOrders: self = .askPackOrders(try AskPackOrders(from: &reader))
        case .notifyPackSigned: self = .notifyPackSigned(try NotifyPackSigned(from: &reader))
        case .notifyPackCompleted: self = .notifyPackCompleted(try NotifyPackCompleted(from: &reader))
        case .checkReplicas: self = .checkReplicas(try CheckReplicas(from: &reader))
        case .checkPartition: self = .checkPartition(try CheckPartition(from: &reader))
        case .askCheckTIDRange: self = .askCheckTIDRange(try AskCheckTIDRange(from: &reader))
        case .askCheckSerialRange: self = .askCheckSerialRange(try AskCheckSerialRange(from: &reader))
        case .notifyPartitionCorrupted: self = .notifyPartitionCorrupted(try NotifyPartitionCorrupted(from: &reader))
        case .notifyReady: self = .notifyReady(try NotifyReady(from: &reader))
        case .askLastTransaction: self = .askLastTransaction(try AskLastTransaction(from: &reader))
        case .askCheckCurrentSerial: self = .askCheckCurrentSerial(try AskCheckCurrentSerial(from: &reader))
        case .notifyTransactionFinished: self = .notifyTransactionFinished(try NotifyTransactionFinished(from: &reader))
        case .replicate: self = .replicate(try Replicate(from: &reader))
        case .notifyReplicationDone: self = .notifyReplicationDone(try NotifyReplicationDone(from: &reader))
        case .askFetchTransactions: self = .askFetchTransactions(try AskFetchTransactions(from: &reader))
        case .askFetchObjects: self = .askFetchObjects(try AskFetchObjects(from: &reader))
        case .addTransaction: self = .addTransaction(try AddTransaction(from: &reader))
        case .addObject: self = .addObject(try AddObject(from: &reader))
        case .truncate: self = .truncate(try Truncate(from: &reader))
        case .flushLog: self = .flushLog(try FlushLog(from: &reader))
        case .askMonitorInformation: self = .askMonitorInformation(try AskMonitorInformation(from: &reader))
        case .notifyMonitorInformation: self = .notifyMonitorInformation(try NotifyMonitorInformation(from: &reader))
        case .notifyUpstreamAdmin: self = .notifyUpstreamAdmin(try NotifyUpstreamAdmin(from: &reader))
        case .error: self = .error(try ErrorPacket(from: &reader))
        case .acceptIdentification: self = .acceptIdentification(try AcceptIdentification(from: &reader))
        case .pong: self = .pong(try Pong(from: &reader))
        case .answerPrimary: self = .answerPrimary(try AnswerPrimary(from: &reader))
        case .answerRecovery: self = .answerRecovery(try AnswerRecovery(from: &reader))
        case .answerLastIDs: self = .answerLastIDs(try AnswerLastIDs(from: &reader))
        case .answerPartitionTable: self = .answerPartitionTable(try AnswerPartitionTable(from: &reader))
        case .answerUnfinishedTransactions:
            self = .answerUnfinishedTransactions(try AnswerUnfinishedTransactions(from: &reader))
        case .answerLockedTransactions: self = .answerLockedTransactions(try AnswerLockedTransactions(from: &reader))
        case .answerFinalTID: self = .answerFinalTID(try AnswerFinalTID(from: &reader))
        case .answerBeginTransaction: self = .answerBeginTransaction(try AnswerBeginTransaction(from: &reader))
        case .answerTransactionFinished: self = .answerTransactionFinished(try AnswerTransactionFinished(from: &reader))
        case .answerInformationLocked: self = .answerInformationLocked(try AnswerInformationLocked(from: &reader))
        case .answerNewOIDs: self = .answerNewOIDs(try AnswerNewOIDs(from: &reader))
        case .answerRelockObject: self = .answerRelockObject(try AnswerRelockObject(from: &reader))
        case .answerStoreObject: self = .answerStoreObject(try AnswerStoreObject(from: &reader))
        case .answerStoreTransaction: self = .answerStoreTransaction(try AnswerStoreTransaction(from: &reader))
        case .answerVoteTransaction: self = .answerVoteTransaction(try AnswerVoteTransaction(from: &reader))
        case .answerObject: self = .answerObject(try AnswerObject(from: &reader))
        case .answerTIDs: self = .answerTIDs(try AnswerTIDs(from: &reader))
        case .answerTransactionInformation:
            self = .answerTransactionInformation(try AnswerTransactionInformation(from: &reader))
        case .answerObjectHistory: self = .answerObjectHistory(try AnswerObjectHistory(from: &reader))
        case .answerPartitionList: self = .answerPartitionList(try AnswerPartitionList(from: &reader))
        case .answerNodeList: self = .answerNodeList(try AnswerNodeList(from: &reader))
        case .answerTweakPartitionTable: self = .answerTweakPartitionTable(try AnswerTweakPartitionTable(from: &reader))
        case .answerClusterState: self = .answerClusterState(try AnswerClusterState(from: &reader))
        case .answerObjectUndoSerial: self = .answerObjectUndoSerial(try AnswerObjectUndoSerial(from: &reader))
        case .answerTIDsFrom: self = .answerTIDsFrom(try AnswerTIDsFrom(from: &reader))
        case .answerOIDsFrom: self = .answerOIDsFrom(try AnswerOIDsFrom(from: &reader))
        case .waitedForPack: self = .waitedForPack(try WaitedForPack(from: &reader))
        case .answerPackOrders: self = .answerPackOrders(try AnswerPackOrders(from: &reader))
        case .answerCheckTIDRange: self = .answerCheckTIDRange(try AnswerCheckTIDRange(from: &reader))
        case .answerCheckSerialRange: self = .answerCheckSerialRange(try AnswerCheckSerialRange(from: &reader))
        case .answerLastTransaction: self = .answerLastTransaction(try AnswerLastTransaction(from: &reader))
        case .answerCheckCurrentSerial: self = .answerCheckCurrentSerial(try AnswerCheckCurrentSerial(from: &reader))
        case .answerFetchTransactions: self = .answerFetchTransactions(try AnswerFetchTransactions(from: &reader))
        case .answerFetchObjects: self = .answerFetchObjects(try AnswerFetchObjects(from: &reader))
        case .answerMonitorInformation: self = .answerMonitorInformation(try AnswerMonitorInformation(from: &reader))
        }
    }

    /// Encodes the arguments.
    public func encode(into writer: inout MessagePackWriter) {
        switch self {
        case .requestIdentification(let payload): payload.encode(into: &writer)
        case .ping(let payload): payload.encode(into: &writer)
        case .closeClient(let payload): payload.encode(into: &writer)
        case .askPrimary(let payload): payload.encode(into: &writer)
        case .notPrimaryMaster(let payload): payload.encode(into: &writer)
        case .notifyNodeInformation(let payload): payload.encode(into: &writer)
        case .askRecovery(let payload): payload.encode(into: &writer)
        case .askLastIDs(let payload): payload.encode(into: &writer)
        case .askPartitionTable(let payload): payload.encode(into: &writer)
        case .sendPartitionTable(let payload): payload.encode(into: &writer)
        case .notifyPartitionChanges(let payload): payload.encode(into: &writer)
        case .startOperation(let payload): payload.encode(into: &writer)
        case .stopOperation(let payload): payload.encode(into: &writer)
        case .askUnfinishedTransactions(let payload): payload.encode(into: &writer)
        case .askLockedTransactions(let payload): payload.encode(into: &writer)
        case .askFinalTID(let payload): payload.encode(into: &writer)
        case .validateTransaction(let payload): payload.encode(into: &writer)
        case .askBeginTransaction(let payload): payload.encode(into: &writer)
        case .failedVote(let payload): payload.encode(into: &writer)
        case .askFinishTransaction(let payload): payload.encode(into: &writer)
        case .askLockInformation(let payload): payload.encode(into: &writer)
        case .invalidateObjects(let payload): payload.encode(into: &writer)
        case .invalidatePartitions(let payload): payload.encode(into: &writer)
        case .notifyUnlockInformation(let payload): payload.encode(into: &writer)
        case .askNewOIDs(let payload): payload.encode(into: &writer)
        case .notifyDeadlock(let payload): payload.encode(into: &writer)
        case .askRelockObject(let payload): payload.encode(into: &writer)
        case .askStoreObject(let payload): payload.encode(into: &writer)
        case .abortTransaction(let payload): payload.encode(into: &writer)
        case .askStoreTransaction(let payload): payload.encode(into: &writer)
        case .askVoteTransaction(let payload): payload.encode(into: &writer)
        case .askObject(let payload): payload.encode(into: &writer)
        case .askTIDs(let payload): payload.encode(into: &writer)
        case .askTransactionInformation(let payload): payload.encode(into: &writer)
        case .askObjectHistory(let payload): payload.encode(into: &writer)
        case .askPartitionList(let payload): payload.encode(into: &writer)
        case .askNodeList(let payload): payload.encode(into: &writer)
        case .setNodeState(let payload): payload.encode(into: &writer)
        case .addPendingNodes(let payload): payload.encode(into: &writer)
        case .tweakPartitionTable(let payload): payload.encode(into: &writer)
        case .setNumReplicas(let payload): payload.encode(into: &writer)
        case .setClusterState(let payload): payload.encode(into: &writer)
        case .repair(let payload): payload.encode(into: &writer)
        case .notifyRepair(let payload): payload.encode(into: &writer)
        case .notifyClusterInformation(let payload): payload.encode(into: &writer)
        case .askClusterState(let payload): payload.encode(into: &writer)
        case .askObjectUndoSerial(let payload): payload.encode(into: &writer)
        case .askTIDsFrom(let payload): payload.encode(into: &writer)
        case .askOIDsFrom(let payload): payload.encode(into: &writer)
        case .waitForPack(let payload): payload.encode(into: &writer)
        case .askPackOrders(let payload): payload.encode(into: &writer)
        case .notifyPackSigned(let payload): payload.encode(into: &writer)
        case .notifyPackCompleted(let payload): payload.encode(into: &writer)
        case .checkReplicas(let payload): payload.encode(into: &writer)
        case .checkPartition(let payload): payload.encode(into: &writer)
        case .askCheckTIDRange(let payload): payload.encode(into: &writer)
        case .askCheckSerialRange(let payload): payload.encode(into: &writer)
        case .notifyPartitionCorrupted(let payload): payload.encode(into: &writer)
        case .notifyReady(let payload): payload.encode(into: &writer)
        case .askLastTransaction(let payload): payload.encode(into: &writer)
        case .askCheckCurrentSerial(let payload): payload.encode(into: &writer)
        case .notifyTransactionFinished(let payload): payload.encode(into: &writer)
        case .replicate(let payload): payload.encode(into: &writer)
        case .notifyReplicationDone(let payload): payload.encode(into: &writer)
        case .askFetchTransactions(let payload): payload.encode(into: &writer)
        case .askFetchObjects(let payload): payload.encode(into: &writer)
        case .addTransaction(let payload): payload.encode(into: &writer)
        case .addObject(let payload): payload.encode(into: &writer)
        case .truncate(let payload): payload.encode(into: &writer)
        case .flushLog(let payload): payload.encode(into: &writer)
        case .askMonitorInformation(let payload): payload.encode(into: &writer)
        case .notifyMonitorInformation(let payload): payload.encode(into: &writer)
        case .notifyUpstreamAdmin(let payload): payload.encode(into: &writer)
        case .error(let payload): payload.encode(into: &writer)
        case .acceptIdentification(let payload): payload.encode(into: &writer)
        case .pong(let payload): payload.encode(into: &writer)
        case .answerPrimary(let payload): payload.encode(into: &writer)
        case .answerRecovery(let payload): payload.encode(into: &writer)
        case .answerLastIDs(let payload): payload.encode(into: &writer)
        case .answerPartitionTable(let payload): payload.encode(into: &writer)
        case .answerUnfinishedTransactions(let payload): payload.encode(into: &writer)
        case .answerLockedTransactions(let payload): payload.encode(into: &writer)
        case .answerFinalTID(let payload): payload.encode(into: &writer)
        case .answerBeginTransaction(let payload): payload.encode(into: &writer)
        case .answerTransactionFinished(let payload): payload.encode(into: &writer)
        case .answerInformationLocked(let payload): payload.encode(into: &writer)
        case .answerNewOIDs(let payload): payload.encode(into: &writer)
        case .answerRelockObject(let payload): payload.encode(into: &writer)
        case .answerStoreObject(let payload): payload.encode(into: &writer)
        case .answerStoreTransaction(let payload): payload.encode(into: &writer)
        case .answerVoteTransaction(let payload): payload.encode(into: &writer)
        case .answerObject(let payload): payload.encode(into: &writer)
        case .answerTIDs(let payload): payload.encode(into: &writer)
        case .answerTransactionInformation(let payload): payload.encode(into: &writer)
        case .answerObjectHistory(let payload): payload.encode(into: &writer)
        case .answerPartitionList(let payload): payload.encode(into: &writer)
        case .answerNodeList(let payload): payload.encode(into: &writer)
        case .answerTweakPartitionTable(let payload): payload.encode(into: &writer)
        case .answerClusterState(let payload): payload.encode(into: &writer)
        case .answerObjectUndoSerial(let payload): payload.encode(into: &writer)
        case .answerTIDsFrom(let payload): payload.encode(into: &writer)
        case .answerOIDsFrom(let payload): payload.encode(into: &writer)
        case .waitedForPack(let payload): payload.encode(into: &writer)
        case .answerPackOrders(let payload): payload.encode(into: &writer)
        case .answerCheckTIDRange(let payload): payload.encode(into: &writer)
        case .answerCheckSerialRange(let payload): payload.encode(into: &writer)
        case .answerLastTransaction(let payload): payload.encode(into: &writer)
        case .answerCheckCurrentSerial(let payload): payload.encode(into: &writer)
        case .answerFetchTransactions(let payload): payload.encode(into: &writer)
        case .answerFetchObjects(let payload): payload.encode(into: &writer)
        case .answerMonitorInformation(let payload): payload.encode(into: &writer)
        }
    }
}
