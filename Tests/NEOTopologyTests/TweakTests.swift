import NEOProtocol
import NEOTopology
import Testing

/// The examples of `spec/master.md §10.3 and §11.7`.
@Suite struct TweakTests {
    private func members(_ count: Int, _ paths: String = "", without excluded: Set<Int> = []) -> [TweakMember] {
        let paths = paths.split(separator: " ").map { $0.utf8.map { [$0] } }
        return (1...count).filter { !excluded.contains($0) }.map { number in
            TweakMember(NID(.storage, Int32(number)), devicePath: paths.isEmpty ? [] : paths[number - 1])
        }
    }

    private func repeated(_ rows: String, _ count: Int) -> String {
        Array(repeating: rows, count: count).joined(separator: "|")
    }

    private func created(
        _ partitions: Int,
        _ replicas: Int,
        _ nodes: Int,
        _ paths: String = "",
        ignoresTopology: Bool? = nil
    ) throws -> String {
        var table = PartitionTable(partitions: partitions, replicas: replicas)
        let tweak = try table.create(over: members(nodes, paths))
        #expect(table.ptid == 1)
        if let ignoresTopology { #expect(tweak.ignoresTopology == ignoresTopology, "\(paths)") }
        return notation(table, nodes: nodes)
    }

    @Test func creation() throws {
        #expect(try created(12, 0, 3) == repeated("U..|.U.|..U", 4))
        #expect(try created(6, 1, 3) == "UU.|U.U|.UU|UU.|U.U|.UU")
        #expect(try created(10, 1, 5) == repeated("UU...|..UU.|U...U|.UU..|...UU", 2))
        #expect(try created(7, 1, 4) == "UU..|..UU|UU..|..UU|UU..|..UU|UU..")
        #expect(try created(9, 2, 4) == "UUU.|UU.U|U.UU|.UUU|UUU.|UU.U|U.UU|.UUU|UUU.")
        #expect(try created(3, 1, 1) == "U|U|U")
        #expect(try created(5, 0, 7) == "U......|.U.....|..U....|...U...|....U..")
        #expect(try created(2, .max, 2) == "UU|UU")
    }

    /// With and without the paths, and whether an operator is warned that copies may be closer than they could be.
    @Test(
        arguments: [
            ("a a b b", 4, 1, false, "U.U.|.U.U|U.U.|.U.U", "UU..|..UU|UU..|..UU"),
            ("a1 a1 a2 a2", 4, 1, false, "U.U.|.U.U|U.U.|.U.U", "UU..|..UU|UU..|..UU"),
            ("a a a a", 4, 1, true, "UU..|..UU|UU..|..UU", "UU..|..UU|UU..|..UU"),
            ("a a b", 3, 1, true, "UU.|U.U|.UU", "UU.|U.U|.UU"),
            (
                "0 0 0 1 1 2 2", 7, 1, false, "U..U...|.U...U.|..U.U..|U.....U|.U.U...|..U..U.|....U.U",
                "UU.....|..UU...|....UU.|U.....U|.UU....|...UU..|.....UU"
            ),
            ("00 01 02 10 11 12", 2, 2, false, "UU.U..|..U.UU", "UUU...|...UUU"),
            // Not of the specification: four copies in three groups are 2, 1 and 1 (limits (2,1) and (1,4)).
            ("a1 a2 b1 b2 c1 c2", 3, 3, false, "UUU.U.|U.UU.U|.U.UUU", "UUUU..|UU..UU|..UUUU"),
            (
                "a a b b c c", 6, 2, false, "U.U.U.|.U.U.U|U.U.U.|.U.U.U|U.U.U.|.U.U.U",
                "UUU...|...UUU|UUU...|...UUU|UUU...|...UUU"
            ),
            (
                "a a a b b b", 6, 2, true, "UUU...|...UUU|UUU...|...UUU|UUU...|...UUU",
                "UUU...|...UUU|UUU...|...UUU|UUU...|...UUU"
            ),
        ] as [(String, Int, Int, Bool, String, String)]
    )
    func topology(
        paths: String,
        partitions: Int,
        replicas: Int,
        isIgnored: Bool,
        expected: String,
        withoutPaths: String
    ) throws {
        let nodes = paths.split(separator: " ").count
        #expect(try created(partitions, replicas, nodes, paths, ignoresTopology: isIgnored) == expected)
        #expect(try created(partitions, replicas, nodes, ignoresTopology: true) == withoutPaths)
    }

    @Test func nothingIsIgnoredWithoutReplicas() throws {
        #expect(try created(3, 0, 3, "a a a", ignoresTopology: false) == "U..|.U.|..U")
    }

    @Test(
        arguments: [
            (0, "U.|U.|U.|U.|U.|U.", Set<Int>(), "U.|FO|U.|FO|U.|FO", "U.|.U|U.|.U|U.|.U"),
            (0, "U..|.U.|U..|.U.|U..|.U.", [], "U..|.U.|F.O|OF.|FO.|.FO", "U..|.U.|..U|U..|.U.|..U"),
            (1, "UU.|UU.|UU.", [], "UU.|UFO|FUO", "UU.|U.U|.UU"),
            (1, "UU..|UU..|UU..|UU..", [], "UU..|FFOO|UU..|FFOO", "UU..|..UU|UU..|..UU"),
            (1, "U.|.U|U.|.U", [], "UO|OU|UO|OU", "UU|UU|UU|UU"),
            (0, "UU.|U.U|.UU", [], "U..|..U|.U.", "U..|..U|.U."),
            (0, "UO|UU", [], "U.|.U", "U.|.U"),
            (0, "U..|U..|U..|U..", [1], "UO.|U.O|UO.|U.O", "UU.|U.U|UU.|U.U"),
            (1, "UU.|U.U|.UU|UU.", [1], "UUO|UOU|.UU|UUO", "UUU|UUU|.UU|UUU"),
            (1, "UC|UU", [], "UC|UU", "UC|UU"),
            (
                2, ".U...|FFO..|FUU..|UUUU.|U...U", [], ".UO.O|UU.O.|UFU.O|.UUU.|U..OU",
                ".UU.U|UU.U.|U.U.U|.UUU.|U..UU"
            ),
        ] as [(Int, String, Set<Int>, String, String)]
    )
    func example(replicas: Int, before: String, excluded: Set<Int>, after: String, replicated: String) throws {
        var tweaked = try table(before, replicas: replicas)
        let nodes = before.split(separator: "|")[0].count
        _ = try tweaked.tweak(over: members(nodes, without: excluded))
        #expect(notation(tweaked, nodes: nodes) == after)
        #expect(try tweaked.tweak(over: members(nodes, without: excluded)).changes == [], "while it is replicated")
        for partition in 0..<tweaked.partitions {
            for cell in tweaked.cells(of: partition) where cell.state == .outOfDate {
                replicate(partition, at: cell.nid, in: &tweaked)
            }
        }
        #expect(notation(tweaked, nodes: nodes) == replicated)
        #expect(try tweaked.tweak(over: members(nodes, without: excluded)).changes == [])
    }

    @Test(
        arguments: [
            (0, "U.|U.|U.|U.|U.|U.", "(1,S2,O) (3,S2,O) (5,S2,O) (1,S1,F) (3,S1,F) (5,S1,F)"),
            (
                2, ".U...|FFO..|FUU..|UUUU.|U...U",
                "(1,S1,U) (2,S1,U) (1,S2,U) (0,S3,O) (1,S4,O) (4,S4,O) (0,S5,O) (2,S5,O) (1,S3,D) (2,S2,F) (3,S1,D)"
            ),
        ]
    )
    func orderOfChanges(replicas: Int, before: String, expected: String) throws {
        var tweaked = try table(before, replicas: replicas)
        let changes = try tweaked.tweak(over: members(before.split(separator: "|")[0].count)).changes
        #expect(changes.map { "(\($0.partition),\($0.nid),\($0.state.letter))" }.joined(separator: " ") == expected)
    }

    @Test func changeOfTopology() throws {
        var tweaked = try table("UU..|..UU|UU..|..UU", replicas: 1)
        _ = try tweaked.tweak(over: members(4, "a a b b"))
        #expect(notation(tweaked, nodes: 4) == "UF.O|.OUF|UF.O|.OUF")
        for (partition, number) in [(0, 4), (1, 2), (2, 4), (3, 2)] as [(Int, Int32)] {
            replicate(partition, at: NID(.storage, number), in: &tweaked)
        }
        #expect(notation(tweaked, nodes: 4) == "U..U|.UU.|U..U|.UU.")
    }

    /// `spec/master.md §11.7`: a node is removed for good.
    @Test func removalOfANode() throws {
        var table = try table("UU.|U.U|.UU|UU.", replicas: 1)
        _ = try table.tweak(over: members(3, without: [1]))
        for (partition, number) in [(0, 3), (1, 2), (3, 3)] as [(Int, Int32)] {
            replicate(partition, at: NID(.storage, number), in: &table)
        }
        #expect(notation(table, nodes: 3) == "UUU|UUU|.UU|UUU")
        _ = table.outdate { $0 != NID(.storage, 1) }
        #expect(notation(table, nodes: 3) == "OUU|OUU|.UU|OUU")
        _ = try table.drop(storages(1))
        #expect(notation(table, nodes: 3) == ".UU|.UU|.UU|.UU")
    }

    @Test func nobodyIsLeft() throws {
        var tweaked = try table("U|U")
        #expect(throws: TopologyError.refused("Can't remove all nodes.")) { try tweaked.tweak(over: []) }
    }
}
