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

    private struct Commits {
        let term: Term
        let first: TID
        var highest: TID
    }

    /// When each term began to verify: a candidate may recover for long, and see nobody, while another one serves.
    private var beginnings: [Term: Int] = [:]
    /// Those that committed, in the order in which they began.
    private var terms: [Commits] = []

    /// How many times a master committed after another one.
    var takeOvers: Int { zip(terms, terms.dropFirst()).count { $0.term.master != $1.term.master } }

    /// Whether no other master committed since this one began to lead.
    func isLast(_ master: Int, _ node: CoreNode<MasterCore>) -> Bool {
        guard let core = node.core, let last = terms.last else { return false }
        return last.term == Term(master, node, core)
    }

    /// What was committed may be gone: TIDs go on from what is left.
    mutating func truncated() {
        for index in terms.indices { terms[index].highest = .zero }
    }

    mutating func watch(_ term: Term, isRecovering: Bool, _ effects: [Effect<Never>]) -> [String] {
        if !isRecovering, beginnings[term] == nil { beginnings[term] = beginnings.count }
        var violations: [String] = []
        for effect in effects {
            guard case .send(_, let frame) = effect, case .answerTransactionFinished(let answer) = frame.packet
            else { continue }
            violations += committed(answer.tid, by: term)
        }
        return violations
    }

    /// A master that sleeps and does not know that another one leads may still tell a client the end of what storages had locked
    /// for it: the other one found it, committed it under the same TID, and went on from there.
    private mutating func committed(_ tid: TID, by term: Term) -> [String] {
        let index: Int
        if let known = terms.firstIndex(where: { $0.term == term }) {
            index = known
            terms[index].highest = max(terms[index].highest, tid)
        } else {
            let isLater = { (other: Commits) in
                self.beginnings[other.term, default: 0] > self.beginnings[term, default: 0]
            }
            index = terms.firstIndex(where: isLater) ?? terms.count
            terms.insert(Commits(term: term, first: tid, highest: tid), at: index)
        }
        if index > 0, tid <= terms[index - 1].highest {
            return ["a master commits \(tid), not after \(terms[index - 1].highest) of the one before"]
        }
        if index + 1 < terms.count, tid >= terms[index + 1].first {
            return ["two masters commit: \(tid) after another one took over with \(terms[index + 1].first)"]
        }
        return []
    }
}
