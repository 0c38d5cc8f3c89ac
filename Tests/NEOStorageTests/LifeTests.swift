import MessagePack
import NEODatabase
import NEOEngine
import NEOProtocol
import OrderedCollections
import Testing

@testable import NEOStorage

/// Identification, interruptions and ends (`spec/storage.md §23`, scenarios 9 to 14, 35, 59).
@Suite struct LifeTests {
    @Test("A client that the master did not announce yet waits; one that was replaced is refused")
    func identificationTimestamps() throws {
        var scenario = try StorageScenario(.immediate)
        let nid = NID(.client, 3)
        let early = try scenario.connect(nid, 500)
        #expect(scenario.host.packets(early).isEmpty)
        try scenario.announce([(nid, .running, 500)])
        #expect(brief(scenario.host.packets(early)) == ["AcceptIdentification"])
        let obsolete = try scenario.connect(StorageScenario.clientA, 0.5)
        #expect(brief(scenario.host.packets(obsolete)) == ["Error NOT_READY"])
        let second = try scenario.connect(StorageScenario.clientA, 1)
        #expect(brief(scenario.host.packets(second)) == ["Error PROTOCOL_ERROR"])
    }

    /// `spec/master.md §2.8`: an id is given to a second client while the first one, cut from the master, still connects here.
    @Test("A client whose id was given to another one is refused, the other one accepted (master.md 19.1.4, 19.1.5)")
    func idOfAClientThatWasGivenAgain() throws {
        var scenario = try StorageScenario(.immediate)
        let nid = NID(.client, 3)
        let first = try scenario.connect(nid, 500)
        // What is told is older than the client: it waits on.
        try scenario.announce([(NID(.client, 4), .running, 400)])
        #expect(scenario.host.packets(first).isEmpty)
        // The master did not tell of the first one before it was lost.
        scenario.timestamp = 600
        try scenario.announce([(nid, .running, 550)])
        #expect(brief(scenario.host.packets(first)) == ["Error NOT_READY"])
        let second = try scenario.connect(nid, 550)
        #expect(brief(scenario.host.packets(second)) == ["AcceptIdentification"])
        // One that was accepted leaves when the master forgets it; its id may be given to another one then.
        try scenario.announce([(nid, .unknown, 550)])
        try scenario.announce([(nid, .running, 601)])
        let third = try scenario.connect(nid, 601)
        #expect(brief(scenario.host.packets(third)) == ["AcceptIdentification"])
        #expect(!scenario.host.open.contains(second))
    }

