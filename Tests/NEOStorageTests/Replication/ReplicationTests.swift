import NEODatabase
import NEOEngine
import NEOProtocol
import NIOCore
import Testing

@testable import NEOStorage

/// Internal replication between real storages (`spec/replication.md §4`, scenarios R of §11).
@Suite struct ReplicationTests {
    static let s1 = NID(.storage, 1)
    static let s2 = NID(.storage, 2)

    static func database(_ disk: MemoryDisk = MemoryDisk()) throws -> any StorageDatabase {
        try MemoryDatabase.open(disk, OpenOptions(clusterName: "differential"))
    }

    /// A database that was complete up to the last of some transactions, and knows it.
    static func outdated(_ transactions: [(tid: UInt64, oids: [UInt64])]) throws -> any StorageDatabase {
        let database = try history(1, transactions)
        try record(database, nid: s2, ptid: 0, [(0, s1, .upToDate), (0, s2, .upToDate)])
        try record(database, nid: s2, ptid: 0, [(0, s1, .upToDate), (0, s2, .outOfDate)])
        return database
    }

    @Test("R1: a new cell gets everything, and becomes readable")
    func newCell() throws {
        let full = try history(1, [(0x10, [1, 2]), (0x20, [1]), (0x30, [3])])
        let empty = try Self.database()
        var cluster = try StorageCluster([full, empty], ["UO"])
        cluster.lastTID = TID(0x30)
        try cluster.start()
        #expect(cluster.state(0, 2) == .upToDate)
        #expect(try content(full, 0) == content(empty, 0))
        #expect(
            cluster.takeTrace() == [
                "S2 AskUnfinishedTransactions [0]",
                "S2→S1 AskFetchTransactions 0 16 0 30 [] true",
                "S1→S2 AddTransaction 10",
                "S1→S2 AddTransaction 20",
                "S1→S2 AddTransaction 30",
                "S1→S2 AnswerFetchTransactions nil [] 0",
                "S2→S1 AskFetchObjects 0 64 0 30 0 []",
                "S1→S2 AddObject 1@10",
                "S1→S2 AddObject 2@10",
                "S1→S2 AddObject 1@20",
                "S1→S2 AddObject 3@30",
                "S1→S2 AnswerFetchObjects nil nil []",
                "S2 NotifyReplicationDone 0 30",
            ]
        )
    }

    @Test("R2: a cell that was away asks only for what it missed")
    func restart() throws {
        let full = try history(1, [(0x10, [1]), (0x20, [2]), (0x30, [1])])
        let away = try history(1, [(0x10, [1]), (0x20, [2])])
        try record(away, nid: Self.s2, ptid: 0, [(0, Self.s1, .upToDate), (0, Self.s2, .upToDate)])
        var cluster = try StorageCluster([full, away], ["UO"])
        cluster.lastTID = TID(0x30)
        try cluster.start()
        #expect(cluster.takeTrace().contains("S2→S1 AskFetchTransactions 0 16 21 30 [] true"))
        #expect(cluster.state(0, 2) == .upToDate)
        #expect(try content(full, 0) == content(away, 0))
    }

    @Test("A cell that was away during a pack asks for the order, even if the master says nothing of it")
    func missedPack() throws {
        // All readable cells executed it, so that a new master does not know it: seed 108 of the simulation, with packs.
        let full = try history(1, [(0x10, [1]), (0x20, [1]), (0x30, [])])
        try record(full, nid: Self.s1, ptid: 0, [(0, Self.s1, .upToDate), (0, Self.s2, .upToDate)])
        _ = try full.writer.perform([DatabaseJob(id: .init(rawValue: 9), operation: .setPacked(0, TID(0x30)))])
        let away = try Self.outdated([(0x10, [1]), (0x20, [1])])
        var cluster = try StorageCluster([full, away], ["UO"])
        cluster.lastTID = TID(0x30)
        try cluster.start()
        let trace = cluster.takeTrace()
        #expect(trace.contains("S1→S2 AnswerFetchTransactions nil [] 30"))
        #expect(trace.contains("S2 AskPackOrders 1"))
    }

    @Test("R3: a cell with a hole asks from the hole on, and says what it has behind")
    func hole() throws {
        let full = try history(1, [(0x10, [0]), (0x20, [0]), (0x30, [0])])
        let away = try Self.outdated([(0x10, [0])])
        try fill(away, 1, [(0x30, [0])])
        var cluster = try StorageCluster([full, away], ["UO"])
        cluster.lastTID = TID(0x30)
        try cluster.start()
        let trace = cluster.takeTrace()
        #expect(trace.contains("S2→S1 AskFetchTransactions 0 16 11 30 [30] true"))
        #expect(trace.contains("S2→S1 AskFetchObjects 0 64 11 30 0 [0@30]"))
        #expect(!trace.contains("S1→S2 AddObject 0@30"))
        #expect(try content(full, 0) == content(away, 0))
    }

    @Test("R4: what was interrupted goes on at the TID of the interrupted chunk")
    func resumption() throws {
        let full = try history(1, [(0x10, [1]), (0x20, [2]), (0x30, [3])])
        let disk = MemoryDisk()
        var options = ReplicationOptions()
        options.chunkRows = 1
        var cluster = try StorageCluster([full, Self.database(disk)], ["UO"], replication: options)
        cluster.lastTID = TID(0x30)
        // The third one never arrives.
        cluster.isStalled = { if case .askFetchObjects(let ask) = $0 { ask.min == TID(0x30) } else { false } }
        try cluster.start()
        #expect(cluster.takeTrace().contains("S1→S2 AnswerFetchObjects 30 3 []"))
        disk.interrupt(.processKilled)
        cluster = try StorageCluster([full, Self.database(disk)], ["UO"], replication: options)
        cluster.lastTID = TID(0x30)
        try cluster.start()
        let trace = cluster.takeTrace()
        #expect(trace.contains("S2→S1 AskFetchTransactions 0 1 30 30 [30] true"))
        #expect(trace.contains("S2→S1 AskFetchObjects 0 1 30 30 0 []"))
        #expect(cluster.state(0, 2) == .upToDate)
    }

    @Test("R5: a transaction that began before is fetched once it is finished", arguments: [true, false])
    func unfinished(endsFirst: Bool) throws {
        let full = try history(1, [(0x10, [1]), (0x20, [2])])
        let empty = try Self.database()
        var cluster = try StorageCluster([full, empty], ["UO"])
        cluster.lastTID = TID(0x20)
        cluster.unfinished = [TID(0x28)]
        let finish: (inout StorageCluster) throws -> Void = { cluster in
            try fill(full, 1, [(0x30, [1])])
            let finished = NotifyTransactionFinished(ttid: TID(0x28), tid: TID(0x30))
            try cluster.tell(.notifyTransactionFinished(finished), to: 2)
        }
        if endsFirst {
            cluster.isStalled = { if case .answerFetchObjects = $0 { true } else { false } }
            try cluster.start()
            try finish(&cluster)
            cluster.isStalled = { _ in false }
            // What was lost with the stall is asked again.
            try cluster.disconnect(1, 2)
            try cluster.pass(milliseconds: 1000, StorageCore.Timer.replication, at: 2)
        } else {
            try cluster.start()
            #expect(cluster.state(0, 2) == .outOfDate)
            try finish(&cluster)
            try cluster.run()
        }
        #expect(cluster.state(0, 2) == .upToDate)
        #expect(cluster.takeTrace().last == "S2 NotifyReplicationDone 0 30")
        #expect(try content(full, 0) == content(empty, 0))
    }

    @Test("R5: transactions that are all aborted leave the cell complete")
    func aborted() throws {
        let full = try history(1, [(0x10, [1]), (0x20, [2])])
        let empty = try Self.database()
        var cluster = try StorageCluster([full, empty], ["UO"])
        cluster.lastTID = TID(0x20)
        cluster.unfinished = [TID(0x24), TID(0x28)]
        try cluster.start()
        try cluster.abort(0x28, at: 2)
        try cluster.run()
        #expect(cluster.state(0, 2) == .outOfDate)
        try cluster.abort(0x24, at: 2)
        try cluster.run()
        #expect(cluster.state(0, 2) == .upToDate)
    }

    enum Moment: CaseIterable { case beforeTransactions, beforeObjects, duringAChunk }

    /// The source knows that it lost its cell, and the requester does not.
    @Test("R6: a source that lost its cell refuses, and another one is used", arguments: Moment.allCases)
    func sourceDiscarded(_ moment: Moment) throws {
        // A first slice of one object, and then of 64 ones, which are not on their way to the database of the requester yet.
        let rows = (1...200).map { (tid: UInt64($0), oids: [UInt64($0)]) }
        let value = { (oid: UInt64, _: UInt64) in
            ByteBuffer(repeating: UInt8(oid), count: oid == 1 ? 70_000 : 10) as ByteBuffer?
        }
        let full = try history(1, rows, data: value)
        let other = try history(1, rows, data: value)
        let empty = try Self.database()
        var cluster = try StorageCluster([full, other, empty], ["UOO"])
        cluster.lastTID = TID(200)
        cluster.hosts[2].core.replicator.length = 1000
        cluster.isMasterQuick = false
        try cluster.start()
        // Only S1 can be a source until it is one.
        try cluster.answerUnfinished()
        switch moment {
        case .beforeTransactions: break
        case .beforeObjects: try cluster.run(until: "S1→S3 AnswerFetchTransactions nil")
        case .duringAChunk: try cluster.run(until: "S1→S3 AddObject")
        }
        // The other one cannot be reached for now.
        cluster.unreachable = [2]
        try cluster.change([(0, 2, .upToDate)])
        let late = try cluster.change([(0, 1, .discarded)], late: [3])
        try cluster.run()
        // Both are left alone for a second, although the table of the requester still has the first one.
        #expect(cluster.hosts[2].timers[StorageCore.Timer.replication] == 1000)
        try cluster.tell(late, to: 3)
        cluster.unreachable = []
        try cluster.pass(milliseconds: 1000, StorageCore.Timer.replication, at: 3)
        let trace = cluster.takeTrace()
        let refusals = trace.filter { $0.hasPrefix("S1→S3 Error") }
        #expect(refusals == ["S1→S3 Error REPLICATION_ERROR partition 0 not readable"])
        // A cell that is filled itself is not asked.
        #expect(!trace.contains { $0.hasPrefix("S2→S3 Error") || $0.hasPrefix("S3→S2 Error") }, "\(trace)")
        #expect(trace.contains { $0.hasPrefix("S2→S3 AddObject") })
        #expect(trace.last == "S3 NotifyReplicationDone 0 c8")
        // What the first source had sent is not sent again.
        let sent = trace.filter { $0.contains("→S3 AddObject") }
        #expect(Set(sent.map { $0.dropFirst(2) }).count == sent.count)
        try cluster.change([(0, 3, .upToDate)])
        try cluster.run()
        #expect(cluster.hosts.allSatisfy { $0.exitStatus == nil })
        #expect(try content(other, 0) == content(empty, 0))
    }

    @Test("R8, R9: an answer of the master about a cell that was discarded, and assigned again, is not taken")
    func lateAnswer() throws {
        let full = try history(1, [(0x10, [1])])
        let empty = try Self.database()
        var cluster = try StorageCluster([full, empty], ["UO"])
        cluster.lastTID = TID(0x10)
        cluster.isMasterQuick = false
        try cluster.start()
        try cluster.change([(0, 2, .discarded)])
        try cluster.change([(0, 2, .outOfDate)])
        try cluster.run()
        let asked = cluster.takeTrace()
        #expect(asked == ["S2 AskUnfinishedTransactions [0]", "S2 AskUnfinishedTransactions [0]"])
        try cluster.answerUnfinished(1)
        try cluster.run()
        #expect(cluster.takeTrace().isEmpty)
        try cluster.answerUnfinished()
        try cluster.run()
        #expect(cluster.takeTrace().last == "S2 NotifyReplicationDone 0 10")
        #expect(cluster.hosts[1].exitStatus == nil)
    }

    @Test(
        "R11: rows of a cell that was discarded, and assigned again or not, in the middle of a chunk",
        arguments: [true, false]
    )
    func discardedDuringChunk(isAssignedAgain: Bool) throws {
        // The source sends two such objects in a slice.
        let rows = (1...8).map { (tid: UInt64($0) * 0x10, oids: [UInt64($0)]) }
        let full = try history(1, rows) { oid, _ in ByteBuffer(repeating: UInt8(oid), count: 40_000) }
        let empty = try Self.database()
        var cluster = try StorageCluster([full, empty], ["UO"])
        cluster.lastTID = TID(0x80)
        try cluster.identifyAll()
        // Stop as soon as the first object came.
        try cluster.run(until: "S1→S2 AddObject")
        try cluster.change([(0, 2, .discarded)])
        if isAssignedAgain { try cluster.change([(0, 2, .outOfDate)]) }
        _ = cluster.takeTrace()
        try cluster.run()
        let trace = cluster.takeTrace()
        // There is no way to make the source stop.
        #expect(trace.contains("S1→S2 AddObject 8@80"))
        if isAssignedAgain {
            #expect(trace.last == "S2 NotifyReplicationDone 0 80")
            #expect(cluster.state(0, 2) == .upToDate)
            #expect(try content(full, 0) == content(empty, 0))
        } else {
            #expect(!trace.contains { $0.hasPrefix("S2") }, "\(trace)")
            #expect(cluster.hosts[1].core.replicator.partitions.isEmpty)
            #expect(try content(empty, 0).isEmpty)
            #expect(cluster.hosts[1].exitStatus == nil)
        }
    }

    /// What a replica has of a transaction when its client loses it, or when it loses its master.
    enum Trace: CaseIterable { case nothing, stored, voted, locked }

    /// S1 commits, and two transactions more; S2 is left out, and comes back.
    ///
    /// `spec/master.md §19.6.5`: what was not finished is dropped at the start of operation, committed elsewhere or not.
    @Test(
        "R16, 40: a replica that missed a write comes back out of date, and ends identical",
        arguments: Trace.allCases
    )
    func missedWrite(_ trace: Trace) throws {
        for isCommitted in [true, false] {
            let rows = [(tid: UInt64(0x10), oids: [UInt64(1), 2]), (tid: 0x20, oids: [1])]
            let databases = try [history(1, rows), history(1, rows)]
            var cluster = try StorageCluster(databases, ["UU"])
            cluster.lastTID = TID(0x20)
            try cluster.start()
            var clients = [try cluster.client(1, at: 1), try cluster.client(1, at: 2)]
            let present = trace == .nothing ? [1] : [1, 2]
            for storage in present {
                #expect(try cluster.store(1, on: 0x20, 0x28, at: storage, clients[storage - 1]) == ["stored nil"])
            }
            if trace == .voted { try cluster.vote(0x28, [1], at: 2, clients[1]) }
            if trace == .locked { try cluster.lock(0x28, at: 0x30, [1], at: 2, clients[1]) }
            // The client cannot write there any more: the master leaves S2 out before it asks anybody to lock.
            try cluster.hosts[1].close(clients[1])
            if let master = cluster.hosts[1].masterID { try cluster.hosts[1].close(master) }
            try cluster.change([(0, 2, .outOfDate)], late: [2])
            if isCommitted {
                try cluster.lock(0x28, at: 0x30, [1], at: 1, clients[0])
                try cluster.unlock(0x28, at: 1)
            } else {
                try cluster.abort(0x28, at: 1)
            }
            for (ttid, tid, serial) in [(0x38, 0x40, isCommitted ? 0x30 : 0x20), (0x48, 0x50, 0x40)]
                as [(UInt64, UInt64, UInt64)]
            {
                #expect(try cluster.store(1, on: serial, ttid, at: 1, clients[0]) == ["stored nil"])
                try cluster.lock(ttid, at: tid, [1], at: 1, clients[0])
                try cluster.unlock(ttid, at: 1)
            }
            cluster.lastTID = TID(0x50)
            _ = cluster.takeTrace()
            try cluster.restartOperation(2)
            clients[1] = try cluster.client(1, at: 2)
            try cluster.run()
            #expect(cluster.state(0, 2) == .upToDate, "\(trace) \(isCommitted)")
            let lines = cluster.takeTrace()
            #expect(lines.contains("S2→S1 AskFetchTransactions 0 16 21 50 [] true"), "\(lines)")
            #expect(lines.last == "S2 NotifyReplicationDone 0 50")
            #expect(try content(databases[0], 0) == content(databases[1], 0), "\(trace) \(isCommitted)")
            #expect(try databases[1].makeReader().unfinishedTransactions().isEmpty)
            #expect(cluster.hosts[1].core.transactions.writeLocks.isEmpty)
            // They go on together.
            for (index, client) in clients.enumerated() {
                #expect(try cluster.store(1, on: 0x50, 0x58, at: index + 1, client) == ["stored nil"])
            }
        }
    }

    @Test("R17: a source that cannot be reached is tried again after a second, then less often")
    func unreachable() throws {
        let full = try history(1, [(0x10, [1])])
        let empty = try Self.database()
        var cluster = try StorageCluster([full, empty], ["UO"])
        cluster.lastTID = TID(0x10)
        cluster.unreachable = [1]
        try cluster.start()
        #expect(cluster.hosts[1].timers[StorageCore.Timer.replication] == 1000)
        try cluster.pass(milliseconds: 1000, StorageCore.Timer.replication, at: 2)
        #expect(cluster.hosts[1].timers[StorageCore.Timer.replication] == 2000)
        cluster.unreachable = []
        try cluster.pass(milliseconds: 2000, StorageCore.Timer.replication, at: 2)
        #expect(cluster.state(0, 2) == .upToDate)
        // It worked meanwhile: the next failure is the first one again.
        cluster.unreachable = [1]
        try cluster.disconnect(1, 2)
        try cluster.change([(0, 2, .discarded)])
        try cluster.change([(0, 2, .outOfDate)])
        try cluster.run()
        #expect(cluster.hosts[1].timers[StorageCore.Timer.replication] == 1000)
    }

    @Test("R17: what a source works for, it is forgiven for")
    func forgivenSource() throws {
        let full = try history(1, [(0x10, [1])])
        var cluster = try StorageCluster([full, Self.database()], ["UO"])
        cluster.lastTID = TID(0x10)
        // A second ago it refused the partition.
        cluster.hosts[1].core.replicator.penalties.add(Self.s1, 0, now: Instant(nanoseconds: 0))
        try cluster.start()
        #expect(cluster.state(0, 2) == .upToDate)
        #expect(cluster.hosts[1].core.replicator.penalties == SourcePenalties())
    }

    @Test("R17: a source that refuses, or that closes during the identification, is tried again after a second")
    func refusingSource() throws {
        for closes in [false, true] {
            let full = try history(1, [(0x10, [1])])
            let empty = try Self.database()
            var cluster = try StorageCluster([full, empty], ["UO"])
            cluster.lastTID = TID(0x10)
            cluster.isMasterQuick = false
            try cluster.start()
            cluster.isMasterQuick = true
            if closes {
                cluster.isStalled = { if case .requestIdentification = $0 { true } else { false } }
            } else {
                try cluster.tell(.stopOperation(StopOperation()), to: 1)
            }
            try cluster.answerUnfinished()
            try cluster.run()
            if closes {
                cluster.isStalled = { _ in false }
                try cluster.disconnect(1, 2)
                try cluster.run()
            } else {
                try cluster.tell(.startOperation(StartOperation(backup: false)), to: 1)
            }
            #expect(cluster.hosts[1].timers[StorageCore.Timer.replication] == 1000)
            let refusal = closes ? [] : ["S1→S2 Error NOT_READY not in operation"]
            #expect(cluster.takeTrace() == ["S2 AskUnfinishedTransactions [0]"] + refusal)
            try cluster.pass(milliseconds: 1000, StorageCore.Timer.replication, at: 2)
            #expect(cluster.state(0, 2) == .upToDate)
            #expect(try content(full, 0) == content(empty, 0))
        }
    }

    @Test("A disk that is nearly full stops the replication until there is space again")
    func shortOfSpace() throws {
        let full = try history(1, [(0x10, [1])])
        let disk = MemoryDisk()
        disk.availableBytes = 10
        let empty = try Self.database(disk)
        var cluster = try StorageCluster([full, empty], ["UO"], reservedBytes: 1 << 20)
        cluster.lastTID = TID(0x10)
        try cluster.start()
        #expect(cluster.takeTrace() == ["S2 AskUnfinishedTransactions [0]"])
        disk.availableBytes = 1 << 30
        try cluster.pass(milliseconds: 1000, StorageCore.Timer.replication, at: 2)
        #expect(cluster.state(0, 2) == .upToDate)
        #expect(try content(full, 0) == content(empty, 0))
    }

    @Test("R18: deletions, undone values and large objects are replicated exactly")
    func contents() throws {
        let full = try history(1, [(0x10, [1, 2]), (0x20, [1])]) { oid, tid in
            if oid == 1 && tid == 0x20 { return nil }
            return oid == 2 ? ByteBuffer(repeating: 7, count: 1 << 24 + 1) : ByteBuffer()
        }
        let undo = ReplicatedObject(oid: OID(1), tid: TID(0x30), data: nil, dataTID: TID(0x10))
        let chunk = DatabaseJob.ReplicationChunk(partition: 0, objects: [undo])
        _ = try full.writer.perform([DatabaseJob(id: .init(rawValue: 0), operation: .replicate(chunk))])
        let empty = try Self.database()
        var cluster = try StorageCluster([full, empty], ["UO"])
        cluster.lastTID = TID(0x30)
        try cluster.start()
        #expect(cluster.state(0, 2) == .upToDate)
        #expect(try content(full, 0) == content(empty, 0))
    }

    @Test("R19: rows that the source has not, and holes, in chunks of 2: an exact merge", arguments: 0..<20)
    func merge(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let tids = (1...12).map { UInt64($0) * 0x10 }
        let all = tids.map { tid in
            (tid: tid, oids: (0..<4).filter { _ in Bool.random(using: &random) }.map(UInt64.init))
        }
        let mine = all.filter { _ in Bool.random(using: &random) }
        let theirs = all.filter { _ in Bool.random(using: &random) }
        let source = try history(1, theirs)
        let requester = try history(1, mine)
        try record(requester, nid: Self.s2, ptid: 0, [(0, Self.s2, .corrupted)])
        var options = ReplicationOptions()
        options.chunkRows = 2
        var cluster = try StorageCluster([source, requester], ["UO"], replication: options)
        cluster.lastTID = TID(0xc0)
        try cluster.start()
        #expect(cluster.state(0, 2) == .upToDate)
        #expect(try content(source, 0) == content(requester, 0))
        // Nothing is sent twice, nor deleted to be sent again.
        let sent = cluster.takeTrace().filter { $0.hasPrefix("S1→S2 Add") }
        #expect(Set(sent).count == sent.count)
        let had = Set(mine.flatMap { tid, oids in oids.map { "S1→S2 AddObject \($0)@\(String(tid, radix: 16))" } })
        #expect(had.isDisjoint(with: sent))
    }

    @Test("§10.15: several cells at the same time, from several sources")
    func parallel() throws {
        let rows = (1...40).map { (tid: UInt64($0), oids: [UInt64($0), UInt64($0 + 1)]) }
        let databases = try [history(8, rows), history(8, rows), Self.database()]
        var cluster = try StorageCluster(databases, Array(repeating: "UUO", count: 8))
        cluster.lastTID = TID(40)
        try cluster.identifyAll()
        var most = 0
        while try cluster.stepOnce() { most = max(most, cluster.hosts[2].core.replicator.roundCount) }
        #expect(most == ReplicationOptions().parallelCells)
        for partition in 0..<8 {
            #expect(cluster.state(partition, 3) == .upToDate)
            #expect(try content(databases[0], partition) == content(databases[2], partition))
        }
    }

    @Test("§10.18: what does not match its checksum is not stored, another source is asked")
    func corruptedSource() throws {
        let data = ByteBuffer(string: "right")
        let wrong = try history(1, [(0x10, [])])
        let stored = StoredData(compression: 0, checksum: Checksum(of: data), data: ByteBuffer(string: "wrong"))
        let object = ReplicatedObject(oid: OID(1), tid: TID(0x10), data: stored, dataTID: nil)
        let chunk = DatabaseJob.ReplicationChunk(partition: 0, objects: [object])
        _ = try wrong.writer.perform([DatabaseJob(id: .init(rawValue: 0), operation: .replicate(chunk))])
        let right = try history(1, [(0x10, [])])
        let good = ReplicatedObject(
            oid: OID(1),
            tid: TID(0x10),
            data: StoredData(compression: 0, checksum: Checksum(of: data), data: data),
            dataTID: nil
        )
        let goodChunk = DatabaseJob.ReplicationChunk(partition: 0, objects: [good])
        _ = try right.writer.perform([DatabaseJob(id: .init(rawValue: 0), operation: .replicate(goodChunk))])
        let empty = try Self.database()
        var cluster = try StorageCluster([wrong, right, empty], ["UUO"])
        cluster.lastTID = TID(0x10)
        cluster.unreachable = [2]
        try cluster.start()
        for _ in 0..<4 where cluster.state(0, 3) != .upToDate {
            cluster.unreachable = cluster.trace.contains("S1→S3 AddObject 1@10") ? [] : [2]
            try cluster.pass(milliseconds: 2000, StorageCore.Timer.replication, at: 3)
        }
        #expect(cluster.state(0, 3) == .upToDate)
        #expect(try content(right, 0) == content(empty, 0))
        #expect(cluster.hosts[2].logs.contains { $0.contains("wrong checksum") })
    }
}
