/// The workloads that there are.
public enum WorkloadKind: String, CaseIterable, Hashable, Sendable {
    case counterPairs = "counter pairs"
    case bank
    case ring
    case lists
    case undoRedo = "undo and redo"
    case packs

    /// - Parameter base: its objects are from this number on, less than a thousand.
    func make(base: UInt64) -> any Workload {
        switch self {
        case .counterPairs: CounterPairs(base: base, pairs: 4)
        case .bank: Bank(base: base, accounts: 5)
        case .ring: Ring(base: base, nodes: 5)
        case .lists: Lists(base: base, lists: 3)
        case .undoRedo: UndoRedo(base: base, pairs: 2)
        case .packs: Packs()
        }
    }
}
