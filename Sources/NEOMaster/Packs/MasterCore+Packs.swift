import NEOEngine
import NEOProtocol
import NEOTopology
import OrderedCollections

/// Pack orders (`spec/master.md §13`).
extension MasterCore {
    mutating func answerPackOrders(
        _ request: AskPackOrders,
        isStorage: Bool,
        _ source: Source,
        _ context: inout Context
    ) {
        guard let completed = packs.maxCompleted, completed >= request.min else {
            let orders = packs.orders(from: request.min, isStorage: isStorage)
            return connections.answer(source.connection, to: source.request, AnswerPackOrders(orders: orders), &context)
        }
        guard packs.heldCount(source.connection) < configuration.limits.heldRequestsPerClient else {
            return refuse(source, "too many requests about packs", &context)
        }
        // The orders that all completed were forgotten: storages still have them.
        let id = packs.add(
            PackOrderQuery(
                source: source,
                isStorage: isStorage,
                min: request.min,
                remaining: Set(table.rows.indices)
            )
        )
        askForgottenPackOrders(id, &context)
    }

    /// Asks as few storages as are needed for the partitions that nobody was asked about.
    private mutating func askForgottenPackOrders(_ id: PackOrderQuery.ID, _ context: inout Context) {
        guard let query = packs.queries[id] else { return }
        let covered = Set(query.asked.flatMap(readablePartitions))
        var missing = query.remaining.subtracting(covered)
        while !missing.isEmpty {
            let best = identifiedReadable.filter { !query.asked.contains($0) }
                .map { (nid: $0, count: missing.intersection(readablePartitions($0)).count) }
                .max { $0.count < $1.count }
            // Without a readable cell the cluster would not be operational.
            guard let best, best.count > 0, let connection = registry.connection(of: best.nid) else { return }
            packs.queries[id]?.asked.insert(best.nid)
            missing.subtract(readablePartitions(best.nid))
            connections.ask(
                connection,
                AskPackOrders(min: query.min),
                then: .forgottenPackOrders(id, period: period),
                &context
            )
        }
    }

    private func readablePartitions(_ nid: NID) -> [PartitionID] {
        table.cells(at: nid).filter(\.state.isReadable).map(\.partition)
    }

    mutating func forgottenPackOrdersAnswered(
        _ answer: AnswerPackOrders,
        _ id: PackOrderQuery.ID,
        _ nid: NID,
        _ context: inout Context
    ) {
        guard var query = packs.queries[id], query.asked.remove(nid) != nil else { return }
        query.remaining.subtract(readablePartitions(nid))
        query.orders += answer.orders
        packs.queries[id] = query
        guard query.remaining.isEmpty else {
            return askForgottenPackOrders(id, &context)
        }
        packs.queries[id] = nil
        packs.setCompleted(below: query.min)
        packs.merge(query.orders)
        connections.answer(
            query.source.connection,
            to: query.source.request,
            AnswerPackOrders(orders: packs.orders(from: query.min, isStorage: query.isStorage)),
            &context
        )
        recomputePackCompletion(&context)
    }

    /// A storage that was asked is lost: others are asked for what it did not answer.
    mutating func askForgottenPackOrdersAgain(_ nid: NID, _ context: inout Context) {
        for id in packs.queries.keys where packs.queries[id]?.asked.remove(nid) != nil {
            askForgottenPackOrders(id, &context)
        }
    }

    mutating func recomputePackCompletion(_ context: inout Context) {
        for source in packs.complete(at: table.readableNIDs) {
            connections.answer(source.connection, to: source.request, WaitedForPack(), &context)
        }
    }

    mutating func waitForPack(_ request: WaitForPack, _ source: Source, _ context: inout Context) {
        guard packs.heldCount(source.connection) < configuration.limits.heldRequestsPerClient else {
            return refuse(source, "too many requests about packs", &context)
        }
        if !packs.wait(for: request.tid, source) {
            connections.answer(source.connection, to: source.request, WaitedForPack(), &context)
        }
    }
}
