import NEOProtocol

/// The result of `print summary`: a JSON object for programs, then a text (`spec/tools.md §9.6.4`).
public struct MonitorSummary: Sendable {
    /// How much the cluster needs somebody to look at it.
    public enum Severity: Int, Sendable {
        case fine = 0
        case warning = 1
        case problem = 2
    }

    /// What to print.
    public let text: String
    public let severity: Severity

    init(_ answer: AnswerMonitorInformation) {
        let members = [("warning", answer.warning), ("problem", answer.problem)].compactMap { key, names in
            names.isEmpty ? nil : "\"\(key)\": [\(names.map { $0.map(Self.quoted) ?? "null" }.joined(separator: ", "))]"
        }
        severity = !answer.problem.isEmpty ? .problem : !answer.warning.isEmpty ? .warning : .fine
        text = "# {\(members.joined(separator: ", "))}\n\(answer.summary)"
    }

    /// A JSON string in ASCII.
    static func quoted(_ text: String) -> String {
        var result = "\""
        for unit in text.utf16 {
            switch unit {
            case 0x22: result += "\\\""
            case 0x5c: result += "\\\\"
            case 0x08: result += "\\b"
            case 0x09: result += "\\t"
            case 0x0a: result += "\\n"
            case 0x0c: result += "\\f"
            case 0x0d: result += "\\r"
            case 0x20...0x7f: result.unicodeScalars.append(Unicode.Scalar(UInt8(unit)))
            default:
                let digits = String(unit, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            }
        }
        return result + "\""
    }
}
