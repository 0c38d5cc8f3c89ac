import NEOEngine
import NEOProtocol

/// Reports on the health of the cluster (`spec/tools.md §11.4, §11.8`).
extension AdminCore {
    mutating func reportRequested(_ report: Report, _ context: inout CoreContext<Never>) {
        reports.append(report)
        evaluate(&context)
    }

    /// Answers those who asked, after a question to the master if its answer can be had.
    mutating func evaluate(_ context: inout CoreContext<Never>) {
        // As long as the state of the cluster is not known, the change that tells it will evaluate.
        guard !reports.isEmpty, !isQuerying, let master, let state = monitor.clusterState else { return }
        guard monitor.isOperational else {
            report(monitor.summary, &context)
            return
        }
        isQuerying = true
        if state == .backingUp { connections.ask(master, AskRecovery(), then: .monitoredRecovery, &context) }
        connections.ask(master, AskLastTransaction(), then: .monitoredLastTransaction, &context)
        context.startTimer(Timer.monitor, milliseconds: Self.monitorMilliseconds)
    }

    mutating func queryEnded(_ context: inout CoreContext<Never>) {
        isQuerying = false
        context.cancelTimer(Timer.monitor)
        report(monitor.summary, &context)
    }

    /// The master does not answer: it is as good as lost.
    mutating func monitorTimedOut(_ context: inout CoreContext<Never>) {
        guard isQuerying, let master, let connection = connections.close(master, &context) else { return }
        lost(connection, "no answer within \(Self.monitorMilliseconds / 1000) s", &context)
    }

    mutating func report(_ answer: AnswerMonitorInformation, _ context: inout CoreContext<Never>) {
        for report in reports {
            requesters[report.requester]?.pendingCount -= 1
            connections.answer(report.requester, to: report.request, answer, &context)
        }
        reports = []
    }
}
