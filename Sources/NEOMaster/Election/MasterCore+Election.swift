import NEOEngine
import NEOProtocol
import NEOTopology

extension MasterCore {
    mutating func planConnections(_ context: inout Context) {}
    mutating func forgetConnectingMasters(_ context: inout Context) -> [NodeKey] { [] }
    mutating func electionTimerFired(_ context: inout Context) {}
    mutating func electionConnected(_ id: ConnectionID, _ context: inout Context) {}
    mutating func electionConnectionLost(_ id: ConnectionID, _ reason: String, _ context: inout Context) {}
    mutating func electionAccepted(_ answer: AcceptIdentification, _ source: Source, _ context: inout Context) {}
    mutating func electionRedirected(_ answer: NotPrimaryMaster, _ source: Source, _ context: inout Context) {}
    mutating func electionInformed(_ information: NotifyNodeInformation, _ source: Source, _ context: inout Context) {}
    mutating func electionInformed(_ information: NotifyClusterInformation, _ source: Source, _ context: inout Context)
    {}
    func electionIsLost(to request: RequestIdentification) -> Bool { false }
    mutating func yield(to request: RequestIdentification, _ source: Source, _ context: inout Context) {}
    mutating func redirect(_ request: RequestIdentification, _ source: Source, _ context: inout Context) {}
}
