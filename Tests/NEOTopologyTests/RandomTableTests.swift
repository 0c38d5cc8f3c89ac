import NEOEngine
import NEOProtocol
import NEOTopology
import Testing

/// What holds for any table that is tweaked (`spec/master.md §11.1`).
@Suite struct RandomTableTests {
    /// Any table of a cluster that can be read.
    private struct Case: CustomStringConvertible {
        var table: PartitionTable
        var nodes: Int
        var members: [TweakMember]
        var copies: Int

        init(_ random: inout SplitMix64, withTopology: Bool) throws {
            let nodes = Int.random(in: 1...8, using: &random)
            let replicas = Int.random(in: 0...3, using: &random)
            let partitions = Int.random(in: 1...24, using: &random)
            let numbers = (1...nodes).map { NID(.storage, Int32($0)) }
            self.nodes = nodes
            let states: [CellState] = [.upToDate, .upToDate, .feeding, .outOfDate, .corrupted]
            let rows = (0..<partitions).map { _ in
                let count = Int.random(in: 1...min(nodes, replicas + 2), using: &random)
                return numbers.shuffled(using: &random).prefix(count).enumerated().map { index, nid in
                    CellRecord(nid: nid, state: index == 0 ? .upToDate : states.randomElement(using: &random)!)
                }
            }
            table = try PartitionTable(ptid: 1, replicas: replicas, rows: rows)
            let excluded = Set(numbers.filter { _ in Int.random(in: 0..<6, using: &random) == 0 })
            let considered = numbers.filter { !excluded.contains($0) }
            let groups = UInt8.random(in: 1...4, using: &random)
            members = (considered.isEmpty ? numbers : considered).enumerated().map { index, nid in
                let group = UInt8(index) % groups
                return TweakMember(nid, devicePath: withTopology ? [[group], [UInt8(index)]] : [])
            }
            copies = min(replicas + 1, members.count)
        }

        var description: String {
            "\(notation(table, nodes: nodes)) \(table.replicas) \(members.map { "\($0.nid)\($0.devicePath)" })"
        }

        func cells(_ table: PartitionTable, _ partition: PartitionID) -> [CellRecord] {
            table.cells(of: partition).filter { cell in members.contains { $0.nid == cell.nid } }
        }
    }

    @Test(arguments: 0..<20 as Range<UInt64>, [false, true])
    func tweak(seed: UInt64, withTopology: Bool) throws {
        var random = SplitMix64(seed: seed)
        for _ in 0..<50 {
            let before = try Case(&random, withTopology: withTopology)
            let description = Comment(rawValue: "\(before)")
            var table = before.table
            let tweak = try table.tweak(over: before.members)
            var told = before.table
            told.apply(tweak.changes)
            #expect(told == table, description)
            #expect(table.isOperational { _ in true }, description)
            var counts: [NID: Int] = [:]
            for partition in 0..<table.partitions {
                let (old, new) = (before.cells(before.table, partition), before.cells(table, partition))
                // What is not asked about is not touched, and does not count.
                let others = { (table: PartitionTable) in
                    table.cells(of: partition).filter { cell in !before.members.contains { $0.nid == cell.nid } }
                }
                #expect(others(table) == others(before.table), description)
                let staying = new.filter { $0.state != .feeding }
                #expect(staying.count == before.copies, description)
                for cell in staying { counts[cell.nid, default: 0] += 1 }
                // As many can be read as before, up to the wanted copies, and no cell stays for nothing.
                let (oldCount, newCount) = (old.count(where: \.state.isReadable), new.count(where: \.state.isReadable))
                #expect(newCount == min(oldCount, before.copies), description)
            }
            let numbers = before.members.map { counts[$0.nid] ?? 0 }
            #expect((numbers.max() ?? 0) - (numbers.min() ?? 0) <= 1, description)
            if before.copies > 1, !tweak.ignoresTopology { checkTopology(before, table, description) }
            #expect(try table.tweak(over: before.members).changes == [], description)
        }
    }

    /// Groups of the first level have equal shares of the copies of a partition, or differ by one.
    private func checkTopology(_ before: Case, _ table: PartitionTable, _ description: Comment) {
        let groups = Dictionary(grouping: before.members) { $0.devicePath[0] }.mapValues { Set($0.map(\.nid)) }
        let (share, rest) = before.copies.quotientAndRemainder(dividingBy: groups.count)
        for partition in 0..<table.partitions {
            let nids = before.cells(table, partition).filter { $0.state != .feeding }.map(\.nid)
            let counts = groups.values.map { group in nids.count(where: group.contains) }
            #expect(counts.allSatisfy { share...(share + 1) ~= $0 }, description)
            #expect(counts.count { $0 == share + 1 } == rest, description)
        }
    }

    /// All the new cells become readable: nothing is left to do, and nothing feeds.
    @Test(arguments: 0..<10 as Range<UInt64>)
    func replication(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        for _ in 0..<50 {
            let before = try Case(&random, withTopology: false)
            let hasCorrupted = before.table.rows.contains { $0.contains { $0.state == .corrupted } }
            guard before.members.count == before.nodes, !hasCorrupted else { continue }
            var table = before.table
            _ = try table.tweak(over: before.members)
            for partition in 0..<table.partitions {
                for cell in table.cells(of: partition) where cell.state == .outOfDate {
                    replicate(partition, at: cell.nid, in: &table)
                }
                #expect(table.cells(of: partition).allSatisfy { $0.state == .upToDate }, "\(before)")
                #expect(table.cells(of: partition).count == before.copies, "\(before)")
            }
            #expect(try table.tweak(over: before.members).changes == [], "\(before)")
        }
    }
}
