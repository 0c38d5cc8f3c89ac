import Glibc
import NEOConfiguration

// A peer that goes away is an error of the write, not the end of the process.
signal(SIGPIPE, SIG_IGN)
// So is a file that may not grow any more.
signal(SIGXFSZ, SIG_IGN)

if CommandLine.arguments.dropFirst().first == "sim" {
    exit(SimulationProgram.run(Array(CommandLine.arguments.dropFirst(2))))
}

guard let invocation = Invocation(CommandLine.arguments) else {
    switch CommandLine.arguments.dropFirst().first {
    case "--version":
        Console.print(Version.text)
        exit(0)
    case nil, "-h", "--help":
        Console.print(Invocation.overview)
        exit(0)
    case let word?:
        Console.error("\(Invocation.overview)\n\nneo: error: no such program: \(word)")
        exit(2)
    }
}
do throws(ConfigurationError) {
    guard let settings = try invocation.settings() else { exit(0) }
    let status: Int32 =
        switch invocation.name {
        case .control: try ControlProgram.run(settings)
        case .simple: try SimpleProgram.run(settings)
        case .master: try MasterProgram.run(settings)
        case .storage: try StorageProgram.run(settings)
        case .admin: try AdminProgram.run(settings)
        }
    exit(status)
} catch {
    invocation.report(error)
    exit(error.exitStatus)
}
