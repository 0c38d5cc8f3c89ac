import NEOProtocol
import NIOCore

/// Reads a ``MemoryDisk``.
struct MemoryReader: DatabaseReader {
    let disk: MemoryDisk
    /// The process that uses the disk; nil: whatever process.
    let generation: Int?

    private func read<Value: Sendable>(_ body: (borrowing MemoryState) throws -> Value) throws -> Value {
        try disk.read(generation, body)
    }

    private func content<Value: Sendable>(
        of partition: PartitionID,
        _ body: (MemoryState.Partition) throws -> Value
    ) throws -> Value {
        try read { try body($0.partitions[partition] ?? MemoryState.Partition()) }
    }

    // MARK: Configuration and partition table

    func configuration() throws -> DatabaseConfiguration {
        try read { state in
            DatabaseConfiguration(
                clusterName: state.clusterName,
                nid: state.nid,
                lastNID: state.lastNID,
                ptid: state.ptid,
                replicas: state.replicas,
                backupTID: state.backupTID,
                truncateTID: state.truncateTID,
                partitions: state.partitionCount
            )
        }
    }

    func cells() throws -> [StoredCell] { try read { $0.cells.values } }

    func availableBytes() -> UInt64? { disk.availableBytes }

    // MARK: Ids

    func firstTID(in partitions: [PartitionID]) throws -> TID? {
        try read { state in partitions.compactMap { state.partitions[$0]?.transactions.keys.first }.min() }
    }

    func lastIDs(in partition: PartitionID) throws -> LastIDs {
        try content(of: partition) { content in
            LastIDs(
                transactionTID: content.transactions.last?.key,
                recordTID: content.lastRecordTID,
                oid: content.objects.last?.key
            )
        }
    }

    // MARK: Objects

    func load(_ oid: OID, in partition: PartitionID, _ selector: RevisionSelector) throws -> LoadOutcome {
        try content(of: partition) { content in
            guard let revisions = content.objects[oid], let last = revisions.keys.last else { return .noSuchObject }
            let found: TID? =
                switch selector {
                case .latest: last
                case .at(let tid): revisions[tid].map { _ in tid }
                case .before(let tid): revisions.before(tid)?.key
                }
            guard let found, let record = revisions[found] else { return .noSuchRevision }
            let next = revisions.lowerBound(found) + 1
            return .found(
                Revision(
                    tid: found,
                    nextTID: next < revisions.count ? revisions.keys[next] : nil,
                    data: record.data,
                    dataTID: record.dataTID
                )
            )
        }
    }

    func lastTID(of oid: OID, in partition: PartitionID) throws -> TID? {
        try content(of: partition) { $0.objects[oid]?.last?.key }
    }

    func hasRevision(of oid: OID, at tid: TID, in partition: PartitionID) throws -> Bool {
        try content(of: partition) { $0.objects[oid]?[tid] != nil }
    }

    func history(of oid: OID, in partition: PartitionID, skip: Int, limit: Int) throws -> [HistoryRecord] {
        try content(of: partition) { content in
            guard let revisions = content.objects[oid] else { return [] }
            return zip(revisions.keys, revisions.values).reversed().dropFirst(skip).prefix(limit).map { tid, record in
                HistoryRecord(tid: tid, size: record.data?.data.readableBytes ?? 0)
            }
        }
    }

    func revisions(of oid: OID, from tid: TID, in partition: PartitionID) throws -> RevisionChain {
        try content(of: partition) { content in
            guard let revisions = content.objects[oid] else { return RevisionChain(previous: nil, revisions: []) }
            let first = revisions.lowerBound(tid)
            return RevisionChain(
                previous: revisions.before(tid)?.key,
                revisions: zip(revisions.keys, revisions.values).dropFirst(first).map { tid, record in
                    RevisionChain.Link(tid: tid, dataTID: record.dataTID)
                }
            )
        }
    }

