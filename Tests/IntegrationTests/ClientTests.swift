import Foundation
import NEOClient
import NEOProtocol
import NIOCore
import Synchronization
import Testing

/// A program in Swift: threads that use two clients in every way at once, on a cluster of real processes.
///
/// `swift test --sanitize=thread --filter ClientTests` looks for races of the client, and of the nodes, which are built the
/// same way.
@Suite struct ClientTests {
    /// How often each thread of a round does its work.
    private static let count = 60

    private func client(_ cluster: TestCluster, cacheBytes: Int) throws -> Client {
        let master = NodeAddress(host: "127.0.0.1", port: cluster.masterPort)
        return try Client(ClientConfiguration(masters: [master], cluster: cluster.name, cacheBytes: cacheBytes))
    }

    /// Runs all of them, each in a thread.
    private func run(_ bodies: [@Sendable () throws -> Void]) throws {
        let group = DispatchGroup()
        let failures = Mutex<[any Error]>([])
        for body in bodies {
            group.enter()
            Thread {
                do { try body() } catch { failures.withLock { $0.append(error) } }
                group.leave()
            }.start()
        }
        group.wait()
        if let failure = failures.withLock({ $0.first }) { throw failure }
    }

    /// Tries again what the cluster could not do; gives up what nobody knows the outcome of.
    @Sendable private static func again(_ body: () throws -> Void) throws {
        while true {
            do {
                return try body()
            } catch let error as ClientError where error.isTransient {
                usleep(10_000)
            }
        }
    }

    @Sendable private static func commit(
        _ client: Client,
        _ change: (Client.Transaction) throws -> [Conflict]
    ) throws {
        let transaction = try client.begin(description: ByteBuffer(string: "test"))
        do {
            var conflicts = try change(transaction)
            repeat {
                while let conflict = conflicts.popLast() {
                    let serials = [conflict.serial, conflict.base]
                    let values = try serials.map { try value(client.load(conflict.oid, .at($0))?.data) }
                    let merged = try value(conflict.data) + values[0] - values[1]
                    conflicts += try transaction.resolve(conflict.oid, ByteBuffer(string: "\(merged)"))
                }
                conflicts = try transaction.vote()
            } while !conflicts.isEmpty
            _ = try transaction.finish()
        } catch {
            transaction.abort()
            throw error
        }
    }

    struct NotANumber: Error {}

    @Sendable private static func value(_ data: ByteBuffer?) throws -> Int {
        guard let data, let number = Int(String(buffer: data)) else { throw NotANumber() }
        return number
    }

    /// Adds 1 to a counter.
    @Sendable private static func increment(_ client: Client, _ oid: OID) throws {
        guard let record = try client.load(oid) else { throw NotANumber() }
        let next = ByteBuffer(string: "\(try value(record.data) + 1)")
        try commit(client) { try $0.store(oid, base: record.serial, next) }
    }

    @Test func threads() async throws {
        let cluster = try TestCluster()
        try await cluster.startAll(storages: 2)
        _ = try await cluster.control("start")
        try await cluster.waitForState("RUNNING")
        let clients = [try client(cluster, cacheBytes: 1 << 20), try client(cluster, cacheBytes: 10_000)]
        let counter = try clients[0].newOID()
        let pair = [try clients[0].newOID(), try clients[0].newOID()]
        for oid in [counter] + pair {
            try Self.commit(clients[0]) { try $0.store(oid, base: .zero, ByteBuffer(string: "0")) }
        }
        let unknown = Atomic<Int>(0)

        let works: [@Sendable (Client) throws -> Void] = [
            { client in
                do {
                    try Self.increment(client, counter)
                } catch let error as ClientError where error.code == .outcomeUnknown {
                    unknown.add(1, ordering: .relaxed)
                }
            },
            { client in
                // Two objects that change together are never seen apart.
                let tid = TID(try client.lastTransaction().rawValue + 1)
                let values = try pair.map { try Self.value(client.load($0, .before(tid))?.data) }
                #expect(values[0] == values[1])
            },
            { client in
                // Whoever loses waits for the next value.
                let tid = TID(try client.lastTransaction().rawValue + 1)
                let records = try pair.compactMap { try client.load($0, .before(tid)) }
                do {
                    try Self.commit(client) { transaction in
                        var conflicts: [Conflict] = []
                        for (oid, record) in zip(pair, records) {
                            let next = ByteBuffer(string: "\(try Self.value(record.data) + 1)")
                            conflicts += try transaction.store(oid, base: record.serial, next)
                        }
                        return conflicts
                    }
                } catch let error as ClientError where error.code == .outcomeUnknown {}
            },
            { client in
                try client.sync()
                try client.clearCache()
                try client.prefetch(pair + [counter], before: TID(try client.lastTransaction().rawValue + 1))
                let transaction = try client.begin()
                _ = try transaction.store(try client.newOID(), base: .zero, ByteBuffer(string: "0"))
                transaction.abort()
                _ = try client.cacheStatistics()
                _ = try client.knownNodes(.storage)
            },
        ]
        let all = clients.flatMap { client in works.map { work in (client, work) } }
        let bodies: [@Sendable () throws -> Void] = all.map { client, work in
            { for _ in 0..<Self.count { try Self.again { try work(client) } } }
        }
        try run(bodies)
        #expect(try Self.value(clients[0].load(counter)?.data) == clients.count * Self.count)

        // The same while the master is lost.
        let working = Task.detached { try run(bodies) }
        try await Task.sleep(nanoseconds: 200_000_000)
        cluster.master?.send(SIGKILL)
        try await Task.sleep(nanoseconds: 200_000_000)
        try cluster.startMaster()
        try await working.value
        try Self.again { try clients[0].sync() }
        let total = try Self.value(clients[0].load(counter)?.data)
        let least = 2 * clients.count * Self.count
        #expect((least - unknown.load(ordering: .relaxed)...least).contains(total))
        try run(clients.map { client in { client.close() } })
        #expect(throws: ClientError.self) { try clients[0].sync() }
        try await cluster.stop()
    }
}
