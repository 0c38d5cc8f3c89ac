import NEOControl
import NEOProtocol
import OrderedCollections
import Testing

@Suite struct CommandTests {
    private func command(_ line: String) throws -> Command {
        try Command(words: line.split(separator: " ").map(String.init))
    }

    private func failure(_ body: () throws -> Any?) -> String? {
        do {
            _ = try body()
            return nil
        } catch {
            return (error as? ControlFailure)?.message
        }
    }

    @Test func arguments() throws {
        #expect(try command("set cluster starting_backup") == .setCluster(.startingBackup))
        #expect(try command("print node Storage") == .printNodes(.storage))
        #expect(try command("print pt 3 7 S2") == .printPartitionTable(min: 3, max: 7, nid: NID(2)))
        #expect(try command("tweak -n S1 S2") == .tweak(dryRun: true, excluded: [NID(1), NID(2)]))
        #expect(try command("prune_orphan 1 all") == .pruneOrphan(.all, dryRun: true))
        #expect(try command("truncate TID:0x10") == .truncate(TID(16)))
        #expect(try command("truncate tid:0b11") == .truncate(TID(3)))
        // 1970-01-01, not the TID 0.
        #expect(try command("truncate 0") == .truncate(try #require(TID(unixTime: 0))))
    }

    @Test func checks() throws {
        #expect(try command("check") == .check(.partitions([:]), min: .zero, max: nil))
        #expect(try command("check :") == .check(.all(reference: nil), min: .zero, max: nil))
        #expect(
            try command("check 0:S1 3: tid:0x10 tid:0x20 ignored")
                == .check(.partitions([0: NID(1), 3: nil]), min: TID(16), max: TID(32))
        )
        #expect(failure { try command("check 0: :S1") } != nil)
    }

    @Test(arguments: [
        "pri cluster", "PRINT cluster", "print clusters", "frobnicate", "set state RUNNING",
    ])
    func unknownCommand(line: String) {
        #expect(failure { try command(line) } == "invalid command: \(line)")
    }

    @Test(arguments: [
        "print", "set", "set cluster", "set cluster UP", "set replicas", "set replicas x", "add", "add s1", "add M",
        "kill", "kill S1 S2", "drop S0", "truncate", "truncate nan", "truncate tid:-1",
        "truncate tid:0x1ffffffffffffffff",
        "print pt -1", "print pt a", "print node disk", "prune_orphan 2 all", "prune_orphan 0", "print cluster now",
        "print pt 0 0 S1 more",
    ])
    func wrongArguments(line: String) {
        let message = failure { try command(line) }
        #expect(message != nil)
        #expect(message?.contains("\n") == false)
    }

    @Test func negativeReplicas() {
        #expect(failure { try command("set replicas -1") } == "invalid number of replicas")
    }

    @Test func errors() throws {
        func run(_ line: String, _ answer: Packet) -> String? {
            failure { try command(line).run(over: ScriptedConnection([answer])) }
        }
        #expect(run("kill S9", ErrorPacket(code: .denied, message: "unknown node").packet) == "unknown node")
        #expect(run("print ids", ErrorPacket(code: .notReady, message: "no master").packet) == "ERROR: no master")
        #expect(run("print pt 5", ErrorPacket(code: .protocolError, message: "offset").packet) == "ERROR: offset")
        #expect(run("print ids", Pong().packet)?.hasPrefix("ERROR: unexpected answer") == true)
        #expect(
            failure { try command("print ids").run(over: ScriptedConnection([])) } == "ERROR: Connection closed"
        )
    }

    @Test func identifiersGrowFromZero() throws {
        let connection = ScriptedConnection([
            AnswerRecovery(ptid: 1, backupTID: nil, truncateTID: nil).packet,
            AnswerLastIDs(lastTID: nil, lastOID: nil, firstTID: .max).packet,
        ])
        _ = try command("print ids").run(over: connection)
        #expect(connection.sent == [Frame(id: 0, AskRecovery().packet), Frame(id: 1, AskLastIDs().packet)])
    }

    @Test func storagesAreListedForAll() throws {
        let connection = ScriptedConnection([
            AnswerNodeList(
                nodes: [2, 1].map {
                    NodeRecord(type: .storage, address: nil, nid: NID($0), state: .pending, idTimestamp: nil)
                }
            ).packet,
            ErrorPacket(code: .ack, message: "Nodes added: S1, S2").packet,
        ])
        #expect(try command("add all").run(over: connection) == "Nodes added: S1, S2")
        #expect(connection.sent.last?.packet == AddPendingNodes(nids: [NID(1), NID(2)]).packet)
    }

    /// A master of the reference dies of an unknown partition or node.
    @Test func replicasToCheckMustExist() throws {
        let table = AnswerPartitionList(ptid: 1, replicas: 0, rows: [[CellRecord(nid: NID(1), state: .upToDate)]])
        for line in ["check 1:", "check 0:S2", "check :S2"] {
            let connection = ScriptedConnection([table.packet])
            #expect(failure { try command(line).run(over: connection) } != nil)
            #expect(connection.sent.count == 1)
        }
        let connection = ScriptedConnection([table.packet, ErrorPacket(code: .ack, message: "").packet])
        #expect(try command("check :S1 tid:1").run(over: connection) == nil)
        #expect(connection.sent.last?.packet == CheckReplicas(partitions: [0: NID(1)], min: TID(1), max: nil).packet)
    }
}
