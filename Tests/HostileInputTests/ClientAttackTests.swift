import NEOClient
import NEOEngine
import NEOProtocol
import NIOCore
import OrderedCollections
import TestVectors
import Testing

/// No packet of a master or of a storage traps a client: it lives in the process of the program.
@Suite struct ClientAttackTests {
    struct Program {
        var world: HostileWorld<ClientCore>
        var lastOperation: UInt64 = 0
        var completed: Set<OperationID> = []

        /// The program calls the client in any way.
        mutating func call() {
            lastOperation += 1
            let operation = OperationID(lastOperation)
            let transaction = TransactionID(.random(in: 0..<3, using: &world.random))
            let oid = OID(.random(in: 0..<4, using: &world.random))
            let tid = TID([0, 1, 100, 101].randomElement(using: &world.random) ?? 0)
            let record = ByteBuffer(string: "record \(oid)")
            let choice = Int.random(in: 0..<18, using: &world.random)
            world.run { core, context in
                switch choice {
                case 0, 1:
                    core.begin(
                        operation,
                        transaction,
                        user: record,
                        description: record,
                        extensionData: ByteBuffer(),
                        &context
                    )
                case 2, 3, 4, 5:
                    core.store(
                        operation,
                        transaction,
                        oid,
                        base: tid,
                        record: record,
                        stored: ClientCore.prepare(record, .off),
                        &context
                    )
                case 6: core.checkCurrentSerial(operation, transaction, oid, tid, &context)
                case 7, 8: core.vote(operation, transaction, &context)
                case 9: core.finish(operation, transaction, &context)
                case 10: core.abort(transaction, &context)
                case 11:
                    let requests: [ReadRequest] = [
                        .history(AskObjectHistory(oid: oid, first: 0, last: 10)),
                        .tidsFrom(AskTIDsFrom(min: .zero, max: .max, length: 10, partition: 0)),
                        .oidsFrom(AskOIDsFrom(partition: 0, length: 10, min: .zero, tid: .max)),
                    ]
                    core.read(operation, requests, &context)
                case 12:
                    let request = AskObjectUndoSerial(ttid: tid, limit: tid, undone: tid, oids: [oid])
                    core.read(operation, [.undoSerials(request)], seeing: transaction, &context)
                case 13: core.drain(operation, transaction, &context)
                case 14: core.newOID(operation, &context)
                case 15: core.packOrders(operation, from: .zero, &context)
                case 16:
                    core.read(operation, [.transaction(AskTransactionInformation(tid: tid))], &context)
                default: core.load(operation, oid, .current, &context)
                }
            }
        }

        /// Takes the results. No operation ends twice.
        mutating func settle() {
            for completion in world.core.takeCompletions() {
                #expect(completed.insert(completion.operation).inserted)
            }
            while world.core.nextDelivery != nil { world.run { core, context in core.delivered(&context) } }
        }
    }

    static func program(upTo stage: Int, seed: UInt64) -> Program {
        let configuration = ClientConfiguration(
            masters: [NodeAddress(host: "127.0.0.1", port: 1)],
            cluster: "test",
            cacheBytes: 1 << 16
        )
        var program = Program(world: HostileWorld(ClientCore(configuration: configuration), seed: seed))
        program.call()
        program.settle()
        guard stage > 0, let master = program.world.outgoing else { return program }
        program.world.open(master)
        guard stage > 1 else { return program }
        let own = NID(.client, 1)
        program.world.answer(AcceptIdentification(type: .master, nid: NID(.master, 1), yourNID: own).packet, on: master)
        let storages = [Int32(1), 2].map {
            NodeRecord(
                type: .storage,
                address: NodeAddress(host: "127.0.0.1", port: 10 + UInt16($0)),
                nid: NID(.storage, $0),
                state: .running,
                idTimestamp: nil
            )
        }
        let record = NodeRecord(type: .client, address: nil, nid: own, state: .running, idTimestamp: 1)
        program.world.send(NotifyNodeInformation(timestamp: 1, nodes: [record] + storages).packet, on: master)
        let row = [
            CellRecord(nid: NID(.storage, 1), state: .upToDate), CellRecord(nid: NID(.storage, 2), state: .upToDate),
        ]
        program.world.send(SendPartitionTable(ptid: 1, replicas: 1, rows: [row, row]).packet, on: master)
        program.world.answer(AnswerLastTransaction(tid: TID(100)).packet, on: master)
        guard stage > 2 else { return program }
        for _ in 0..<12 {
            program.call()
            program.settle()
            for peer in program.world.peers where peer.isConnecting { program.world.open(peer.id) }
            program.world.answer(AnswerBeginTransaction(ttid: TID(200)).packet, on: master)
            for number in [Int32(1), 2] {
                program.world.answer(
                    AcceptIdentification(type: .storage, nid: NID(.storage, number), yourNID: own).packet
                )
            }
            program.settle()
        }
        return program
    }

    @Test(arguments: 0...3) func survives(_ stage: Int) throws {
        try Campaign.run("client, stage \(stage)") { seed, forge, lessons in
            var program = Self.program(upTo: stage, seed: seed)
            for (_, frame) in program.world.sent { forge.learn(frame) }
            var events = 0
            while events < 150 {
                if Int.random(in: 0..<4, using: &program.world.random) == 0 { program.call() }
                program.world.attack(&forge, &lessons)
                program.settle()
                events += 1
            }
            #expect(program.world.mostEffects < 10_000, "seed \(seed)")
            return events
        }
    }
}
