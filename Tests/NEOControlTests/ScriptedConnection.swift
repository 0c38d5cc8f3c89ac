import NEOControl
import NEOProtocol

/// An administration node that gives prepared answers, and remembers what it was asked.
final class ScriptedConnection: AdministrationConnection {
    private var answers: [Packet]
    private(set) var sent: [Frame] = []
    private var next: [Frame] = []

    init(_ answers: [Packet]) {
        self.answers = answers.reversed()
    }

    func send(_ frame: Frame) throws(ControlFailure) {
        sent.append(frame)
        if case .flushLog = frame.packet { return }
        if let answer = answers.popLast() { next.append(Frame(id: frame.id, answer)) }
    }

    func receive() throws(ControlFailure) -> Frame {
        guard !next.isEmpty else { throw .connectionClosed }
        return next.removeFirst()
    }
}
