import Foundation
import NEODatabase
import NEOEngine
import NEOProtocol
import TestVectors
import Testing

@testable import NEOStorage

/// Replays what a storage of the reference did.
@Suite struct DifferentialTests {
    /// How late the writer is.
    enum Pace: CaseIterable {
        /// It works after each packet.
        case immediate
        /// It works only if what is expected has not come, one job at a time.
        case asLateAsPossible
    }

    @Test(arguments: Pace.allCases)
    func memory(_ pace: Pace) throws {
        try replay(try MemoryDatabase.open(MemoryDisk(), OpenOptions(clusterName: "differential")), pace)
    }

    @Test(arguments: Pace.allCases)
    func sqlite(_ pace: Pace) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let location = SQLiteLocation(path: folder.appendingPathComponent("differential.sqlite").path)
        let database = try SQLiteDatabase.open(location, OpenOptions(clusterName: "differential"))
        try replay(database, pace)
        try database.writer.close()
    }

    private func replay(_ database: any StorageDatabase, _ pace: Pace) throws {
        let scenario: DifferentialScenario = try Vectors.load("storage-differential.json")
        let host = try StorageHost(database, writer: pace == .immediate ? .immediate : .manual)
        var replay = Replay(host: host)
        for step in scenario.steps { try replay.perform(step) }
        #expect(replay.host.exitStatus == nil)
        #expect(replay.steps == scenario.steps.count)
    }
}

/// One run of a scenario.
private struct Replay {
    var host: StorageHost
    var steps = 0
    private var connections: [String: ConnectionID] = [:]
    /// Step of each request, by connection and id.
    private var requests: [ConnectionID: [UInt32: Int]] = [:]
    /// Requests of the storage, by name.
    private var asked: [String: UInt32] = [:]

    init(host: StorageHost) {
        self.host = host
    }

    mutating func perform(_ step: DifferentialScenario.Step) throws {
        steps += 1
        switch step.action {
        case "accept": connections["M"] = host.masterID
        case "close": if let id = connections[step.connection] { try host.close(id) }
        default:
            if step.action == "connect" { connections[step.connection] = try host.accept() }
            let id = try #require(connections[step.connection])
            let packet = try #require(step.args).packet(try #require(step.name))
            if let request = step.to {
                try host.send(Frame(id: try #require(asked[request]), packet), on: id)
            } else {
                let number = try host.send(packet, on: id)
                requests[id, default: [:]][number] = step.n
            }
        }
        if step.pipelined == true { return }
        let accepted = try ([step.then ?? []] + (step.also_accepted ?? [])).map { try expectation($0) }
        var outcome = outcome()
        while !accepted.contains(outcome), !host.jobs.isEmpty {
            try host.completeJobs(1)
            outcome.merge(self.outcome()) { $0 + $1 }
        }
        #expect(accepted.contains(outcome), "step \(step.n): expected \(accepted), got \(outcome)")
    }

    private func expectation(_ outcomes: [DifferentialScenario.Outcome]) throws -> [String: [String]] {
        var expected: [String: [String]] = [:]
        for outcome in outcomes {
            let line: String
            if outcome.closed == true {
                line = "closed"
            } else {
                let packet = try #require(outcome.args).packet(try #require(outcome.name))
                line = describe(packet, answers: outcome.answers)
            }
            expected[outcome.connection, default: []].append(line)
        }
        return expected
    }

    private mutating func outcome() -> [String: [String]] {
        var outcome: [String: [String]] = [:]
        for (name, id) in connections {
            for event in host.take(id) {
                switch event {
                case .closed: outcome[name, default: []].append("closed")
                case .frame(let frame):
                    var answered: Int?
                    if frame.packet.code.isAnswer {
                        answered = requests[id]?.removeValue(forKey: frame.id)
                    } else {
                        asked[frame.packet.code.name] = frame.id
                    }
                    outcome[name, default: []].append(describe(frame.packet, answers: answered))
                }
            }
        }
        return outcome
    }

    private func describe(_ packet: Packet, answers: Int?) -> String {
        let suffix = answers.map { " to \($0)" } ?? ""
        switch packet {
        case .error(let error): return "Error \(error.code.name)\(suffix)"
        case .requestIdentification(var identification):
            identification.extra = Properties()
            return "\(identification)\(suffix)"
        default: return "\(packet)\(suffix)"
        }
    }
}
