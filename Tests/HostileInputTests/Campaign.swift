import Foundation
import NEOEngine
import TestVectors
import Testing

/// Runs many short histories of hostile input, each from its own seed.
///
/// `NEO_FUZZ_SECONDS` makes it last longer. After a trap, `NEO_FUZZ_TRACE=1` tells the seed of each history before it
/// runs, and `NEO_FUZZ_SEED` with `NEO_FUZZ_HISTORIES=1` repeats one.
struct Campaign {
    static func setting(_ name: String) -> UInt64? {
        ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) }
    }

    /// - Parameter history: what happens in one of them.
    static func run(_ name: String, _ history: (UInt64, inout PacketForge, inout Lessons) throws -> Int) throws {
        let first = setting("NEO_FUZZ_SEED") ?? .random(in: 0 ... .max >> 1)
        let histories = setting("NEO_FUZZ_HISTORIES") ?? .max
        let end = ContinuousClock.now + .seconds(Int(clamping: setting("NEO_FUZZ_SECONDS") ?? 2))
        let isTraced = setting("NEO_FUZZ_TRACE") != nil
        print("\(name): NEO_FUZZ_SEED=\(first)")
        let forge = try PacketForge()
        var count: UInt64 = 0
        var events = 0
        while ContinuousClock.now < end, count < histories {
            let seed = first &+ count
            // Straight to the descriptor: a trap leaves what is in buffers unsaid.
            if isTraced { FileHandle.standardError.write(Data("\(name): NEO_FUZZ_SEED=\(seed)\n".utf8)) }
            // The lessons come from the history itself, so that a seed repeats it.
            var forge = forge
            var lessons = Lessons()
            events += try history(seed, &forge, &lessons)
            count += 1
        }
        print("\(name): \(count) histories, \(events) events")
        #expect(count > 0)
    }
}
