import NEODatabase
import NEOEngine
import NEOProtocol
import NEOTopology
import NIOCore
import Testing

@testable import NEOStorage

/// What only a master may say, and what is kept whatever it says (`spec/storage.md §22`).
@Suite struct TrustTests {
    static let packets: [Packet] = [
        .notifyNodeInformation(
            NotifyNodeInformation(
                timestamp: 1e12,
                nodes: [
                    NodeRecord(
                        type: .storage,
                        address: nil,
                        nid: StorageScenario.own,
                        state: .unknown,
                        idTimestamp: nil
                    )
                ]
            )
        ),
        .notPrimaryMaster(
            NotPrimaryMaster(primaryIndex: 0, masters: [NodeAddress(host: "127.0.0.1", port: 9)])
        ),
        .acceptIdentification(
            AcceptIdentification(type: .master, nid: NID(.master, 1), yourNID: NID(.storage, 9))
        ),
        .notifyTransactionFinished(NotifyTransactionFinished(ttid: TID(0x1000), tid: TID(0x1004))),
        .notifyClusterInformation(NotifyClusterInformation(state: .stopping)),
        .sendPartitionTable(
            SendPartitionTable(ptid: 9, replicas: 0, rows: [[CellRecord(nid: StorageScenario.other, state: .upToDate)]])
        ),
        .notifyPartitionChanges(
            NotifyPartitionChanges(
                ptid: 2,
                replicas: 0,
                cells: [CellChange(partition: 0, nid: StorageScenario.own, state: .discarded)]
            )
        ),
        .stopOperation(StopOperation()), .startOperation(StartOperation(backup: true)),
        .truncate(Truncate(tid: .zero)), .notifyRepair(NotifyRepair(dryRun: false)),
        .askLockInformation(AskLockInformation(ttid: TID(0x1000), tid: TID(0x1004), pack: false)),
        .notifyUnlockInformation(NotifyUnlockInformation(ttid: TID(0x1000))),
        .validateTransaction(ValidateTransaction(ttid: TID(0x1000), tid: TID(0x1004))),
        .notifyPackSigned(NotifyPackSigned(approved: [TID(5)], rejected: [])),
        .checkPartition(
            CheckPartition(partition: 0, source: ReplicationSource(cluster: "", address: nil), min: .zero, max: .max)
        ),
    ]

    enum Peer: CaseIterable { case unidentified, client, storage }

    @Test("What a master says is not taken from others (22.11)", arguments: packets.indices, Peer.allCases)
    func wordsOfAMaster(_ index: Int, _ peer: Peer) throws {
        var scenario = try StorageScenario(.immediate)
        try scenario.store(1, 0x1000, by: scenario.b)
        let connection: ConnectionID
        switch peer {
        case .unidentified: connection = try scenario.host.accept()
        case .client: connection = scenario.a
        case .storage:
            let address = NodeAddress(host: "127.0.0.1", port: 2001)
            let node = NodeRecord(
                type: .storage,
                address: address,
                nid: StorageScenario.other,
                state: .running,
                idTimestamp: 3
            )
            try scenario.tell(.notifyNodeInformation(NotifyNodeInformation(timestamp: 200, nodes: [node])))
            connection = try scenario.host.accept()
            try scenario.host.send(
                RequestIdentification(
                    type: .storage,
                    nid: StorageScenario.other,
                    address: address,
                    cluster: "differential",
                    idTimestamp: 3,
                    extra: Properties()
                ).packet,
                on: connection
            )
            #expect(brief(scenario.host.packets(connection)) == ["AcceptIdentification"])
        }
        let core = scenario.host.core
        try scenario.host.send(Self.packets[index], on: connection)
        #expect(scenario.host.take(connection).last == .closed, "\(Self.packets[index].code) of \(peer)")
        #expect(scenario.host.exitStatus == nil)
        #expect(scenario.host.core.nid == core.nid && scenario.host.core.table == core.table)
        #expect(scenario.host.core.phase == .operation && scenario.host.core.search.masters == core.search.masters)
        #expect(scenario.host.core.transactions[TID(0x1000)]?.isVoted == false)
        // The others are served.
        try scenario.vote(0x1000, [1], by: scenario.b)
        #expect(brief(scenario.host.packets(scenario.b)).last == "AnswerStoreTransaction")
    }

