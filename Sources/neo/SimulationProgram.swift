import Glibc
import NEOSimulator

/// `neo sim`: histories of simulated clusters, from seeds.
enum SimulationProgram {
    static let usage = """
        usage: neo sim [--seed N | --seeds A..B] [--minutes N] [--masters N] [--storages N] [--replicas N] [--clients N]
                       [--seconds N] [--no-faults] [--packs] [--orders | --no-orders] [--trial NAME]... [--defect NAME]
                       [--trace]

        Run clusters of real nodes in one thread, under virtual time, with faults of networks, disks, clocks and machines,
        and check that nothing acknowledged is lost, that copies are equal and that all reads were right. Whatever is not
        given is drawn from the seed. The same seed gives the same history.

        options:
          --seed N      one history (default: 1)
          --seeds A..B  these histories, both ends included
          --minutes N   begin no history after so many minutes
          --masters N   number of masters
          --storages N  number of storages
          --replicas N  copies of each partition besides the first one
          --clients N   number of clients
          --seconds N   virtual seconds under faults (default: 10)
          --no-faults   only delays
          --packs       order packs in any case
          --orders      an operator gives orders of all kinds in any case; --no-orders: in none
          --trial NAME  also do this, with an operator: \(Trial.allCases.map(\.rawValue).joined(separator: ", "))
          --defect NAME make a mistake, to see that it is noticed: \(Defect.allCases.map(\.rawValue).joined(separator: ", "))
          --trace       print every event
        """

    /// - Returns: the exit status: 1 if a history violated what must hold.
    static func run(_ arguments: [String]) -> Int32 {
        guard let options = Options(arguments) else {
            Console.error(usage)
            return arguments.contains("--help") || arguments.contains("-h") ? 0 : 2
        }
        let begin = ContinuousClock.now
        var total = Totals()
        for seed in options.seeds {
            if let minutes = options.minutes, begin.duration(to: .now) > .seconds(60 * minutes) { break }
            let report = SimulatedHistory(options.settings(seed)).run()
            for line in report.lines { Console.print(line) }
            Console.print("\(report)")
            for violation in report.violations { Console.print("  violation: \(violation)") }
            total.add(report)
            if !report.violations.isEmpty {
                Console.print("  replay: neo sim --seed \(seed)\(options.replayArguments) --trace")
            }
        }
        if options.seeds.count > 1 { Console.print(total.description(elapsed: begin.duration(to: .now))) }
        return total.failed.isEmpty ? 0 : 1
    }

    private struct Totals {
        var histories = 0
        var commits = 0
        var takeOvers = 0
        var promotions = 0
        var virtualNanoseconds: UInt64 = 0
        var faults: [Fault: Int] = [:]
        var orders: [Order: Int] = [:]
        var lostDisks = 0
        var givenUp = 0
        var failed: [UInt64] = []

        mutating func add(_ report: SimulatedHistory.Report) {
            histories += 1
            commits += report.commits
            takeOvers += report.takeOvers
            promotions += report.promotions
            virtualNanoseconds += report.duration
            lostDisks += report.lostDisks
            givenUp += report.isGivenUp ? 1 : 0
            faults.merge(report.faults, uniquingKeysWith: +)
            orders.merge(report.orders, uniquingKeysWith: +)
            if !report.violations.isEmpty { failed.append(report.seed) }
        }

        func description(elapsed: Duration) -> String {
            let kinds = Fault.allCases.compactMap { kind in faults[kind].map { "\($0) \(kind.rawValue)" } }
            let orders = Order.allCases.compactMap { order in self.orders[order].map { "\($0) \(order.rawValue)" } }
            let trials =
                (lostDisks > 0 ? "\ndisks lost: \(lostDisks)" : "")
                + (givenUp > 0 ? "\nnot examined, as an operator gave up data: \(givenUp) histories" : "")
            let names = failed.map(String.init).joined(separator: " ")
            return """
                \(histories) histories, \(virtualNanoseconds / 3_600_000_000_000) virtual hours in \
                \(elapsed.components.seconds) s, \(commits) commits, \(takeOvers) take-overs, \(promotions) cells replicated
                faults: \(kinds.joined(separator: ", "))
                orders: \(orders.isEmpty ? "none" : orders.joined(separator: ", "))\(trials)
                \(failed.isEmpty ? "no violation" : "\(failed.count) histories with violations: \(names)")
                """
        }
    }

