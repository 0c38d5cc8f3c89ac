import Glibc
import NEOControl
import NEOProtocol

/// Starts the nodes of a cluster as processes, says how it goes, and stops them.
///
/// ```
///   starting ──RUNNING──▶ running ──signal──▶ stopping ──too long──▶ terminating ──too long──▶ killing
///       └────a node failed─────────────────────▲
/// ```
final class SimpleCluster {
    private enum Phase: Int {
        case running
        /// The cluster was asked to stop.
        case stopping
        /// The nodes were asked to stop.
        case terminating
        case killing

        /// How long it may last before the next one.
        var limitSeconds: Int { self == .stopping ? 10 : 5 }
    }

    private let layout: SimpleLayout
    private var processes: [ChildProcess] = []
    private var phase = Phase.running
    private var phaseEnd = 0
    /// Before this time a signal repeats the one that began the stop.
    private var impatienceStart = 0
    private var state: String?
    private var wasRunning = false
    private var hasFailed = false

    init(_ layout: SimpleLayout) {
        self.layout = layout
    }

    /// - Returns: the exit status: 0 if all the nodes ended well.
    func run() -> Int32 {
        let signals = SignalWaiter([SIGINT, SIGTERM, SIGHUP, SIGCHLD])
        for node in layout.nodes {
            do throws(ChildProcess.Failure) {
                processes.append(
                    try ChildProcess(
                        name: node.section,
                        arguments: [
                            node.program.rawValue, "--file", SimpleLayout.fileName, "--section", node.section,
                        ]
                    )
                )
            } catch {
                Console.error("neosimple: error: \(error)")
                hasFailed = true
                stop()
            }
        }
        while processes.contains(where: \.isRunning) {
            switch signals.next(milliseconds: wasRunning ? 1000 : 100) {
            case SIGINT, SIGTERM, SIGHUP: stop()
            default: break
            }
            reap()
            switch phase {
            case .running: watch()
            case .killing: break
            case .stopping, .terminating: if Self.seconds >= phaseEnd { advance() }
            }
        }
        Console.print(hasFailed ? "Stopped; not all the nodes ended well." : "Stopped.")
        return hasFailed ? 1 : 0
    }

    private func reap() {
        for process in processes where process.reap() {
            guard let end = process.end, end != .exited(status: 0) else { continue }
            // What this program kills by itself at the end of its patience is also a failure.
            hasFailed = true
            Console.error("neosimple: \(process.name) \(end): see \(layout.directory)/\(process.name).log")
            if phase == .running, !wasRunning { stop() }
        }
    }

    private func watch() {
        guard let state = ask(.printCluster), state != self.state else { return }
        self.state = state
        if state == "RUNNING" {
            Console.print(wasRunning ? "RUNNING again." : "RUNNING. Ctrl-C stops the cluster.")
            wasRunning = true
        } else {
            Console.print("\(state)...")
        }
    }

    /// Has the cluster, or what is left of it, stop; more brutally each time.
    private func stop() {
        if phase == .running {
            Console.print("Stopping...")
            enter(.stopping)
            if ask(.setCluster(.stopping)) == nil { advance() }
            // `timeout` and some supervisors send a signal to the process and to its group: one wish, received twice.
            impatienceStart = Self.seconds + 2
        } else if Self.seconds >= impatienceStart {
            Console.print("Killing the nodes.")
            enter(.killing)
        }
    }

    private func advance() {
        guard let next = Phase(rawValue: phase.rawValue + 1) else { return }
        enter(next)
    }

    private func enter(_ phase: Phase) {
        self.phase = phase
        phaseEnd = Self.seconds + phase.limitSeconds
        switch phase {
        case .running, .stopping: break
        // Masters are the first of the list: they must not see the others go.
        case .terminating: for process in processes { process.send(signal: SIGTERM) }
        case .killing: for process in processes { process.send(signal: SIGKILL) }
        }
    }

    private func ask(_ command: Command) -> String? {
        do throws(ControlFailure) {
            return try command.run(over: AdministrationClient([layout.admin], timeoutSeconds: 5))
        } catch {
            return nil
        }
    }

    private static var seconds: Int {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        return now.tv_sec
    }
}