    func oids(from first: OID, in partition: PartitionID, asOf tid: TID, limit: Int) throws -> OIDSlice {
        try content(of: partition) { content in
            var slice = OIDSlice(oids: [], lastConsidered: nil)
            var considered = 0
            for index in content.objects.lowerBound(first)..<content.objects.count {
                let visible = content.objects.values[index]
                let end = visible.lowerBound(TID(tid.rawValue &+ 1))
                guard tid == .invalid || end > 0,
                    let record = tid == .invalid ? visible.last?.value : visible.values[end - 1]
                else { continue }
                considered += 1
                if record.data != nil { slice.oids.append(content.objects.keys[index]) }
                if considered == limit {
                    slice.lastConsidered = content.objects.keys[index]
                    break
                }
            }
            return slice
        }
    }

    func revision(of oid: OID, at tid: TID, in partition: PartitionID) throws -> Revision? {
        try content(of: partition) { content in
            content.objects[oid]?[tid].map { Revision(tid: tid, nextTID: nil, data: $0.data, dataTID: $0.dataTID) }
        }
    }

    func objectRecords(
        in partition: PartitionID,
        from: TID,
        oid: OID,
        through: TID,
        limit: Int
    ) throws -> [ObjectRecordID] {
        let first = ObjectRecordID(tid: from, oid: oid)
        return try content(of: partition) { content in
            var records: [ObjectRecordID] = []
            for (oid, revisions) in zip(content.objects.keys, content.objects.values) {
                for tid in revisions.keys where tid <= through {
                    let record = ObjectRecordID(tid: tid, oid: oid)
                    if record >= first { records.append(record) }
                }
            }
            records.sort()
            return Array(records.prefix(limit))
        }
    }

    // MARK: Transactions

    func transaction(_ tid: TID, in partition: PartitionID, includeLocked: Bool) throws -> TransactionRecord? {
        try read { state in
            if var transaction = state.partitions[partition]?.transactions[tid] {
                transaction.pack = state.packOrders[tid].map(ReplicatedPack.init)
                return transaction
            }
            guard includeLocked else { return nil }
            guard let index = state.votedTransactions.values.firstIndex(where: { $0.tid == tid }) else { return nil }
            let ttid = state.votedTransactions.keys[index]
            let metadata = state.votedTransactions.values[index].metadata
            return TransactionRecord(
                tid: tid,
                ttid: ttid,
                user: metadata.user,
                description: metadata.description,
                extensionData: metadata.extensionData,
                packed: false,
                oids: metadata.oids,
                pack: state.packOrders[ttid].map(ReplicatedPack.init)
            )
        }
    }

    func tids(in partitions: [PartitionID], skip: Int, limit: Int) throws -> [TID] {
        try read { state in
            let tids = partitions.flatMap { state.partitions[$0]?.transactions.keys ?? [] }.sorted(by: >)
            return Array(tids.dropFirst(skip).prefix(limit))
        }
    }

    func tids(in partition: PartitionID, _ range: ClosedRange<TID>, limit: Int) throws -> [TID] {
        try content(of: partition) { content in
            let keys = content.transactions.keys
            return Array(
                keys[content.transactions.lowerBound(range.lowerBound)...].prefix { $0 <= range.upperBound }
                    .prefix(limit)
            )
        }
    }

    func finalTID(of ttid: TTID, in partition: PartitionID) throws -> TID? {
        try content(of: partition) { content in
            content.transactions.values[content.transactions.lowerBound(ttid)...].first { $0.ttid == ttid }?.tid
        }
    }

    func unfinishedTransactions() throws -> [UnfinishedTransaction] {
        try read { state in
            let ttids = Set(state.votedTransactions.keys + state.votedObjects.keys)
            return ttids.sorted().map { UnfinishedTransaction(ttid: $0, tid: state.votedTransactions[$0]?.tid) }
        }
    }

    // MARK: Pack

    func packOrders(from first: TID, in partitions: [PartitionID], of count: Int) throws -> [PackOrder] {
        try read { state in
            guard count > 0 else { return [] }
            return state.packOrders.values[state.packOrders.lowerBound(first)...].filter { order in
                let partition = order.id.partition(of: count)
                return partitions.contains(partition)
                    && state.partitions[partition]?.transactions[order.id] != nil
            }
        }
    }
}

extension ReplicatedPack {
    init(_ order: PackOrder) {
        self.init(approved: order.approved, isPartial: order.isPartial, oids: order.oids, tid: order.tid)
    }
}