    private struct Options {
        var seeds: ClosedRange<UInt64> = 1...1
        var minutes: Int?
        var masters: Int?
        var storages: Int?
        var replicas: Int?
        var clients: Int?
        var seconds: UInt64?
        var hasFaults = true
        var hasPacks = false
        /// Nil: as the seed has it.
        var hasOrders: Bool?
        var trials: Set<Trial> = []
        var defect: Defect?
        var isTraced = false

        func settings(_ seed: UInt64) -> SimulatedHistory.Settings {
            var settings = SimulatedHistory.Settings(seed: seed)
            if let masters { settings.layout.masters = masters }
            if let storages {
                settings.layout.storages = storages
                settings.layout.spares = min(settings.layout.spares, storages - 1)
            }
            if let replicas { settings.layout.replicas = replicas }
            if let clients { settings.layout.clients = clients }
            if let seconds { settings.duration = seconds * 1_000_000_000 }
            if !hasFaults { settings.faults = .none }
            if hasPacks, !settings.workloads.contains(.packs) { settings.workloads.append(.packs) }
            if let hasOrders { settings.orders = hasOrders ? .all : OrderPlan() }
            settings.trials = trials
            settings.defect = defect
            settings.keepsText = isTraced
            return settings
        }

        /// What makes the same history from a seed.
        var replayArguments: String {
            var arguments = ""
            if let masters { arguments += " --masters \(masters)" }
            if let storages { arguments += " --storages \(storages)" }
            if let replicas { arguments += " --replicas \(replicas)" }
            if let clients { arguments += " --clients \(clients)" }
            if let seconds { arguments += " --seconds \(seconds)" }
            if !hasFaults { arguments += " --no-faults" }
            if hasPacks { arguments += " --packs" }
            if let hasOrders { arguments += hasOrders ? " --orders" : " --no-orders" }
            for trial in Trial.allCases where trials.contains(trial) { arguments += " --trial \(trial.rawValue)" }
            if let defect { arguments += " --defect \(defect.rawValue)" }
            return arguments
        }

        init?(_ arguments: [String]) {
            var rest = arguments[...]
            while let option = rest.popFirst() {
                if option == "--trace" {
                    isTraced = true
                    continue
                }
                if option == "--no-faults" {
                    hasFaults = false
                    continue
                }
                if option == "--orders" || option == "--no-orders" {
                    hasOrders = option == "--orders"
                    continue
                }
                if option == "--packs" {
                    hasPacks = true
                    continue
                }
                guard let value = rest.popFirst() else { return nil }
                if option == "--defect" {
                    guard let known = Defect(rawValue: value) else { return nil }
                    defect = known
                    continue
                }
                if option == "--trial" {
                    guard let known = Trial(rawValue: value) else { return nil }
                    trials.insert(known)
                    continue
                }
                if option == "--seeds" {
                    let ends = value.split(separator: ".", omittingEmptySubsequences: true).map { UInt64($0) }
                    guard ends.count == 2, let first = ends[0], let last = ends[1], first <= last else { return nil }
                    seeds = first...last
                    continue
                }
                guard let number = UInt64(value), number <= 1_000_000 || option == "--seed" else { return nil }
                switch option {
                case "--seed": seeds = number...number
                case "--minutes": minutes = Int(number)
                case "--seconds": seconds = number
                case "--masters" where (1...100).contains(number): masters = Int(number)
                case "--storages" where (1...100).contains(number): storages = Int(number)
                case "--replicas" where number < 100: replicas = Int(number)
                case "--clients" where (1...100).contains(number): clients = Int(number)
                default: return nil
                }
            }
        }
    }
}
