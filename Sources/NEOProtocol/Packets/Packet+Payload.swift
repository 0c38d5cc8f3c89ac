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
}
