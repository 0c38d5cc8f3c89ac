import NEOEngine
import NEOProtocol
import NEOTopology

/// Questions that any identified node may ask (`spec/master.md §14.10`).
extension MasterCore {
    /// - Returns: false if the packet is not such a question.
    mutating func answerCommonQuestion(_ packet: Packet, _ source: Source, _ context: inout Context) -> Bool {
        let (connection, request) = (source.connection, source.request)
        switch packet {
        case .askClusterState:
            connections.answer(connection, to: request, AnswerClusterState(state: clusterState), &context)
        case .askRecovery:
            let answer = AnswerRecovery(ptid: table.ptid, backupTID: nil, truncateTID: recovery.truncateTID)
            connections.answer(connection, to: request, answer, &context)
        case .askLastIDs:
            let answer = AnswerLastIDs(
                lastTID: transactions.highest,
                lastOID: transactions.lastOID,
                firstTID: transactions.first
            )
            connections.answer(connection, to: request, answer, &context)
        case .askLastTransaction:
            connections.answer(connection, to: request, AnswerLastTransaction(tid: transactions.last), &context)
        default:
            return false
        }
        return true
    }
}
