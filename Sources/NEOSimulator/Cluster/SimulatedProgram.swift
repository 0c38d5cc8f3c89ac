import NEOClient
import NEOEngine
import NEOProtocol
import NIOCore

/// A program that works with one client, a step of a workload after the other, and writes all down in the ledger.
///
/// ```
///   sync ─▶ last TID ─▶ loads ─▶ begin ─▶ stores ─▶ vote ─▶ finish ─▶ next step
///                                  └──────┴──────────┴── conflict, failure ─▶ abort ─▶ next step
/// ```
final class SimulatedProgram {
    let client: SimulatedClient
    private unowned let history: SimulatedHistory
    private var world: Simulation { client.node.world }
    private var lastTransaction: UInt64 = 0

    init(_ client: SimulatedClient, _ history: SimulatedHistory) {
        self.client = client
        self.history = history
    }

    /// Works until the history stops, or the client dies.
    func work() {
        guard !history.isStopping else { return }
        let life = client.node.life
        world.schedule(after: world.draw(history.thinkingTime)) { [self] in
            guard client.node.life == life, !history.isStopping, let workload = history.workload() else { return }
            let step = workload.nextStep(&world.random)
            // Most programs want to see what was committed; the others read an older state, that existed.
            run(step, of: workload, isSynced: !world.happens(onceIn: 8)) { [self] _ in work() }
        }
    }

    /// - Parameter completion: told whether the step is committed, or read all if it does not write.
    func run(_ step: Step, of workload: any Workload, isSynced: Bool = true, completion: @escaping (Bool) -> Void) {
        Run(self, step, workload, completion).begin(isSynced: isSynced)
    }

    private struct Change {
        var oid: OID
        var record: ByteBuffer
        /// The revision that has this record already.
        var dataTID: TID?
    }

    /// One transaction.
    private final class Run {
        private let program: SimulatedProgram
        private let step: Step
        private let workload: any Workload
        private let completion: (Bool) -> Void
        private let id: TransactionID
        private var number: UInt64?
        private var serials: [OID: TID] = [:]
        private var snapshot = Snapshot()
        private var changes: [Change] = []

        private var client: SimulatedClient { program.client }
        private var history: SimulatedHistory { program.history }

        init(
            _ program: SimulatedProgram,
            _ step: Step,
            _ workload: any Workload,
            _ completion: @escaping (Bool) -> Void
        ) {
            self.program = program
            self.step = step
            self.workload = workload
            self.completion = completion
            program.lastTransaction += 1
            id = TransactionID(program.lastTransaction)
        }

        // MARK: Reads

        func begin(isSynced: Bool) {
            // A primary master that was replaced and does not know it yet answers with what it knows.
            let time = history.hasOneLeader ? program.world.now : nil
            guard isSynced else { return askLastTransaction(synced: nil) }
            client.call {
                $0.sync($1, &$2)
            } then: { [self] result in
                guard case .done = result else { return fail() }
                askLastTransaction(synced: history.hasOneLeader ? time : nil)
            }
        }

        private func askLastTransaction(synced: UInt64?) {
            client.call {
                $0.lastTransaction($1, &$2)
            } then: { [self] result in
                guard case .lastTransaction(let tid) = result else { return fail() }
                load(step.reads[...], Ledger.Observation(client: client.node.name, synced: synced, tid: tid))
            }
        }

        private func load(_ oids: ArraySlice<OID>, _ observation: Ledger.Observation) {
            guard let oid = oids.first else { return loaded(observation) }
            client.call {
                $0.load($1, oid, .before(TID(observation.tid.rawValue &+ 1)), &$2)
            } then: { [self] result in
                var observation = observation
                switch result {
                case .record(let record?):
                    serials[oid] = record.serial
                    snapshot.values[oid] = Ledger.payload(of: record.data)
                    observation.reads.append((oid, record.serial, record.data))
                case .record(nil): observation.reads.append((oid, .zero, nil))
                case .failed(let error) where error.code == .objectNotFound || error.code == .revisionNotFound:
                    observation.reads.append((oid, .zero, nil))
                default: return fail()
                }
                load(oids.dropFirst(), observation)
            }
        }

