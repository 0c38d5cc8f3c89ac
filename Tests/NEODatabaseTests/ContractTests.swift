import NEODatabase
import NEOProtocol
import NIOCore
import TestVectors
import Testing

/// What every backend does (``DatabaseReader``, ``DatabaseJob``). Tables of two partitions: even and odd ids.
@Suite struct ContractTests {
    @Test(arguments: Backend.allCases)
    func lifeOfATransaction(backend: Backend) throws {
        let test = try TestDatabase(backend)
        let ttid = TTID(10)
        let object = DatabaseJob.PendingObject(oid: OID(4), data: StoredData("one"))
        try test.steps.perform(.store(ttid, object, undoTargetRequired: false))
        #expect(try test.reader.unfinishedTransactions().isEmpty)

        try test.steps.perform(.vote(ttid, TransactionMetadata(OID(4))))
        #expect(try test.reader.unfinishedTransactions() == [UnfinishedTransaction(ttid: ttid, tid: nil)])
        #expect(try test.reader.load(OID(4), in: 0, .latest) == .noSuchObject)

        try test.steps.perform(.lock(ttid, TID(12), approvesPack: false))
        #expect(try test.reader.unfinishedTransactions() == [UnfinishedTransaction(ttid: ttid, tid: TID(12))])
        #expect(try test.reader.transaction(TID(12), in: 0, includeLocked: false) == nil)
        #expect(try test.reader.transaction(TID(12), in: 0, includeLocked: true)?.ttid == ttid)

        try test.steps.perform(.unlock(ttid, TID(12)))
        #expect(try test.reader.unfinishedTransactions().isEmpty)
        #expect(
            try test.reader.load(OID(4), in: 0, .latest)
                == .found(Revision(tid: TID(12), nextTID: nil, data: StoredData("one"), dataTID: nil))
        )
        let transaction = try test.reader.transaction(TID(12), in: 0, includeLocked: false)
        #expect(transaction?.oids == [OID(4)])
        #expect(transaction.map { String(buffer: $0.user) } == "user")
        #expect(try test.reader.finalTID(of: ttid, in: 0) == TID(12))
        #expect(try test.reader.finalTID(of: TTID(8), in: 0) == nil)
        #expect(
            try test.reader.lastIDs(in: [0, 1]) == LastIDs(transactionTID: TID(12), recordTID: TID(12), oid: OID(4))
        )
    }

    @Test(arguments: Backend.allCases)
    func revisions(backend: Backend) throws {
        let test = try TestDatabase(backend)
        for (tid, text) in [(20, "a"), (30, "b"), (40, nil), (50, "")] as [(UInt64, String?)] {
            try test.commit(tid - 2, tid, [(1, text)])
        }
        let oid = OID(1)
        #expect(try test.reader.load(oid, in: 1, .before(TID(20))) == .noSuchRevision)
        #expect(try test.reader.load(oid, in: 1, .at(TID(25))) == .noSuchRevision)
        #expect(try test.reader.load(OID(3), in: 1, .before(TID(20))) == .noSuchObject)
        #expect(
            try test.reader.load(oid, in: 1, .before(TID(30)))
                == .found(Revision(tid: TID(20), nextTID: TID(30), data: StoredData("a"), dataTID: nil))
        )
        #expect(
            try test.reader.load(oid, in: 1, .at(TID(30)))
                == .found(Revision(tid: TID(30), nextTID: TID(40), data: StoredData("b"), dataTID: nil))
        )
        #expect(
            try test.reader.load(oid, in: 1, .before(TID(50)))
                == .found(Revision(tid: TID(40), nextTID: TID(50), data: nil, dataTID: nil))
        )
        #expect(
            try test.reader.load(oid, in: 1, .latest)
                == .found(Revision(tid: TID(50), nextTID: nil, data: StoredData(""), dataTID: nil))
        )
        #expect(
            try test.reader.history(of: oid, in: 1, skip: 1, limit: 2)
                == [HistoryRecord(tid: TID(40), size: 0), HistoryRecord(tid: TID(30), size: 1)]
        )
        #expect(try test.reader.lastTID(of: oid, in: 1) == TID(50))
        #expect(try test.reader.hasRevision(of: oid, at: TID(40), in: 1))
        #expect(try !test.reader.hasRevision(of: oid, at: TID(41), in: 1))
    }

    /// Identifiers from the network that no database can hold (`spec/storage.md §22.1`).
    @Test(arguments: Backend.allCases)
    func hugeIdentifiers(backend: Backend) throws {
        let test = try TestDatabase(backend)
        try test.commit(18, 20, [(1, "a")])
        let huge = TID(TID.max.rawValue + 2)
        for tid in [huge, .invalid] {
            #expect(try test.text(1, .before(tid)) == "a")
            #expect(try test.reader.load(OID(1), in: 1, .at(tid)) == .noSuchRevision)
            #expect(try !test.reader.hasRevision(of: OID(1), at: tid, in: 1))
            #expect(try test.reader.transaction(tid, in: 0, includeLocked: true) == nil)
            #expect(try test.reader.finalTID(of: tid, in: 0) == nil)
            #expect(try test.reader.tids(in: 0, .zero...tid, limit: 5) == [TID(20)])
            #expect(try test.reader.tids(in: 0, tid ... .invalid, limit: 5).isEmpty)
            #expect(try test.reader.oids(from: .zero, in: 1, asOf: tid, limit: 5).oids == [OID(1)])
            #expect(try test.reader.revisions(of: OID(1), from: tid, in: 1).revisions.isEmpty)
            #expect(
                try test.reader.objectRecords(in: 1, from: .zero, oid: .zero, through: tid, limit: 5)
                    == [ObjectRecordID(tid: TID(20), oid: OID(1))]
            )
        }
        #expect(try test.reader.load(.invalid, in: 1, .latest) == .noSuchObject)
        #expect(try test.reader.oids(from: .invalid, in: 1, asOf: .max, limit: 5).oids.isEmpty)
        #expect(try test.reader.tids(in: [0, 1], skip: .max, limit: .max).isEmpty)
        #expect(throws: DatabaseFailure.self) {
            let object = DatabaseJob.PendingObject(oid: .invalid, data: StoredData("x"))
            try test.steps.perform(.store(TTID(30), object, undoTargetRequired: false))
            try test.steps.perform(.vote(TTID(30), nil))
        }
    }

    @Test(arguments: Backend.allCases)
    func abortForgetsEverything(backend: Backend) throws {
        let test = try TestDatabase(backend)
        let object = DatabaseJob.PendingObject(oid: OID(1), data: StoredData("x"))
        // Not voted.
        try test.steps.perform(.store(TTID(10), object, undoTargetRequired: false))
        try test.steps.perform(.abort(TTID(10)))
        // Voted, with a pack order.
        try test.steps.perform(.store(TTID(12), object, undoTargetRequired: false))
        try test.steps.perform(.vote(TTID(12), TransactionMetadata(OID(1), pack: PackRequest(oids: nil, tid: TID(5)))))
        #expect(try test.reader.unfinishedTransactions().map(\.ttid) == [TTID(12)])
        try test.steps.perform(.abort(TTID(12)))
        // Unknown.
        try test.steps.perform(.abort(TTID(14)))
        #expect(try test.reader.unfinishedTransactions().isEmpty)
        #expect(try test.reader.packOrders(from: .zero, in: [0, 1], of: 2).isEmpty)
        #expect(
            try test.steps.perform(.removeOrphans(after: -1, .rows(10), dryRun: true)) == .orphans(count: 0, next: nil)
        )
        // The object can be stored by others.
        try test.commit(16, 20, [(1, "y")])
        #expect(try test.text(1) == "y")
    }

    @Test(arguments: Backend.allCases)
    func storeReplacesAndUnstoreGivesBack(backend: Backend) throws {
        let test = try TestDatabase(backend)
        let ttid = TTID(10)
        for text in ["first", "second"] {
            let object = DatabaseJob.PendingObject(oid: OID(1), data: StoredData(text))
            try test.steps.perform(.store(ttid, object, undoTargetRequired: false))
        }
        #expect(try test.steps.perform(.unstore(ttid, OID(1))) == .unstored(StoredData("second")))
        #expect(try test.steps.perform(.unstore(ttid, OID(1))) == .unstored(nil))
        #expect(
            try test.steps.perform(.removeOrphans(after: -1, .rows(10), dryRun: true)) == .orphans(count: 0, next: nil)
        )
        try test.steps.perform(.vote(ttid, nil))
        #expect(try test.reader.unfinishedTransactions().isEmpty)
    }

    /// The value of a pending transaction is never deleted, even if it is shared with one that is aborted.
    @Test(arguments: Backend.allCases)
    func sharedValuesSurvive(backend: Backend) throws {
        let test = try TestDatabase(backend)
        let object = DatabaseJob.PendingObject(oid: OID(1), data: StoredData("same"))
        let other = DatabaseJob.PendingObject(oid: OID(3), data: StoredData("same"))
        try test.steps.perform(together: [
            .store(TTID(10), object, undoTargetRequired: false),
            .store(TTID(12), other, undoTargetRequired: false),
            .abort(TTID(10)),
            .vote(TTID(12), TransactionMetadata(OID(3))),
        ])
        try test.reopen()
        try test.steps.perform(together: [
            .store(TTID(14), object, undoTargetRequired: false),
            .abort(TTID(14)),
            .lock(TTID(12), TID(16), approvesPack: false),
            .unlock(TTID(12), TID(16)),
        ])
        #expect(try test.text(3) == "same")
    }

    @Test(arguments: Backend.allCases)
    func undo(backend: Backend) throws {
        let test = try TestDatabase(backend)
        try test.commit(8, 10, [(1, "a")])
        try test.commit(18, 20, [(1, "b")])
        let toA = DatabaseJob.PendingObject(oid: OID(1), data: nil, dataTID: TID(10))
        #expect(try test.steps.perform(.store(TTID(28), toA, undoTargetRequired: true)) == .done)
        try test.steps.perform(together: [
            .vote(TTID(28), TransactionMetadata(OID(1))), .lock(TTID(28), TID(30), approvesPack: false),
            .unlock(TTID(28), TID(30)),
        ])
        #expect(
            try test.reader.load(OID(1), in: 1, .latest)
                == .found(Revision(tid: TID(30), nextTID: nil, data: StoredData("a"), dataTID: TID(10)))
        )
        #expect(
            try test.reader.undo(of: OID(1), in: 1, undoneTID: TID(30), before: nil, current: nil)
                == .found(UndoRecord(current: TID(30), undo: TID(20), isCurrent: true))
        )
        #expect(
            try test.reader.undo(of: OID(1), in: 1, undoneTID: TID(20), before: nil, current: nil)
                == .found(UndoRecord(current: TID(30), undo: TID(30), isCurrent: false))
        )

        // A target that is gone: refused on a readable cell, else the data that come along.
        let gone = DatabaseJob.PendingObject(oid: OID(1), data: StoredData("sent"), dataTID: TID(12))
        #expect(try test.steps.perform(.store(TTID(38), gone, undoTargetRequired: true)) == .undoTargetMissing)
        #expect(try test.steps.perform(.store(TTID(38), gone, undoTargetRequired: false)) == .done)
        #expect(try test.steps.perform(.unstore(TTID(38), OID(1))) == .unstored(StoredData("sent")))
        // The value of the target is still there for its revisions.
        #expect(try test.text(1) == "a")
    }

    @Test(arguments: Backend.allCases)
    func validationAndUnfinishedData(backend: Backend) throws {
        let test = try TestDatabase(backend)
        for ttid in [10, 12, 14] as [UInt64] {
            let object = DatabaseJob.PendingObject(oid: OID(ttid + 1), data: StoredData("x\(ttid)"))
            try test.steps.perform(.store(TTID(ttid), object, undoTargetRequired: false))
            // The second one has its metadata on another node.
            try test.steps.perform(.vote(TTID(ttid), ttid == 12 ? nil : TransactionMetadata(object.oid)))
        }
        try test.steps.perform(.lock(TTID(10), TID(20), approvesPack: false))
        try test.reopen()
        #expect(
            try test.reader.unfinishedTransactions() == [
                UnfinishedTransaction(ttid: TTID(10), tid: TID(20)), UnfinishedTransaction(ttid: TTID(12), tid: nil),
                UnfinishedTransaction(ttid: TTID(14), tid: nil),
            ]
        )
        try test.steps.perform(together: [.validate(TTID(10), TID(20)), .validate(TTID(12), TID(22))])
        try test.steps.perform(.validate(TTID(99), TID(101)))
        try test.steps.perform(.dropUnfinished)
        #expect(try test.reader.unfinishedTransactions().isEmpty)
        #expect(try test.text(11) == "x10")
        #expect(try test.text(13) == "x12")
        #expect(try test.text(15) == nil)
        #expect(try test.reader.transaction(TID(20), in: 0, includeLocked: false)?.ttid == TTID(10))
        #expect(try test.reader.transaction(TID(22), in: 0, includeLocked: false) == nil)
        #expect(
            try test.steps.perform(.removeOrphans(after: -1, .rows(10), dryRun: true)) == .orphans(count: 0, next: nil)
        )
    }

    /// Orders without transaction, as aborts of the reference leave them, would block packs for ever.
    @Test(arguments: Backend.allCases)
    func packOrders(backend: Backend) throws {
        let test = try TestDatabase(backend)
        try test.commit(8, 10, [(1, "a")], pack: PackRequest(oids: OIDList([OID(1)]), tid: TID(9)))
        try test.steps.perform(.vote(TTID(18), TransactionMetadata(pack: PackRequest(oids: OIDList([]), tid: TID(9)))))
        // That of a transaction that may still be aborted is told to nobody.
        let orders = try test.reader.packOrders(from: .zero, in: [0, 1], of: 2)
        #expect(
            orders == [PackOrder(id: TID(10), approved: true, isPartial: true, oids: OIDList([OID(1)]), tid: TID(9))]
        )
        #expect(try test.reader.transaction(TID(10), in: 0, includeLocked: false)?.pack?.approved == true)
        #expect(
            try test.steps.perform(.signPackOrders(approved: [TID(18), TID(77)], rejected: [TID(10)]))
                == .packOrdersSigned(unknown: [TID(77)])
        )
        #expect(try test.reader.packOrders(from: TID(10), in: [0], of: 2).map(\.approved) == [false])
        #expect(try test.reader.packOrders(from: TID(11), in: [1], of: 2).isEmpty)
        try test.steps.perform(.dropUnfinished)
        #expect(try test.reader.packOrders(from: .zero, in: [0, 1], of: 2).map(\.id) == [TID(10)])
    }

    /// Verification finishes a transaction with a pack order: where it was locked, its order is what the lock made of it;
    /// where it was only voted, nobody knows, and it is approved (`spec/storage.md §22.14`).
    @Test(arguments: Backend.allCases)
    func packOrdersOfValidatedTransactions(backend: Backend) throws {
        let test = try TestDatabase(backend)
        let order = TransactionMetadata(pack: PackRequest(oids: nil, tid: TID(5)))
        for ttid in [10, 20, 30] as [UInt64] { try test.steps.perform(.vote(TTID(ttid), order)) }
        try test.steps.perform(.lock(TTID(10), TID(12), approvesPack: true))
        try test.steps.perform(.lock(TTID(20), TID(22), approvesPack: false))
        try test.reopen()
        for ttid in [10, 20, 30] as [UInt64] { try test.steps.perform(.validate(TTID(ttid), TID(ttid + 2))) }
        let orders = try test.reader.packOrders(from: .zero, in: [0, 1], of: 2)
        #expect(orders.map(\.id) == [TID(12), TID(22), TID(32)])
        #expect(orders.map(\.approved) == [true, nil, true])
    }

    @Test(arguments: Backend.allCases)
    func pack(backend: Backend) throws {
        let test = try TestDatabase(backend)
        try test.commit(8, 10, [(1, "a"), (3, "a"), (5, "a"), (7, "a")])
        try test.commit(18, 20, [(1, "b"), (3, nil), (5, "b")])
        try test.commit(28, 30, [(1, "c"), (5, nil)])
        try test.commit(38, 40, [(5, "c")])
        for isFirst in [true, false] {
            var next: OID? = .zero
            var slices = 0
            while let from = next {
                let slice = PackSlice(tid: TID(30), from: from)
                guard case .packed(let following) = try test.steps.perform(.pack(1, slice, .rows(2))) else { break }
                next = following
                slices += 1
            }
            // What was packed is only looked at.
            #expect(slices > 1 || !isFirst)
            #expect(try test.tids(1) == [30])
            #expect(try test.tids(3) == [])
            #expect(try test.tids(5) == [40])
            #expect(try test.tids(7) == [10])
        }
        #expect(try test.reader.tids(in: [0], skip: 0, limit: 9).count == 4)
        #expect(
            try test.steps.perform(.removeOrphans(after: -1, .rows(99), dryRun: true)) == .orphans(count: 0, next: nil)
        )
    }

    /// An object with many revisions is packed by several slices, between which it can be read; others are not touched by
    /// a list.
    @Test(arguments: Backend.allCases, [false, true])
    func packOfOneObject(backend: Backend, isListed: Bool) throws {
        let test = try TestDatabase(backend)
        for index in 1...60 as ClosedRange<UInt64> {
            try test.commit(10 * index - 2, 10 * index, [(1, "\(index)"), (3, index == 60 ? nil : "\(index)")])
        }
        var slice = PackSlice(tid: TID(600), oids: isListed ? [OID(3), OID(5)] : nil)
        var counts: [Int] = []
        while case .packed(let next?) = try test.steps.perform(.pack(1, slice, .rows(7))) {
            slice.from = next
            counts.append(try test.tids(3).count)
            // It is deleted until the end, and from the beginning.
            #expect(try test.tids(3).first ?? 600 == 600)
        }
        #expect(counts.count > 7)
        #expect(try test.tids(3) == [])
        #expect(try test.tids(1).count == (isListed ? 60 : 1))
        #expect(
            try test.steps.perform(.removeOrphans(after: -1, .rows(999), dryRun: true)) == .orphans(count: 0, next: nil)
        )
    }

    /// An undo that a pack leaves refers to a revision that is gone: it keeps its value, and can be undone to
    /// (`spec/database.md §16`, 21).
    @Test(arguments: Backend.allCases)
    func packOfUndos(backend: Backend) throws {
        let test = try TestDatabase(backend)
        let search = DatabaseJob.Operation.removeOrphans(after: -1, .rows(99), dryRun: true)
        for (tid, text, target) in [(10, "a", nil), (20, "b", nil), (30, nil, 10), (40, "c", nil), (50, nil, 30)]
            as [(UInt64, String?, UInt64?)]
        {
            let data = text.map { StoredData($0) }
            let object = DatabaseJob.PendingObject(oid: OID(1), data: data, dataTID: target.map { TID($0) })
            try test.steps.perform(together: [
                .store(TTID(tid - 2), object, undoTargetRequired: true),
                .vote(TTID(tid - 2), TransactionMetadata(OID(1))),
                .lock(TTID(tid - 2), TID(tid), approvesPack: false), .unlock(TTID(tid - 2), TID(tid)),
            ])
        }
        try test.steps.perform(.pack(1, PackSlice(tid: TID(35)), .rows(9)))
        #expect(try test.tids(1) == [50, 40, 30])
        #expect(try [30, 40, 50].map { try test.text(1, .at(TID($0))) } == ["a", "c", "a"])
        #expect(
            try test.reader.undo(of: OID(1), in: 1, undoneTID: TID(40), before: nil, current: nil)
                == .found(UndoRecord(current: TID(50), undo: TID(50), isCurrent: false))
        )
        #expect(try test.steps.perform(search) == .orphans(count: 0, next: nil))
        try test.steps.perform(.pack(1, PackSlice(tid: TID(50)), .rows(9)))
        #expect(try test.tids(1) == [50])
        #expect(try test.text(1) == "a")
        #expect(try test.steps.perform(search) == .orphans(count: 0, next: nil))
    }

    /// Walks through the objects that exist as of any TID, in chunks of any size (`spec/storage.md §23`, 60).
    @Test(arguments: Backend.allCases)
    func walksThroughObjects(backend: Backend) throws {
        var random = SplitMix(seed: 60)
        let test = try TestDatabase(backend)
        var history: [[UInt64: Bool]] = [[:]]
        for tid in 1...12 as ClosedRange<UInt64> {
            var exists = history[history.count - 1]
            var objects: [(UInt64, String?)] = []
            for oid in 0..<14 as Range<UInt64> where Int.random(in: 0..<4, using: &random) == 0 {
                let isDeletion = exists[oid] == true && Bool.random(using: &random)
                exists[oid] = !isDeletion
                objects.append((oid, isDeletion ? nil : "\(tid)"))
            }
            try test.commit(10 * tid - 2, 10 * tid, objects)
            history.append(exists)
        }
        for (tid, exists) in history.enumerated() {
            for partition in 0..<2 {
                let expected = exists.filter { $0.value && Int($0.key % 2) == partition }.keys.sorted()
                for limit in [1, 2, 3, 7, 100] {
                    var found: [UInt64] = []
                    var first: OID? = .zero
                    var slices = 0
                    while let from = first {
                        let asOf = TID(UInt64(10 * tid + 5))
                        let slice = try test.reader.oids(from: from, in: partition, asOf: asOf, limit: limit)
                        found += slice.oids.map(\.rawValue)
                        first = slice.lastConsidered.map { OID($0.rawValue + 2) }
                        slices += 1
                    }
                    #expect(found == expected, "\(limit) of partition \(partition) as of \(tid)")
                    #expect(slices >= expected.count / limit)
                }
            }
        }
    }

    /// A slice ends when its time is over, however many rows are left, and does something however short the time.
    @Test func slicesAreMeasured() throws {
        let test = try TestDatabase(.sqlite)
        for index in 1...300 as ClosedRange<UInt64> { try test.commit(10 * index - 2, 10 * index, [(1, "\(index)")]) }
        var slices = 0
        var slice = PackSlice(tid: TID(3000))
        while case .packed(let next?) = try test.steps.perform(.pack(1, slice, WorkBudget(rows: .max, milliseconds: 0)))
        {
            slice.from = next
            slices += 1
        }
        #expect(slices > 2)
        #expect(try test.tids(1) == [3000])
        slices = 0
        while try test.steps.perform(.dropPartition(0, WorkBudget(rows: .max, milliseconds: 0)))
            == .slice(isFinished: false)
        { slices += 1 }
        #expect(slices >= 1)
        #expect(try test.reader.lastIDs(in: 0) == LastIDs())
    }

    @Test(arguments: Backend.allCases)
    func deleteRange(backend: Backend) throws {
        for (after, through, left) in [
            (nil, nil, []), (20, nil, [20, 10]), (nil, 20, [40, 30]), (10, 30, [40, 10]),
        ] as [(UInt64?, UInt64?, [UInt64])] {
            let test = try TestDatabase(backend)
            for tid in [10, 20, 30, 40] as [UInt64] { try test.commit(tid - 2, tid, [(1, "\(tid)"), (2, "\(tid)")]) }
            try test.steps.perform(.deleteRange(1, after: after.map { TID($0) }, through: through.map { TID($0) }))
            #expect(try test.tids(1) == left)
            #expect(try test.tids(2) == [40, 30, 20, 10])
            #expect(try test.reader.tids(in: [0], skip: 0, limit: 9).count == 4)
            try test.steps.perform(.deleteRange(0, after: after.map { TID($0) }, through: through.map { TID($0) }))
            #expect(try test.reader.tids(in: [0], skip: 0, limit: 9).map(\.rawValue) == left)
        }
    }

    @Test(arguments: Backend.allCases)
    func truncation(backend: Backend) throws {
        let test = try TestDatabase(backend)
        for tid in [10, 20, 30] as [UInt64] { try test.commit(tid - 2, tid, [(1, "\(tid)"), (2, "\(tid)")]) }
        try test.commit(38, 40, [(7, "40")])
        try test.steps.perform(.setBackupTID(TID(20)))
        try test.steps.perform(.orderTruncation(TID(10)))
        #expect(try test.reader.configuration().backupTID == nil)
        var slices = 1
        while try test.steps.perform(.truncate(.rows(2))) == .slice(isFinished: false) {
            // Whoever interrupts it: it is done at the next start.
            if slices == 1 { try test.reopen() }
            #expect(try test.reader.configuration().truncateTID == TID(10))
            slices += 1
        }
        #expect(slices > 1)
        #expect(try test.reader.configuration().truncateTID == nil)
        #expect(try test.tids(1) == [10])
        // New OIDs begin behind the last one that is left.
        #expect(
            try test.reader.lastIDs(in: [0, 1]) == LastIDs(transactionTID: TID(10), recordTID: TID(10), oid: OID(2))
        )
    }

    /// What cells know of what is gone: how far they are replicated, and which packs they executed
    /// (`spec/replication.md §2.3, §10.8`).
    @Test(arguments: Backend.allCases)
    func truncationOfWhatCellsKnow(backend: Backend) throws {
        let test = try TestDatabase(backend, partitions: 4)
        for (partition, tid) in [(1, 30), (2, 10)] as [(PartitionID, UInt64)] {
            let cell = CellChange(partition: partition, nid: NID(1), state: .outOfDate)
            try test.steps.perform(.changePartitionTable(.init(ptid: 2, replicas: 0, cells: [cell], isComplete: false)))
            try test.steps.perform(.replicate(.init(partition: partition, progress: TID(tid))))
        }
        try test.steps.perform(together: [.setPacked(0, TID(25)), .setPacked(3, TID(15)), .orderTruncation(TID(20))])
        while try test.steps.perform(.truncate(.rows(2))) == .slice(isFinished: false) {}
        try test.reopen()
        let cells = try test.reader.cells()
        #expect(cells.map(\.state) == [.upToDate, .outOfDate, .outOfDate, .upToDate])
        #expect(cells.map(\.tid) == [nil, TID(20), TID(10), nil])
        #expect([cells[0].packed, cells[3].packed] == [TID(20), TID(15)])
    }

    /// Rows of data that a crash left: the search tells them, and deletes them if it is asked to; nothing that is used, and
    /// nothing of a transaction in progress, voted or not (`spec/storage.md §23`, 55).
    @Test(arguments: Backend.allCases.filter { $0 != .memory })
    func orphans(backend: Backend) throws {
        func object(_ oid: UInt64) -> DatabaseJob.PendingObject {
            DatabaseJob.PendingObject(oid: OID(oid), data: StoredData("of \(oid)"))
        }
        let test = try TestDatabase(backend)
        try test.commit(8, 10, [(1, "kept")])
        for (ttid, oid) in [(12, 3), (14, 5), (16, 7)] as [(UInt64, UInt64)] {
            try test.steps.perform(.store(TTID(ttid), object(oid), undoTargetRequired: false))
        }
        try test.steps.perform(.vote(TTID(16), TransactionMetadata(OID(7))))
        // The stores of the two others are forgotten.
        try test.reopen()
        try test.steps.perform(.store(TTID(18), object(9), undoTargetRequired: false))
        func search(dryRun: Bool) throws -> Int {
            var found = 0
            var after: Int64? = -1
            while let position = after {
                let job = DatabaseJob.Operation.removeOrphans(after: position, .rows(1), dryRun: dryRun)
                guard case .orphans(let count, let next) = try test.steps.perform(job) else { return -1 }
                found += count
                after = next
            }
            return found
        }
        #expect(try search(dryRun: true) == 2)
        #expect(try search(dryRun: true) == 2)
        #expect(try search(dryRun: false) == 2)
        #expect(try search(dryRun: true) == 0)
        for (ttid, metadata) in [(16, nil), (18, TransactionMetadata(OID(9)))] as [(UInt64, TransactionMetadata?)] {
            if let metadata { try test.steps.perform(.vote(TTID(ttid), metadata)) }
            try test.steps.perform(.lock(TTID(ttid), TID(ttid + 2), approvesPack: false))
            try test.steps.perform(.unlock(TTID(ttid), TID(ttid + 2)))
        }
        #expect(try [1, 7, 9].map { try test.text($0) } == ["kept", "of 7", "of 9"])
    }

    /// A few values that many transactions store, in any order of ends: a value is there as long as it is used, and not
    /// longer (`spec/storage.md §23`, 56).
    @Test(arguments: Backend.allCases, 0..<8 as Range<UInt64>)
    func valuesOfManyTransactions(backend: Backend, seed: UInt64) throws {
        var random = SplitMix(seed: seed)
        let test = try TestDatabase(backend)
        let values = ["a", "b", ""]
        /// Stored objects, and whether it is voted.
        var pending: [TTID: (objects: [UInt64: String?], isVoted: Bool)] = [:]
        var committed: [UInt64: [(tid: UInt64, value: String?)]] = [:]
        var last: UInt64 = 0
        for _ in 0..<120 {
            last += 10
            let ttid = pending.keys.sorted().randomElement(using: &random)
            switch (Int.random(in: 0..<8, using: &random), ttid) {
            case (0...2, let ttid):
                let ttid = ttid ?? TTID(last)
                guard pending[ttid]?.isVoted != true else { continue }
                let oid = UInt64.random(in: 1...4, using: &random)
                let value = Bool.random(using: &random) ? values.randomElement(using: &random) : nil
                let object = DatabaseJob.PendingObject(oid: OID(oid), data: value.map { StoredData($0) })
                try test.steps.perform(.store(ttid, object, undoTargetRequired: false))
                pending[ttid, default: ([:], false)].objects[oid] = .some(value)
            case (3, _): pending[TTID(last)] = ([:], false)
            case (4, let ttid?):
                try test.steps.perform(.abort(ttid))
                pending[ttid] = nil
            case (5, let ttid?):
                guard let objects = pending[ttid]?.objects, pending[ttid]?.isVoted == false else { continue }
                guard let (oid, _) = objects.sorted(by: { $0.key < $1.key }).first else { continue }
                let given = try test.steps.perform(.unstore(ttid, OID(oid)))
                #expect(given == .unstored(objects[oid].flatMap { $0 }.map { StoredData($0) }))
                pending[ttid]?.objects[oid] = nil
            case (6, let ttid?):
                guard pending[ttid]?.isVoted == false else { continue }
                try test.steps.perform(.vote(ttid, TransactionMetadata()))
                pending[ttid]?.isVoted = true
            case (7, let ttid?):
                guard let (objects, isVoted) = pending[ttid], isVoted else { continue }
                let tid = TID(last)
                try test.steps.perform(together: [.lock(ttid, tid, approvesPack: false), .unlock(ttid, tid)])
                for (oid, value) in objects { committed[oid, default: []].append((last, value)) }
                pending[ttid] = nil
            default: continue
            }
            for (oid, revisions) in committed {
                for revision in revisions { #expect(try test.text(oid, .at(TID(revision.tid))) == revision.value) }
            }
        }
        for ttid in pending.keys { try test.steps.perform(.abort(ttid)) }
        let search = DatabaseJob.Operation.removeOrphans(after: -1, .rows(999), dryRun: true)
        #expect(try test.steps.perform(search) == .orphans(count: 0, next: nil))
        #expect(!committed.isEmpty)
        // Without its records nothing is left of them.
        for partition in 0..<2 { try test.steps.perform(.deleteRange(partition, after: nil, through: nil)) }
        #expect(try test.steps.perform(search) == .orphans(count: 0, next: nil))
    }

    @Test(arguments: Backend.allCases)
    func dropPartition(backend: Backend) throws {
        let test = try TestDatabase(backend)
        for tid in [10, 20] as [UInt64] { try test.commit(tid - 2, tid, [(1, "\(tid)"), (2, "\(tid)")]) }
        while try test.steps.perform(.dropPartition(0, .rows(1))) == .slice(isFinished: false) {}
        #expect(try test.reader.lastIDs(in: 0) == LastIDs())
        #expect(try test.tids(1) == [20, 10])
    }

    @Test(arguments: Backend.allCases)
    func discardUnfinished(backend: Backend) throws {
        let test = try TestDatabase(backend)
        for oid in [1, 2] as [UInt64] {
            let object = DatabaseJob.PendingObject(oid: OID(oid), data: StoredData("x"))
            try test.steps.perform(.store(TTID(10), object, undoTargetRequired: false))
            try test.steps.perform(.store(TTID(12), object, undoTargetRequired: false))
        }
        try test.steps.perform(.vote(TTID(10), TransactionMetadata(OID(1), OID(2))))
        try test.steps.perform(.discardUnfinished([0]))
        #expect(try test.reader.unfinishedTransactions() == [UnfinishedTransaction(ttid: TTID(10), tid: nil)])
        try test.steps.perform(.vote(TTID(12), nil))
        try test.steps.perform(together: [.validate(TTID(10), TID(20)), .validate(TTID(12), TID(22))])
        #expect(try test.tids(1) == [22, 20])
        #expect(try test.tids(2) == [])
        #expect(try test.reader.tids(in: [0, 1], skip: 0, limit: 9).isEmpty)
    }

    @Test(arguments: Backend.allCases)
    func replication(backend: Backend) throws {
        let test = try TestDatabase(backend)
        try test.steps.perform(
            .changePartitionTable(
                .init(
                    ptid: 2,
                    replicas: 0,
                    cells: [CellChange(partition: 1, nid: NID(1), state: .outOfDate)],
                    isComplete: false
                )
            )
        )
        let transaction = TransactionRecord(
            tid: TID(11),
            ttid: TTID(9),
            user: ByteBuffer(),
            description: ByteBuffer(string: "d"),
            extensionData: ByteBuffer(),
            packed: true,
            oids: [OID(1)],
            pack: ReplicatedPack(approved: true, isPartial: false, oids: nil, tid: TID(5))
        )
        let chunk = DatabaseJob.ReplicationChunk(
            partition: 1,
            transactions: [transaction],
            objects: [
                ReplicatedObject(oid: OID(1), tid: TID(11), data: StoredData("a"), dataTID: nil),
                ReplicatedObject(oid: OID(1), tid: TID(13), data: nil, dataTID: nil),
                ReplicatedObject(oid: OID(1), tid: TID(15), data: nil, dataTID: TID(11)),
            ],
            progress: TID(15)
        )
        for _ in 1...2 {
            try test.steps.perform(.replicate(chunk))
            #expect(try test.reader.transaction(TID(11), in: 1, includeLocked: false) == transaction)
            #expect(try test.tids(1) == [15, 13, 11])
            #expect(try test.text(1) == "a")
            #expect(try test.reader.cells()[1].tid == TID(15))
        }
        try test.steps.perform(
            .replicate(
                .init(
                    partition: 1,
                    deletedTransactions: [TID(11)],
                    deletedObjects: [ObjectRecordID(tid: TID(13), oid: OID(1))]
                )
            )
        )
        #expect(try test.tids(1) == [15, 11])
        #expect(try test.reader.transaction(TID(11), in: 1, includeLocked: false) == nil)
        #expect(try test.reader.packOrders(from: .zero, in: [0, 1], of: 2).isEmpty)
        #expect(
            try test.steps.perform(.removeOrphans(after: -1, .rows(99), dryRun: true)) == .orphans(count: 0, next: nil)
        )
    }

    @Test(arguments: Backend.allCases)
    func greatestIDOfAStorage(backend: Backend) throws {
        let test = try TestDatabase(backend)
        #expect(try test.reader.configuration().lastNID == nil)
        try test.steps.perform(.setLastNID(NID(.storage, 9)))
        try test.reopen()
        #expect(try test.reader.configuration().lastNID == NID(.storage, 9))
        try test.steps.perform(.erase)
        try test.reopen()
        #expect(try test.reader.configuration().lastNID == nil)
    }

    @Test(arguments: Backend.allCases)
    func eraseThenAnotherCluster(backend: Backend) throws {
        let test = try TestDatabase(backend)
        try test.commit(8, 10, [(1, "a")])
        try test.steps.perform(.erase)
        try test.reopen()
        #expect(try test.reader.configuration() == DatabaseConfiguration(clusterName: "test"))
        #expect(try test.tids(1) == [])
    }
}
