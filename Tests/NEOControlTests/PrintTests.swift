import NEOControl
import NEOProtocol
import Testing

/// The outputs that `spec/tools.md §9.6` shows, character by character.
@Suite struct PrintTests {
    private func run(_ line: String, _ answers: Packet...) throws -> String? {
        let words = line.split(separator: " ").map(String.init)
        return try Command(words: words).run(over: ScriptedConnection(answers))
    }

    /// Rows made of a drawing: one string of cells a node.
    private func rows(_ drawing: [(NID, String)]) -> [[CellRecord]] {
        let count = drawing.first?.1.count ?? 0
        return (0..<count).map { partition in
            drawing.compactMap { nid, cells in
                let letter = Array(cells)[partition]
                return CellState.allCases.first { $0.letter == letter }.map { CellRecord(nid: nid, state: $0) }
            }
        }
    }

    private func storages(_ states: [(Int32, NodeState)]) -> Packet {
        AnswerNodeList(
            nodes: states.map {
                NodeRecord(type: .storage, address: nil, nid: NID(.storage, $0), state: $1, idTimestamp: nil)
            }
        ).packet
    }

    @Test func identifiers() throws {
        let output = try run(
            "print ids",
            AnswerRecovery(ptid: 29, backupTID: nil, truncateTID: nil).packet,
            AnswerLastIDs(lastTID: TID(0x40d_304e_a4b8_af83), lastOID: OID(0x64), firstTID: .zero).packet
        )
        #expect(
            output == """
                last_oid = 0x64
                last_tid = 0x40d304ea4b8af83 (2026-11-22 14:38:38.606584)
                last_ptid = 29
                """
        )
    }

    @Test func identifiersInBackupMode() throws {
        let output = try run(
            "print ids",
            AnswerRecovery(ptid: 1, backupTID: TID(0x40d_304f_e398_5f95), truncateTID: nil).packet,
            AnswerLastTransaction(tid: TID(0x40d_304f_e526_49ad)).packet
        )
        #expect(
            output == """
                backup_tid = 0x40d304fe3985f95 (2026-11-22 14:39:53.342626)
                last_tid = 0x40d304fe52649ad (2026-11-22 14:39:53.706928)
                last_ptid = 1
                """
        )
    }

    @Test func identifiersOfAnEmptyCluster() throws {
        let output = try run(
            "print ids",
            AnswerRecovery(ptid: nil, backupTID: nil, truncateTID: nil).packet,
            AnswerLastIDs(lastTID: .zero, lastOID: .zero, firstTID: .max).packet
        )
        #expect(output == "last_oid = 0x0\nlast_tid = 0x0 (1900-01-01 00:00:00)\nlast_ptid = None")
        let unknown = try run(
            "print ids",
            AnswerRecovery(ptid: nil, backupTID: nil, truncateTID: nil).packet,
            AnswerLastIDs(lastTID: nil, lastOID: nil, firstTID: .max).packet
        )
        #expect(unknown == "last_oid = None\nlast_tid = None\nlast_ptid = None")
    }

    @Test func drawing() throws {
        let output = try run(
            "print pt",
            AnswerPartitionList(
                ptid: 20,
                replicas: 1,
                rows: rows([
                    (NID(1), "U.U.U.U.U.U.UFU.U.UFU.U."),
                    (NID(2), "U.U.U.U.U.UFU.U.UFU.U.UF"),
                    (NID(3), ".U.U.U.U.U.U.U.U.U.U.U.U"),
                    (NID(4), ".U.O.U.U.O.O.O.O.O.O.O.O"),
                ])
            ).packet,
            storages([(4, .running), (1, .running), (2, .running), (3, .down), (5, .pending)])
        )
        #expect(
            output == """
                # ptid: 20, replicas: 1
                             10v       20v
                S1 R U.U.U.U.U.U.UFU.U.UFU.U.
                S2 R U.U.U.U.U.UFU.U.UFU.U.UF
                S3 D .U.U.U.U.U.U.U.U.U.U.U.U
                S4 R .U.O.U.U.O.O.O.O.O.O.O.O
                """
        )
    }

    @Test func drawingOfFewPartitions() throws {
        let table = AnswerPartitionList(ptid: 7, replicas: 2, rows: rows([(NID(1), "UUU"), (NID(10), "OOO")])).packet
        let nodes = storages([(1, .running), (9, .running), (10, .down)])
        // The width is that of the last node, and running nodes without cells are drawn.
        #expect(
            try run("print pt", table, nodes)
                == "# ptid: 7, replicas: 2\nS1  R UUU\nS9  R ...\nS10 D OOO"
        )
        #expect(try run("print pt 0 0 S9", table, nodes) == "# ptid: 7, replicas: 2\nS9 R ...")
    }

    @Test(arguments: [1, 10, 11, 100, 1000])
    func ruler(partitions: Int) throws {
        let table = AnswerPartitionList(
            ptid: 1,
            replicas: 0,
            rows: Array(repeating: [CellRecord(nid: NID(1), state: .upToDate)], count: partitions)
        )
        let lines = try #require(try run("print pt", table.packet, storages([(1, .running)])))
            .split(separator: "\n").map(Array.init)
        #expect(lines.count == (partitions > 10 ? 3 : 2))
        guard partitions > 10 else { return }
        for mark in stride(from: 10, to: partitions, by: 10) {
            // `S1 R ` stands before the cell of partition 0.
            #expect(lines[1][5 + mark] == "v")
            #expect(String(lines[1][..<(5 + mark)]).hasSuffix(String(mark)))
        }
    }

    @Test func noTable() throws {
        let output = try run(
            "print pt",
            AnswerPartitionList(ptid: nil, replicas: 1, rows: [[], []]).packet,
            storages([(1, .pending)])
        )
        #expect(output == "# ptid: None, replicas: 1\n")
    }

    @Test func rowsOfATable() throws {
        let row = [CellRecord(nid: NID(1), state: .upToDate), CellRecord(nid: NID(2), state: .feeding)]
        let answer = AnswerPartitionList(ptid: 29, replicas: 1, rows: [row, [row[1]]]).packet
        #expect(
            try run("print pt 999 1001", answer)
                == "# ptid: 29, replicas: 1\n999 | S1 - UP_TO_DATE | S2 - FEEDING |\n1000 | S2 - FEEDING |"
        )
        #expect(
            try run("print pt 999 1001 S1", answer)
                == "# ptid: 29, replicas: 1\n999 | S1 - UP_TO_DATE | S2 - FEEDING |"
        )
    }

    @Test func nodes() throws {
        func record(_ type: NodeType, _ port: UInt16?, _ number: Int32?, _ state: NodeState, _ time: Double?)
            -> NodeRecord
        {
            NodeRecord(
                type: type,
                address: port.map { NodeAddress(host: "127.0.0.1", port: $0) },
                nid: number.map { NID(type, $0) },
                state: state,
                idTimestamp: time
            )
        }
        let output = try run(
            "print node",
            AnswerNodeList(nodes: [
                record(.admin, 41009, nil, .down, nil),
                record(.storage, nil, 2, .down, 1_795_359_500),
                record(.storage, 41012, 1, .running, 1_795_359_459.302367),
                record(.master, 41000, 1, .running, nil),
                record(.admin, 41109, 1, .running, 1_795_359_459.254033),
            ]).packet
        )
        #expect(
            output == """
                A1   | ADMIN   | 127.0.0.1:41109 | RUNNING | 2026-11-22 14:57:39.254033
                M1   | MASTER  | 127.0.0.1:41000 | RUNNING | None
                S1   | STORAGE | 127.0.0.1:41012 | RUNNING | 2026-11-22 14:57:39.302367
                S2   | STORAGE |                 | DOWN    | 2026-11-22 14:58:20
                None | ADMIN   | 127.0.0.1:41009 | DOWN    | None
                """
        )
        #expect(try run("print node client", AnswerNodeList(nodes: []).packet) == "Empty list!")
    }

    @Test func summary() throws {
        let answer = AnswerMonitorInformation(warning: ["bak"], problem: [nil, "é\"😀"], summary: "RECOVERING\n\nbak")
        #expect(
            try run("print summary", answer.packet)
                == "# {\"warning\": [\"bak\"], \"problem\": [null, \"\\u00e9\\\"\\ud83d\\ude00\"]}\nRECOVERING\n\nbak"
        )
        let fine = AnswerMonitorInformation(warning: [], problem: [], summary: "RUNNING")
        #expect(try run("print summary", fine.packet) == "# {}\nRUNNING")
    }

    @Test func shortAnswers() throws {
        #expect(try run("print cluster", AnswerClusterState(state: .backingUp).packet) == "BACKINGUP")
        #expect(try run("print cluster", AnswerClusterState(state: nil).packet) == "None")
        #expect(try run("print primary whatever", AnswerPrimary(nid: NID(.master, 1)).packet) == "M1")
        let done = ErrorPacket(code: .ack, message: "Cluster state changed").packet
        #expect(try run("start", done) == "Cluster state changed")
        #expect(try run("set replicas 1", ErrorPacket(code: .ack, message: "").packet) == "")
        #expect(try run("truncate tid:5", ErrorPacket(code: .ack, message: "").packet) == nil)
        #expect(try run("tweak", AnswerTweakPartitionTable(changed: false, rows: []).packet) == "No change done.")
        #expect(try run("flush_log", Pong().packet) == nil)
    }

    @Test func withoutCommand() throws {
        let text = try #require(try run(""))
        #expect(text.hasPrefix("Available commands:\n  print\n    ids\n      "))
        #expect(text.contains("TID"))
    }
}
