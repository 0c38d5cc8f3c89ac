import NEOClient
import NEOEngine
import NEOProtocol
import NIOCore

/// Clients that increment both counters of a pair in one transaction, over and over.
///
/// Two counters of a pair lie in different partitions. Whatever happens to the nodes:
/// * the counters of a pair are equal in each snapshot that a client reads;
/// * at the end each is at least the number of increments that were acknowledged, and at most that number plus those
///   whose outcome the client could not know.
public final class CounterPairs {
    public struct Pair: Hashable, Sendable {
        public let first: OID
        public let second: OID
        public fileprivate(set) var acknowledged: UInt64 = 0
        public fileprivate(set) var unknown: UInt64 = 0
    }

    private let world: Simulation
    private let cluster: SimulatedCluster
    public private(set) var pairs: [Pair]
    /// What was found that must never be.
    public private(set) var violations: [String] = []
    public private(set) var commits = 0
    public private(set) var conflicts = 0
    public private(set) var failures = 0
    /// No new transaction begins once it is set.
    public var isStopping = false
    private var lastTransaction: UInt64 = 0

    public init(_ cluster: SimulatedCluster, pairs count: Int) {
        self.cluster = cluster
        world = cluster.world
        pairs = (0..<UInt64(count)).map { number -> Pair in
            Pair(first: OID(2 * number + 1), second: OID(2 * number + 2))
        }
    }

    /// Each client begins to work.
    public func start() {
        for client in cluster.clients { step(client) }
    }

    /// A client that was restarted works again.
    public func restart(_ client: SimulatedClient) {
        client.start()
        step(client)
    }

    // MARK: One increment

    private func step(_ client: SimulatedClient) {
        guard !isStopping else { return }
        let life = client.node.life
        world.schedule(after: world.draw(0...2_000_000)) { [self] in
            guard client.node.life == life else { return }
            let index = Int(world.draw(0...UInt64(pairs.count - 1)))
            Increment(self, client, index).begin()
        }
    }

    /// One transaction of one client, from its begin to its end.
    private final class Increment {
        let workload: CounterPairs
        let client: SimulatedClient
        let index: Int
        let transaction: TransactionID
        var values: [(data: UInt64, serial: TID)] = []

        init(_ workload: CounterPairs, _ client: SimulatedClient, _ index: Int) {
            self.workload = workload
            self.client = client
            self.index = index
            workload.lastTransaction += 1
            transaction = TransactionID(workload.lastTransaction)
        }

        func begin() {
            client.call {
                $0.sync($1, &$2)
            } then: { [self] result in
                guard case .done = result else { return fail() }
                client.call {
                    $0.lastTransaction($1, &$2)
                } then: { [self] result in
                    guard case .lastTransaction(let tid) = result else { return fail() }
                    load([workload.pairs[index].first, workload.pairs[index].second], TID(tid.rawValue &+ 1))
                }
            }
        }

        func load(_ oids: [OID], _ before: TID) {
            guard let oid = oids.first else { return check() }
            client.call {
                $0.load($1, oid, .before(before), &$2)
            } then: { [self] result in
                switch result {
                case .record(let record?):
                    var data = record.data
                    values.append((data.readInteger() ?? 0, record.serial))
                case .record(nil): values.append((0, .zero))
                case .failed(let error) where error.code == .objectNotFound || error.code == .revisionNotFound:
                    values.append((0, .zero))
                default: return fail()
                }
                load(Array(oids.dropFirst()), before)
            }
        }

        func check() {
            if values[0].data != values[1].data {
                workload.violations.append(
                    "\(workload.world.now) \(client.node.name) reads \(values[0]) and \(values[1]) of pair \(index)"
                )
            }
            let empty = ByteBuffer()
            client.call {
                $0.begin($1, self.transaction, user: empty, description: empty, extensionData: empty, &$2)
            } then: { [self] result in
                guard case .began = result else { return fail() }
                store(0)
            }
        }

        func store(_ position: Int) {
            guard position < 2 else { return vote() }
            let pair = workload.pairs[index]
            let record = ByteBuffer(integer: values[position].data + 1)
            let stored = ClientCore.prepare(record, .zlib)
            client.call {
                $0.store(
                    $1,
                    self.transaction,
                    position == 0 ? pair.first : pair.second,
                    base: self.values[position].serial,
                    record: record,
                    stored: stored,
                    &$2
                )
            } then: { [self] result in
                switch result {
                case .stored(let conflicts) where conflicts.isEmpty: store(position + 1)
                case .stored: conflict()
                default: fail()
                }
            }
        }

        func vote() {
            client.call {
                $0.vote($1, self.transaction, &$2)
            } then: { [self] result in
                switch result {
                case .voted: finish()
                case .conflicts: conflict()
                case .failed(let error) where error.code == .conflict: conflict()
                default: fail()
                }
            }
        }

        func finish() {
            // Until an answer comes the outcome is unknown, and it stays so if the client dies.
            workload.pairs[index].unknown += 1
            client.call {
                $0.finish($1, self.transaction, &$2)
            } then: { [self] result in
                switch result {
                case .finished:
                    workload.pairs[index].unknown -= 1
                    workload.pairs[index].acknowledged += 1
                    workload.commits += 1
                    workload.step(client)
                case .failed(let error) where error.code == .outcomeUnknown: fail()
                default:
                    workload.pairs[index].unknown -= 1
                    fail()
                }
            }
        }

        func conflict() {
            workload.conflicts += 1
            abort()
        }

        func fail() {
            workload.failures += 1
            abort()
        }

        private func abort() {
            client.tell { $0.abort(self.transaction, &$1) }
            workload.step(client)
        }
    }

    // MARK: Check

    /// Reads every pair with a client; `completion` is called once all were compared.
    public func verify(with client: SimulatedClient, completion: @escaping () -> Void) {
        verify(client, 0, completion)
    }

    private func verify(_ client: SimulatedClient, _ index: Int, _ completion: @escaping () -> Void) {
        guard index < pairs.count else { return completion() }
        let pair = pairs[index]
        let retry = { [self] in
            world.schedule(after: 1_000_000_000) { [self] in verify(client, index, completion) }
        }
        client.call {
            $0.sync($1, &$2)
        } then: { [self] result in
            guard case .done = result else { return retry() }
            read(client, pair.first) { [self] first in
                guard let first else { return retry() }
                read(client, pair.second) { [self] second in
                    guard let second else { return retry() }
                    let range = pair.acknowledged...pair.acknowledged + pair.unknown
                    if first != second || !range.contains(first) {
                        violations.append("pair \(index) is \(first), \(second) at the end; expected \(range)")
                    }
                    verify(client, index + 1, completion)
                }
            }
        }
    }

    private func read(_ client: SimulatedClient, _ oid: OID, then handler: @escaping (UInt64?) -> Void) {
        client.call {
            $0.load($1, oid, .current, &$2)
        } then: { result in
            switch result {
            case .record(let record?):
                var data = record.data
                handler(data.readInteger() ?? 0)
            case .failed(let error) where error.code == .objectNotFound: handler(0)
            default: handler(nil)
            }
        }
    }
}
