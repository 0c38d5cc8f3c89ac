import NEOEngine
import NEOMaster
import NEOProtocol

/// No two primary masters give TIDs: what one commits is before all that the next one does.
struct LeadershipWatch {
    /// From the moment when a master asks the storages what they have.
    struct Term: Hashable {
        var master: Int
        var life: Int
        var period: Int

        init(_ master: Int, _ node: CoreNode<MasterCore>, _ core: MasterCore) {
            self.master = master
            life = node.life
            period = core.period
        }
    }

    /// Terms that committed, in the order of their first commit, and the greatest TID of each.
    private var terms: [(term: Term, highest: TID)] = []

    /// How many times a master committed after another one.
    var takeOvers: Int { zip(terms, terms.dropFirst()).count { $0.term.master != $1.term.master } }

    /// Whether no other master committed since this one began to lead.
    func isLast(_ master: Int, _ node: CoreNode<MasterCore>) -> Bool {
        guard let core = node.core, let last = terms.last else { return false }
        return last.term == Term(master, node, core)
    }

    mutating func watch(_ term: Term, _ effects: [Effect<Never>]) -> [String] {
        var violations: [String] = []
        for effect in effects {
            guard case .send(_, let frame) = effect, case .answerTransactionFinished(let answer) = frame.packet
            else { continue }
            if let index = terms.firstIndex(where: { $0.term == term }) {
                terms[index].highest = max(terms[index].highest, answer.tid)
                if index + 1 < terms.count, answer.tid >= terms[index + 1].highest {
                    violations.append("two masters commit: \(answer.tid) after another one took over")
                }
            } else {
                if let last = terms.last, answer.tid <= last.highest {
                    violations.append("a master commits \(answer.tid), not after \(last.highest) of the one before")
                }
                terms.append((term, answer.tid))
            }
        }
        return violations
    }
}