    @Test("A partition that does not exist is not checked, and nobody is the worse for it (22.1)")
    func checkOfNothing() throws {
        var scenario = try StorageScenario(.immediate)
        for partition in [-1, 4, .max] {
            let order = CheckPartition(
                partition: partition,
                source: ReplicationSource(cluster: "", address: nil),
                min: .zero,
                max: .max
            )
            try scenario.tell(.checkPartition(order))
            #expect(scenario.host.logs.last?.hasPrefix("partition \(partition) cannot be checked") == true)
        }
        #expect(scenario.host.open.contains(scenario.master))
    }

    @Test("What was unlocked is durable once operation stops, and once the node is asked to stop (22.4)")
    func flushAtTheEnd() throws {
        for isStop in [true, false] {
            var scenario = try StorageScenario()
            try scenario.commit(1, 0x1000, at: 0x1004, by: scenario.a)
            if isStop {
                try scenario.tell(.stopOperation(StopOperation()))
            } else {
                try scenario.host.handle(.stopRequested)
            }
            #expect(scenario.host.jobs.map(\.operation) == [.flush])
            try scenario.host.completeJobs()
            #expect(scenario.host.exitStatus == (isStop ? nil : 0))
        }
    }

    @Test("An undo whose target is gone takes no lock, and leaves an earlier store as it was (22.12)")
    func undoOfNothing() throws {
        var scenario = try StorageScenario(.immediate)
        try scenario.commit(1, 0x800, at: 0x804, by: scenario.a)
        func undo(_ ttid: UInt64, by client: ConnectionID) throws {
            let store = AskStoreObject(
                oid: OID(1),
                serial: TID(0x804),
                compression: 0,
                checksum: .zero,
                data: ByteBuffer(),
                dataTID: TID(0x700),
                ttid: TID(ttid)
            )
            try scenario.host.send(store.packet, on: client)
        }
        try undo(0x1000, by: scenario.a)
        #expect(brief(scenario.host.packets(scenario.a)) == ["Error UNDO_PACK_ERROR"])
        // The other one does not wait.
        try scenario.store(1, on: 0x804, 0x1010, text: "kept", by: scenario.b)
        #expect(brief(scenario.host.packets(scenario.b)) == ["stored nil"])
        try undo(0x1010, by: scenario.b)
        #expect(brief(scenario.host.packets(scenario.b)) == ["Error UNDO_PACK_ERROR"])
        try scenario.vote(0x1010, [1], by: scenario.b)
        try scenario.lock(0x1010, at: 0x1014)
        try scenario.unlock(0x1010)
        let reader = try scenario.host.database.makeReader()
        guard case .found(let revision) = try reader.load(OID(1), in: 1, .latest) else {
            Issue.record("nothing is stored")
            return
        }
        #expect(revision.tid == TID(0x1014))
        #expect(revision.data?.data.readableBytesView.elementsEqual("kept".utf8) == true)
    }

    @Test("A table that is older than the recorded one is told, not taken silently (master.md 18.4)")
    func olderTable() throws {
        var scenario = try StorageScenario(.immediate)
        let up = CellRecord(nid: StorageScenario.own, state: .upToDate)
        func send(_ ptid: Int) throws {
            try scenario.tell(.stopOperation(StopOperation()))
            let rows = Array(repeating: [up], count: 4)
            try scenario.tell(.sendPartitionTable(SendPartitionTable(ptid: ptid, replicas: 0, rows: rows)))
        }
        func isTold() -> Bool { scenario.host.logs.contains { $0.contains("is newer than") } }
        try send(7)
        #expect(!isTold())
        try send(5)
        #expect(isTold())
        #expect(
            scenario.host.logs.contains(
                "partition table 7 of this node is newer than 5 of the cluster: "
                    + "what was committed with it, and the others lack, is lost"
            )
        )
    }

    @Test("Partitions that are not readable here are not listed (22.8)")
    func listsOfUnreadablePartitions() throws {
        var scenario = try StorageScenario(.immediate)
        for partition in [2, 3] {
            try scenario.host.send(
                .askTIDsFrom(AskTIDsFrom(min: .zero, max: .max, length: 5, partition: partition)),
                on: scenario.a
            )
            try scenario.host.send(
                .askOIDsFrom(AskOIDsFrom(partition: partition, length: 5, min: .zero, tid: .max)),
                on: scenario.a
            )
        }
        #expect(
            brief(scenario.host.packets(scenario.a)) == Array(repeating: "Error NON_READABLE_CELL", count: 4)
        )
    }
}