        private func loaded(_ observation: Ledger.Observation) {
            history.ledger.observations.append(observation)
            // A pack may have removed what was there at that time.
            if observation.tid >= history.ledger.packed, let complaint = workload.examine(snapshot) {
                history.report("\(client.node.name) reads as of \(observation.tid): \(workload.name): \(complaint)")
            }
            switch step.kind {
            case .change: break
            case .undo: return loadPrevious(step.reads[...])
            case .pack:
                guard observation.tid > .zero else { return completion(true) }
                let number = history.ledger.open(by: client.node.name)
                history.ledger[number].pack = observation.tid
                return begin(number)
            }
            let values = step.change(snapshot)
            guard !values.isEmpty else { return completion(true) }
            let number = history.ledger.open(by: client.node.name)
            changes = values.sorted { $0.key < $1.key }.map { oid, value in
                Change(oid: oid, record: Ledger.record(number, value))
            }
            begin(number)
        }

        /// What was there before the revisions that were read: an undo stores it again.
        private func loadPrevious(_ oids: ArraySlice<OID>) {
            guard let oid = oids.first else { return begin(history.ledger.open(by: client.node.name)) }
            guard let serial = serials[oid] else { return completion(true) }
            client.call {
                $0.load($1, oid, .before(serial), &$2)
            } then: { [self] result in
                // The creation of an object is not undone.
                guard case .record(let record) = result else { return fail() }
                guard let record else { return completion(true) }
                changes.append(Change(oid: oid, record: record.data, dataTID: record.serial))
                loadPrevious(oids.dropFirst())
            }
        }

        // MARK: Commit

        private func begin(_ number: UInt64) {
            self.number = number
            history.ledger[number].writes = changes.map { ($0.oid, $0.record) }
            let empty = ByteBuffer()
            client.call {
                $0.begin(
                    $1,
                    self.id,
                    user: empty,
                    description: Ledger.description(number),
                    extensionData: empty,
                    &$2
                )
            } then: { [self] result in
                guard case .began(let ttid) = result else { return fail() }
                history.ledger[number].ttid = ttid
                if let tid = history.ledger[number].pack { orderPack(tid) } else { store(changes[...]) }
            }
        }

        private func orderPack(_ tid: TID) {
            client.call { core, operation, _ in
                core.setPackOrder(operation, self.id, PackRequest(oids: nil, tid: tid))
            } then: { [self] result in
                if case .done = result { vote() } else { fail() }
            }
        }

        private func store(_ rest: ArraySlice<Change>) {
            guard let change = rest.first else { return vote() }
            let stored = ClientCore.prepare(change.record, .zlib)
            client.call {
                $0.store(
                    $1,
                    self.id,
                    change.oid,
                    base: self.serials[change.oid] ?? .zero,
                    record: change.record,
                    stored: stored,
                    dataTID: change.dataTID,
                    &$2
                )
            } then: { [self] result in
                switch result {
                case .stored(let conflicts) where conflicts.isEmpty: store(rest.dropFirst())
                case .stored: conflict()
                default: fail()
                }
            }
        }

        private func vote() {
            client.call {
                $0.vote($1, self.id, &$2)
            } then: { [self] result in
                switch result {
                case .voted: finish()
                case .conflicts: conflict()
                case .failed(let error) where error.code == .conflict: conflict()
                default: fail()
                }
            }
        }

        private func finish() {
            guard let number else { return }
            history.ledger[number].requested = program.world.now
            client.call {
                $0.finish($1, self.id, &$2)
            } then: { [self] result in
                switch result {
                case .finished(let tid):
                    end(.committed(tid))
                    completion(true)
                case .failed(let error) where error.code == .outcomeUnknown:
                    end(.unknown)
                    history.ledger.failures += 1
                    completion(false)
                default: fail()
                }
            }
        }

        private func end(_ outcome: Ledger.Attempt.Outcome) {
            guard let number else { return }
            history.ledger[number].ended = program.world.now
            history.ledger[number].outcome = outcome
        }

        private func conflict() {
            history.ledger.conflicts += 1
            abort()
        }

        private func fail() {
            history.ledger.failures += 1
            abort()
        }

        private func abort() {
            end(.aborted)
            client.tell { $0.abort(self.id, &$1) }
            completion(false)
        }
    }
}
