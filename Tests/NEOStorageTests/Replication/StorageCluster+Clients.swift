import NEODatabase
import NEOEngine
import NEOProtocol
import NIOCore

@testable import NEOStorage

/// Clients of the storages, played by the test.
extension StorageCluster {
    /// Announces a client to a storage and connects it.
    mutating func client(_ number: Int32, at storage: Int) throws -> ConnectionID {
        let nid = NID(.client, number)
        timestamp += 1
        let node = NodeRecord(type: .client, address: nil, nid: nid, state: .running, idTimestamp: Double(number))
        try tell(.notifyNodeInformation(NotifyNodeInformation(timestamp: timestamp, nodes: [node])), to: storage)
        let id = try hosts[storage - 1].accept()
        let request = RequestIdentification(
            type: .client,
            nid: nid,
            address: nil,
            cluster: "differential",
            idTimestamp: Double(number),
            extra: Properties()
        )
        try hosts[storage - 1].send(request.packet, on: id)
        _ = hosts[storage - 1].take(id)
        return id
    }

    /// - Returns: what was answered at once.
    mutating func store(
        _ oid: UInt64,
        on serial: UInt64,
        _ ttid: UInt64,
        at storage: Int,
        _ client: ConnectionID
    ) throws -> [String] {
        let data = ByteBuffer(string: "\(oid) of \(ttid)")
        let packet = AskStoreObject(
            oid: OID(oid),
            serial: TID(serial),
            compression: 0,
            checksum: Checksum(of: data),
            data: data,
            dataTID: nil,
            ttid: TID(ttid)
        )
        try hosts[storage - 1].send(packet.packet, on: client)
        return answers(at: storage, client)
    }

    mutating func answers(at storage: Int, _ client: ConnectionID) -> [String] {
        NEOStorageTests.brief(hosts[storage - 1].packets(client))
    }

    /// Votes and locks a transaction, with metadata.
    mutating func lock(_ ttid: UInt64, at tid: UInt64, _ oids: [UInt64], at storage: Int, _ client: ConnectionID) throws
    {
        try vote(ttid, oids, at: storage, client)
        try tell(.askLockInformation(AskLockInformation(ttid: TID(ttid), tid: TID(tid), pack: false)), to: storage)
        _ = hosts[storage - 1].take(client)
    }

    /// With metadata.
    mutating func vote(_ ttid: UInt64, _ oids: [UInt64], at storage: Int, _ client: ConnectionID) throws {
        let vote = AskStoreTransaction(
            ttid: TID(ttid),
            user: ByteBuffer(),
            description: ByteBuffer(),
            extensionData: ByteBuffer(),
            oids: oids.map { OID($0) },
            pack: nil
        )
        try hosts[storage - 1].send(vote.packet, on: client)
    }

    mutating func unlock(_ ttid: UInt64, at storage: Int) throws {
        try tell(.notifyUnlockInformation(NotifyUnlockInformation(ttid: TID(ttid))), to: storage)
    }

    mutating func abort(_ ttid: UInt64, at storage: Int) throws {
        try tell(.abortTransaction(AbortTransaction(ttid: TID(ttid), nids: [])), to: storage)
    }
}