    @Test("Without a table an id means nothing: one that is refused is given up (master.md 18.4)")
    func refusedID() throws {
        let database = try MemoryDatabase.open(MemoryDisk(), OpenOptions(clusterName: "differential"))
        var host = try StorageHost(database)
        func identification() throws -> RequestIdentification {
            let master = try #require(host.masterID)
            guard case .requestIdentification(let request)? = host.packets(master).last else {
                throw DatabaseFailure(.failed, "no identification")
            }
            return request
        }
        #expect(try identification().nid == nil)
        // 1. One candidate gives an id. 2. It is lost; another one gave the id to somebody else.
        let accepted = AcceptIdentification(type: .master, nid: NID(.master, 1), yourNID: NID(.storage, 1))
        try host.send(Frame(id: 0, accepted.packet), on: try #require(host.masterID))
        try host.close(try #require(host.masterID))
        host.advance(milliseconds: 1000)
        try host.fire(StorageCore.Timer.search)
        #expect(try identification().nid == NID(.storage, 1))
        let refusal = ErrorPacket(code: .protocolError, message: "already connected")
        try host.send(Frame(id: 0, refusal.packet), on: try #require(host.masterID))
        host.advance(milliseconds: 1000)
        try host.fire(StorageCore.Timer.search)
        #expect(try identification().nid == nil)
    }

    @Test("An id that others have is kept by who has cells, and given up by who has none")
    func refusedIDWithATable() throws {
        for hasCells in [true, false] {
            var scenario = try StorageScenario(.immediate)
            if !hasCells {
                let elsewhere = CellRecord(nid: StorageScenario.other, state: .upToDate)
                try scenario.tell(.stopOperation(StopOperation()))
                let table = SendPartitionTable(ptid: 2, replicas: 0, rows: Array(repeating: [elsewhere], count: 4))
                try scenario.tell(.sendPartitionTable(table))
            }
            try scenario.host.close(scenario.master)
            scenario.host.advance(milliseconds: 1000)
            try scenario.host.fire(StorageCore.Timer.search)
            #expect(try identification(&scenario).nid == StorageScenario.own)
            let refusal = ErrorPacket(code: .protocolError, message: "already connected")
            try scenario.host.send(Frame(id: 0, refusal.packet), on: try #require(scenario.host.masterID))
            scenario.host.advance(milliseconds: 1000)
            try scenario.host.fire(StorageCore.Timer.search)
            #expect(try identification(&scenario).nid == (hasCells ? StorageScenario.own : nil))
        }
    }

    @Test("A storage that missed a truncation executes it before it replicates, and does not keep the order")
    func missedTruncation() throws {
        var scenario = try StorageScenario(.immediate)
        try scenario.commit(4, 100, at: 104, by: scenario.a)
        try scenario.commit(4, on: 104, 200, at: 204, by: scenario.a)
        try scenario.tell(.stopOperation(StopOperation()))
        try scenario.tell(.truncate(Truncate(tid: TID(104))))
        // 1. An operator starts the cluster without this node. 2. It comes back, with nothing that is readable.
        let cells = [StorageScenario.own, StorageScenario.other].map {
            CellRecord(nid: $0, state: $0 == StorageScenario.own ? .outOfDate : .upToDate)
        }
        let table = SendPartitionTable(ptid: 9, replicas: 1, rows: Array(repeating: cells, count: 4))
        try scenario.tell(.sendPartitionTable(table))
        try scenario.tell(.startOperation(StartOperation(backup: false)))
        try scenario.host.completeJobs()
        let told = brief(scenario.host.packets(scenario.master))
        #expect(told.contains("NotifyReady"), "\(told)")
        let reader = try scenario.host.database.makeReader()
        #expect(try reader.configuration().truncateTID == nil)
        #expect(try reader.tids(in: 0, .zero ... .max, limit: .max) == [TID(104)])
    }

    @Test(
        "Masters are remembered, unless the primary one says that they left or moved; not without end (master.md 19.1.10)"
    )
    func masters() throws {
        var scenario = try StorageScenario(.immediate)
        func tell(_ timestamp: Double, _ masters: [(number: Int32, port: UInt16, state: NodeState)]) throws {
            let nodes = masters.map { master in
                NodeRecord(
                    type: .master,
                    address: NodeAddress(host: "127.0.0.1", port: master.port),
                    nid: NID(.master, master.number),
                    state: master.state,
                    idTimestamp: nil
                )
            }
            try scenario.tell(.notifyNodeInformation(NotifyNodeInformation(timestamp: timestamp, nodes: nodes)))
        }
        func ports() -> [UInt16] { scenario.host.core.knownMasters.dropFirst().map(\.port) }
        try tell(200, [(2, 12, .running), (3, 13, .down)])
        #expect(ports() == [12, 13])
        try tell(201, [(2, 22, .running)])
        #expect(ports() == [13, 22])
        try tell(202, [(3, 13, .unknown)])
        #expect(ports() == [22])
        try tell(203, (2...500).map { (Int32($0), 1000 + UInt16($0), .down) })
        #expect(scenario.host.core.knownMasters.count == KnownMasters.maximumCount)
        // The one of the configuration stays with the node that has nobody else.
        var known = KnownMasters([StorageHost.master])
        known.update(learning: [], forgetting: [StorageHost.master])
        #expect(known.addresses == [StorageHost.master])
    }

    @Test("A storage remembers the greatest id that it heard of, and tells it to the next master")
    func greatestID() throws {
        var scenario = try StorageScenario(.immediate)
        func tell(_ nids: [NID], _ timestamp: Double) throws {
            let nodes = nids.map { NodeRecord(type: .storage, address: nil, nid: $0, state: .down, idTimestamp: nil) }
            try scenario.tell(.notifyNodeInformation(NotifyNodeInformation(timestamp: timestamp, nodes: nodes)))
        }
        try tell([NID(.storage, 7), NID(.storage, 3)], 200)
        try tell([NID(.storage, 5)], 201)
        #expect(try scenario.host.database.makeReader().configuration().lastNID == NID(.storage, 7))
        try scenario.host.close(scenario.master)
        scenario.host.advance(milliseconds: 1000)
        try scenario.host.fire(StorageCore.Timer.search)
        #expect(try identification(&scenario).extra["last_nid"] == .integer(7))
        // As well after a restart.
        var host = try StorageHost(scenario.host.database)
        guard case .requestIdentification(let request)? = host.packets(try #require(host.masterID)).last else {
            Issue.record("no identification")
            return
        }
        #expect(request.extra["last_nid"] == .integer(7))
    }

    private func identification(_ scenario: inout StorageScenario) throws -> RequestIdentification {
        guard
            case .requestIdentification(let request)? = scenario.host.packets(try #require(scenario.host.masterID)).last
        else { throw DatabaseFailure(.failed, "no identification") }
        return request
    }

    @Test("Told to compare replicas out of operation, the node stays with its master")
    func checkOutOfOperation() throws {
        var scenario = try StorageScenario(.immediate)
        try scenario.tell(.stopOperation(StopOperation()))
        let source = ReplicationSource(cluster: "", address: nil)
        try scenario.tell(.checkPartition(CheckPartition(partition: 0, source: source, min: .zero, max: .max)))
        #expect(scenario.host.open.contains(scenario.master))
        #expect(scenario.host.packets(scenario.master).isEmpty)
        #expect(scenario.host.logs.last?.contains("not in operation") == true)
    }

    @Test("Told DOWN, the node completes its database and leaves")
    func shutDown() throws {
        var scenario = try StorageScenario()
        let own = NodeRecord(type: .storage, address: nil, nid: StorageScenario.own, state: .down, idTimestamp: nil)
        try scenario.tell(.notifyNodeInformation(NotifyNodeInformation(timestamp: 200, nodes: [own])))
        #expect(scenario.host.exitStatus == nil)
        #expect(scenario.host.jobs.map(\.operation) == [.flush])
        #expect(scenario.host.open.isEmpty)
        try scenario.host.completeJobs()
        #expect(scenario.host.exitStatus == 0)
    }

    @Test("Told DOWN behind a packet that waits for the database, then left by the master, the node leaves")
    func shutDownWhileWaiting() throws {
        var scenario = try StorageScenario()
        // 1. A job is under way. 2. A question waits for it, and so does what follows. 3. The master closes.
        try scenario.store(1, 0x1000, by: scenario.a)
        try scenario.tell(.askPackOrders(AskPackOrders(min: .zero)))
        let own = NodeRecord(type: .storage, address: nil, nid: StorageScenario.own, state: .down, idTimestamp: nil)
        try scenario.tell(.notifyNodeInformation(NotifyNodeInformation(timestamp: 200, nodes: [own])))
        try scenario.host.close(scenario.master)
        try scenario.host.completeJobs()
        #expect(scenario.host.exitStatus == 0)
        #expect(scenario.host.open.isEmpty)
    }

    @Test("Dropped from the cluster, the node erases its database and leaves")
    func dropped() throws {
        var scenario = try StorageScenario()
        let own = NodeRecord(
            type: .storage,
            address: StorageHost.address,
            nid: StorageScenario.own,
            state: .unknown,
            idTimestamp: nil
        )
        try scenario.tell(.notifyNodeInformation(NotifyNodeInformation(timestamp: 200, nodes: [own])))
        #expect(scenario.host.jobs.map(\.operation) == [.erase])
        try scenario.host.completeJobs()
        #expect(scenario.host.exitStatus == 0)
    }

    @Test("Without its master, the node lets its clients go and looks for the master once a second")
    func masterLost() throws {
        var scenario = try StorageScenario(.immediate)
        try scenario.store(1, 0x1000, by: scenario.a)
        try scenario.host.close(scenario.master)
        #expect(scenario.host.core.transactions.count == 0)
        #expect(!scenario.host.open.contains(scenario.a))
        #expect(scenario.host.timers[StorageCore.Timer.search] == 1000)
    }

    @Test("An out-of-date cell accepts writes without lock, and none is there to read")
    func lockless() throws {
        var scenario = try StorageScenario(.immediate)
        try scenario.store(2, on: 0x55, 0x1000, by: scenario.a)
        try scenario.store(2, on: 0x77, 0x1008, by: scenario.b)
        try scenario.store(3, 0x1000, by: scenario.a)
        try scenario.load(2, by: scenario.b)
        #expect(brief(scenario.host.packets(scenario.a)) == ["stored 0", "stored 0"])
        #expect(brief(scenario.host.packets(scenario.b)) == ["stored 0", "Error NON_READABLE_CELL"])
    }

    @Test("A backup cluster is read up to its backup TID, and not written")
    func backup() throws {
        var scenario = try StorageScenario(.immediate)
        try scenario.commit(1, 0x1000, at: 0x1004, by: scenario.a)
        try scenario.tell(.stopOperation(StopOperation()))
        try scenario.tell(.startOperation(StartOperation(backup: true)))
        try scenario.announce([(StorageScenario.clientA, .running, 1)])
        let client = try scenario.connect(StorageScenario.clientA, 1)
        try scenario.store(1, on: 0x1004, 0x1008, by: client)
        try scenario.load(1, by: client)
        #expect(
            brief(scenario.host.packets(client))
                == ["AcceptIdentification", "Error READ_ONLY_ACCESS", "object 1004 next nil"]
        )
        #expect(try scenario.host.database.makeReader().configuration().backupTID == TID(0x1004))
    }

    @Test("What was not voted leaves no data behind when operation stops (22.7)")
    func releaseAtStop() throws {
        var scenario = try StorageScenario()
        try scenario.store(1, 0x1000, by: scenario.a)
        try scenario.store(5, 0x1008, by: scenario.b)
        try scenario.vote(0x1008, [5], by: scenario.b)
        try scenario.tell(.stopOperation(StopOperation()))
        #expect(scenario.host.jobs.last?.operation == .abort(TID(0x1000)))
        #expect(!scenario.host.jobs.map(\.operation).contains(.abort(TID(0x1008))))
    }

    @Test("Connections that did not identify are forgotten with the master: closing them again would never end")
    func unidentifiedWhenTheMasterIsLost() throws {
        var scenario = try StorageScenario(.immediate)
        // 1. Somebody connects and says nothing. 2. The master is lost: all connections are closed.
        let silent = try scenario.host.accept()
        #expect(scenario.host.core.unidentified.keys.contains(silent))
        try scenario.host.close(scenario.master)
        // 3. Nothing is left to be closed once its time is over.
        #expect(scenario.host.core.unidentified.isEmpty)
        #expect(scenario.host.timers[StorageCore.Timer.unidentified] == nil)
    }
}
