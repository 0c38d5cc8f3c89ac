import Glibc
import NEOSimulator

/// `neo sim`: histories of simulated clusters, from seeds.
enum SimulationProgram {
    static let usage = """
        usage: neo sim [--seed N | --seeds A..B] [--storages N] [--replicas N] [--clients N] [--seconds N] [--trace]

        Run clusters of real nodes in one thread, under virtual time, with delays, broken connections and restarts, and
        check that counters incremented in pairs stay equal and that nothing acknowledged is lost. The same seed gives
        the same history.

        options:
          --seed N      one history (default: 1)
          --seeds A..B  these histories, both ends included
          --storages N  number of storages (default: 2)
          --replicas N  copies of each partition besides the first one (default: 0)
          --clients N   number of clients (default: 2)
          --seconds N   virtual seconds under faults (default: 10)
          --trace       print every event
        """

    /// - Returns: the exit status: 1 if a history violated what must hold.
    static func run(_ arguments: [String]) -> Int32 {
        guard let options = Options(arguments) else {
            Console.error(usage)
            return arguments.contains("--help") || arguments.contains("-h") ? 0 : 2
        }
        var commits = 0
        var failed: [UInt64] = []
        for seed in options.seeds {
            var history = CounterPairsRun(seed: seed)
            history.storages = options.storages
            history.replicas = options.replicas
            history.clients = options.clients
            history.duration = options.seconds * 1_000_000_000
            history.keepsText = options.isTraced
            let report = history.run()
            for line in report.lines { Console.print(line) }
            Console.print("\(report)")
            for violation in report.violations { Console.print("  violation: \(violation)") }
            commits += report.commits
            if !report.violations.isEmpty {
                failed.append(seed)
                Console.print("  replay: neo sim --seed \(seed) \(options.replayArguments) --trace")
            }
        }
        if options.seeds.count > 1 {
            Console.print("\(options.seeds.count) histories, \(commits) commits, \(failed.count) with violations")
        }
        return failed.isEmpty ? 0 : 1
    }

    private struct Options {
        var seeds: ClosedRange<UInt64> = 1...1
        var storages = 2
        var replicas = 0
        var clients = 2
        var seconds: UInt64 = 10
        var isTraced = false

        var replayArguments: String {
            "--storages \(storages) --replicas \(replicas) --clients \(clients) --seconds \(seconds)"
        }

        init?(_ arguments: [String]) {
            var rest = arguments[...]
            while let option = rest.popFirst() {
                if option == "--trace" {
                    isTraced = true
                    continue
                }
                guard let value = rest.popFirst() else { return nil }
                switch option {
                case "--seed":
                    guard let seed = UInt64(value) else { return nil }
                    seeds = seed...seed
                case "--seeds":
                    let ends = value.split(separator: ".", omittingEmptySubsequences: true).map { UInt64($0) }
                    guard ends.count == 2, let first = ends[0], let last = ends[1], first <= last else { return nil }
                    seeds = first...last
                case "--storages":
                    guard let number = Int(value), (1...100).contains(number) else { return nil }
                    storages = number
                case "--replicas":
                    guard let number = Int(value), (0...99).contains(number) else { return nil }
                    replicas = number
                case "--clients":
                    guard let number = Int(value), (1...100).contains(number) else { return nil }
                    clients = number
                case "--seconds":
                    guard let number = UInt64(value), number <= 1_000_000 else { return nil }
                    seconds = number
                default: return nil
                }
            }
        }
    }
}
