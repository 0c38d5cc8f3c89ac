import NEODatabase
import NEOEngine
import NEOProtocol
import NIOCore
import Testing

@testable import NEOStorage

/// A peer that does what it must not loses its connection; others are served (`spec/storage.md §22.1`).
@Suite struct HostileInputTests {
    static let big = UInt64.max

    static func store(
        _ oid: UInt64,
        serial: UInt64,
        text: String = "",
        checksum: Checksum = .zero,
        compression: Int = 0,
        dataTID: UInt64? = nil,
        ttid: UInt64
    ) -> Packet {
        AskStoreObject(
            oid: OID(oid),
            serial: TID(serial),
            compression: compression,
            checksum: checksum,
            data: ByteBuffer(string: text),
            dataTID: dataTID.map { TID($0) },
            ttid: TID(ttid)
        ).packet
    }

    static let violations: [[Packet]] = [
        [store(1, serial: 0, ttid: big)],
        [store(big, serial: 0, ttid: 0x1000)],
        [store(1, serial: big, ttid: 0x1000)],
        [store(1, serial: 0, dataTID: big, ttid: 0x1000)],
        // A base newer than the current revision.
        [store(5, serial: 0x9000, ttid: 0x1000)],
        [.askCheckCurrentSerial(AskCheckCurrentSerial(ttid: TID(0x1000), oid: OID(5), serial: TID(0x9000)))],
        // A store of what was checked, a check of what was stored.
        [
            .askCheckCurrentSerial(AskCheckCurrentSerial(ttid: TID(0x1000), oid: OID(1), serial: .zero)),
            store(1, serial: 0, ttid: 0x1000),
        ],
        [
            store(1, serial: 0, ttid: 0x1000),
            .askCheckCurrentSerial(AskCheckCurrentSerial(ttid: TID(0x1000), oid: OID(1), serial: .zero)),
        ],
        // A relock that nobody asked for.
        [store(1, serial: 0, ttid: 0x1000), .askRelockObject(AskRelockObject(ttid: TID(0x1000), oid: OID(1)))],
        // Two votes, a store after a vote.
        [
            store(1, serial: 0, ttid: 0x1000), .askVoteTransaction(AskVoteTransaction(ttid: TID(0x1000))),
            .askVoteTransaction(AskVoteTransaction(ttid: TID(0x1000))),
        ],
        [
            store(1, serial: 0, ttid: 0x1000), .askVoteTransaction(AskVoteTransaction(ttid: TID(0x1000))),
            store(5, serial: 0, ttid: 0x1000),
        ],
        [.askVoteTransaction(AskVoteTransaction(ttid: TID(0x7777)))],
        // Data that are not those of the checksum, or compressed in an unknown way.
        [store(1, serial: 0, text: "x", checksum: Checksum(of: ByteBuffer(string: "y")), ttid: 0x1000)],
        [store(1, serial: 0, text: "x", checksum: .zero, ttid: 0x1000)],
        [store(1, serial: 0, checksum: Checksum(of: ByteBuffer(string: "y")), ttid: 0x1000)],
        [store(1, serial: 0, compression: 2, ttid: 0x1000)],
        [.askTIDs(AskTIDs(first: -1, last: .max, partition: 0))],
        [.askTIDs(AskTIDs(first: 1, last: 1, partition: 0))],
        [.askObjectHistory(AskObjectHistory(oid: OID(1), first: .min, last: .max))],
        [.askOIDsFrom(AskOIDsFrom(partition: 0, length: 0, min: .zero, tid: .max))],
        [.askTIDsFrom(AskTIDsFrom(min: .zero, max: .max, length: -1, partition: 0))],
        [.askRecovery(AskRecovery())],
    ]

    @Test(arguments: violations.indices)
    func violation(_ index: Int) throws {
        var scenario = try StorageScenario(.immediate)
        try scenario.commit(5, 0x800, at: 0x804, by: scenario.b)
        for packet in Self.violations[index] { try scenario.host.send(packet, on: scenario.a) }
        let received = scenario.host.take(scenario.a)
        #expect(received.last == .closed)
        guard case .frame(let frame)? = received.dropLast().last, case .error(let error) = frame.packet else {
            Issue.record("expected an error, got \(received)")
            return
        }
        #expect(error.code == .protocolError)
        try scenario.load(5, by: scenario.b)
        #expect(brief(scenario.host.packets(scenario.b)) == ["object 804 next nil"])
        #expect(scenario.host.exitStatus == nil)
    }

    @Test("2^21 - 1 objects in a transaction, and in a pack order; one more is refused (24)", arguments: [true, false])
    func tooManyObjects(ofPack: Bool) throws {
        let most = 1 << 21 - 1
        for count in [most, most + 1] {
            var scenario = try StorageScenario(.manual)
            let oids = Array(repeating: OID(4), count: count)
            let vote = AskStoreTransaction(
                ttid: TID(0x1000),
                user: ByteBuffer(),
                description: ByteBuffer(),
                extensionData: ByteBuffer(),
                oids: ofPack ? [] : oids,
                pack: ofPack ? PackRequest(oids: OIDList(oids), tid: TID(0x800)) : nil
            )
            try scenario.host.send(vote.packet, on: scenario.a)
            #expect(scenario.host.open.contains(scenario.a) == (count == most))
            if count > most { #expect(brief(scenario.host.packets(scenario.a)) == ["Error PROTOCOL_ERROR"]) }
            #expect(scenario.host.jobs.count == (count == most ? 1 : 0))
            try scenario.store(5, 0x1008, by: scenario.b)
            #expect(brief(scenario.host.packets(scenario.b)) == ["stored nil"])
        }
    }

    /// Odd, and harmless: answered, the connection is kept.
    @Test(arguments: [
        (Packet.askObject(AskObject(oid: .invalid, at: nil, before: nil)), "Error NON_READABLE_CELL"),
        (.askObject(AskObject(oid: OID(5), at: .invalid, before: nil)), "Error OID_NOT_FOUND"),
        (.askObject(AskObject(oid: OID(5), at: nil, before: .invalid)), "object 804 next nil"),
        (.askTIDs(AskTIDs(first: 0, last: .max, partition: 0)), "AnswerTIDs"),
        (.askTIDs(AskTIDs(first: 0, last: 1, partition: -7)), "Error NON_READABLE_CELL"),
        (.askTIDsFrom(AskTIDsFrom(min: .invalid, max: .zero, length: .max, partition: 1)), "AnswerTIDsFrom"),
        (.askTIDsFrom(AskTIDsFrom(min: .zero, max: .invalid, length: .max, partition: 1)), "AnswerTIDsFrom"),
        (.askOIDsFrom(AskOIDsFrom(partition: 1, length: .max, min: .invalid, tid: .invalid)), "AnswerOIDsFrom"),
        (.askFinalTID(AskFinalTID(ttid: TID(UInt64.max - 3))), "AnswerFinalTID"),
        (.askTransactionInformation(AskTransactionInformation(tid: TID(UInt64.max - 3))), "Error TID_NOT_FOUND"),
        (
            .askObjectUndoSerial(
                AskObjectUndoSerial(ttid: .invalid, limit: .invalid, undone: .invalid, oids: [OID(5), OID(5)])
            ), "AnswerObjectUndoSerial"
        ),
    ])
    func oddity(_ packet: Packet, _ answer: String) throws {
        var scenario = try StorageScenario(.immediate)
        try scenario.commit(5, 0x800, at: 0x804, by: scenario.b)
        try scenario.host.send(packet, on: scenario.a)
        #expect(brief(scenario.host.packets(scenario.a)) == [answer])
        #expect(scenario.host.open.contains(scenario.a))
    }

    @Test("The transaction of another client cannot be touched")
    func foreignTransaction() throws {
        var scenario = try StorageScenario(.immediate)
        try scenario.store(1, 0x1000, by: scenario.a)
        try scenario.host.send(.abortTransaction(AbortTransaction(ttid: TID(0x1000), nids: [])), on: scenario.b)
        try scenario.vote(0x1000, [1], by: scenario.a)
        #expect(brief(scenario.host.packets(scenario.a)) == ["stored nil", "AnswerStoreTransaction"])
        try scenario.store(5, 0x1000, by: scenario.b)
        #expect(scenario.host.take(scenario.b).last == .closed)
    }

    @Test("Who has too many requests that wait loses its connection, and its transactions")
    func tooManyDelayedRequests() throws {
        var limits = StorageLimits()
        limits.delayedRequestsPerConnection = 2
        var scenario = try StorageScenario(.immediate, limits: limits)
        try scenario.store(1, 0x1000, by: scenario.a)
        for ttid in [0x1010, 0x1014, 0x1018] as [UInt64] { try scenario.store(1, ttid, by: scenario.b) }
        #expect(scenario.host.take(scenario.b).last == .closed)
        #expect(scenario.host.core.delayedWrites.count == 0)
        #expect(scenario.host.core.transactions.count == 1)
    }

    @Test("Who does not identify in time is closed, who did is not")
    func lateIdentification() throws {
        var scenario = try StorageScenario(.immediate)
        let early = try scenario.host.accept()
        scenario.host.advance(milliseconds: 20_000)
        let late = try scenario.host.accept()
        scenario.host.advance(milliseconds: 10_000)
        try scenario.host.fire(StorageCore.Timer.unidentified)
        #expect(!scenario.host.open.contains(early))
        #expect(scenario.host.open.contains(late))
        #expect(scenario.host.timers[StorageCore.Timer.unidentified] == 20_000)
        scenario.host.advance(milliseconds: 20_000)
        try scenario.host.fire(StorageCore.Timer.unidentified)
        #expect(!scenario.host.open.contains(late))
        #expect(scenario.host.open.contains(scenario.a))
    }

    /// 1. A peer connects and says nothing. 2. The master is lost: all connections are closed. 3. The time is over.
    @Test("What was closed with the end of operation is not waited for", .timeLimit(.minutes(1)))
    func lateIdentificationAfterTheEndOfOperation() throws {
        var scenario = try StorageScenario(.immediate)
        _ = try scenario.host.accept()
        try scenario.host.close(scenario.master)
        #expect(scenario.host.timers[StorageCore.Timer.unidentified] == nil)
        let next = try scenario.host.accept()
        #expect(scenario.host.timers[StorageCore.Timer.unidentified] == 30_000)
        scenario.host.advance(milliseconds: 30_000)
        try scenario.host.fire(StorageCore.Timer.unidentified)
        #expect(!scenario.host.open.contains(next))
    }

    @Test("One unidentified connection too many closes the oldest one")
    func tooManyUnidentified() throws {
        var limits = StorageLimits()
        limits.unidentifiedConnections = 2
        var scenario = try StorageScenario(.immediate, limits: limits)
        let connections = try (0..<3).map { _ in try scenario.host.accept() }
        #expect(connections.map(scenario.host.open.contains) == [false, true, true])
        #expect(scenario.host.open.contains(scenario.a))
    }

    @Test("A master that locks twice, or gives a final TID before the first one, is left; the lock stays")
    func secondLock() throws {
        for tids in [[0x1004, 0x1004], [0xffc]] as [[UInt64]] {
            var scenario = try StorageScenario(.immediate)
            try scenario.store(1, 0x1000, by: scenario.a)
            try scenario.vote(0x1000, [1], by: scenario.a)
            for tid in tids { try scenario.lock(0x1000, at: tid) }
            #expect(scenario.host.take(scenario.master).last == .closed)
            #expect(scenario.host.exitStatus == nil)
            let unfinished = try scenario.host.database.makeReader().unfinishedTransactions()
            #expect(unfinished == [UnfinishedTransaction(ttid: TID(0x1000), tid: tids.count > 1 ? TID(0x1004) : nil)])
        }
    }

    @Test("A master that locks before the vote, or unlocks nothing, is left")
    func masterViolations() throws {
        for packet in [
            Packet.askLockInformation(AskLockInformation(ttid: TID(0x1000), tid: TID(0x1004), pack: false)),
            .notifyUnlockInformation(NotifyUnlockInformation(ttid: TID(0x1000))),
            .notifyPartitionChanges(NotifyPartitionChanges(ptid: 9, replicas: 0, cells: [])),
            .notifyPartitionChanges(
                NotifyPartitionChanges(
                    ptid: 2,
                    replicas: 0,
                    cells: [CellChange(partition: 77, nid: StorageScenario.own, state: .upToDate)]
                )
            ),
            .startOperation(StartOperation(backup: false)),
        ] {
            var scenario = try StorageScenario(.immediate)
            try scenario.store(1, 0x1000, by: scenario.a)
            try scenario.tell(packet)
            #expect(scenario.host.take(scenario.master).last == .closed)
            #expect(!scenario.host.open.contains(scenario.a))
            #expect(scenario.host.core.phase == .bootstrap)
        }
    }
}
