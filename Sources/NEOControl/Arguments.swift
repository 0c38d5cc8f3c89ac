import NEOProtocol

/// The words that follow a command, taken one by one.
struct Arguments {
    /// One argument, and the command that it belongs to.
    struct Word {
        let command: [String]
        let text: String

        func part(_ text: Substring) -> Word { Word(command: command, text: String(text)) }

        func failure(_ expected: String) -> ControlFailure {
            ControlFailure("\(command.joined(separator: " ")): \(expected), got `\(text)`")
        }
    }

    let command: [String]
    private var words: ArraySlice<String>

    init(command: [String], words: ArraySlice<String>) {
        self.command = command
        self.words = words
    }

    var invalidCommand: ControlFailure {
        ControlFailure("invalid command: \((command + words).joined(separator: " "))")
    }

    func failure(_ message: String) -> ControlFailure {
        ControlFailure("\(command.joined(separator: " ")): \(message)")
    }

    mutating func nextIfAny() -> Word? {
        words.popFirst().map { Word(command: command, text: $0) }
    }

    mutating func next(_ name: String) throws(ControlFailure) -> Word {
        guard let word = nextIfAny() else { throw failure("\(name) is missing") }
        return word
    }

    /// All the words that are left, as nodes.
    mutating func nids() throws(ControlFailure) -> [NID] {
        var nids: [NID] = []
        while let word = nextIfAny() { nids.append(try word.nid()) }
        return nids
    }

    /// Takes the next word if it is `text`.
    mutating func skip(_ text: String) -> Bool {
        guard words.first == text else { return false }
        words.removeFirst()
        return true
    }

    mutating func skipRest() {
        words = []
    }

    func end() throws(ControlFailure) {
        guard words.isEmpty else { throw failure("unexpected argument: \(words.joined(separator: " "))") }
    }
}

extension Arguments.Word {
    func integer(_ name: String) throws(ControlFailure) -> Int {
        guard let value = Int(text) else { throw failure("\(name) must be an integer") }
        return value
    }

    /// An integer that is not negative and fits on the wire.
    func count(_ name: String) throws(ControlFailure) -> Int {
        let value = try integer(name)
        guard (0...Int(Int32.max)).contains(value) else { throw failure("\(name) must not be negative") }
        return value
    }

    func nid() throws(ControlFailure) -> NID {
        guard let nid = NID(text), nid.rawValue != 0 else { throw failure("expected a node like S1") }
        return nid
    }

    /// A member of an enumeration by its name, in any case.
    func member<Member: WireEnum>(
        _ what: String,
        of name: (Member) -> String
    ) throws(ControlFailure) -> Member {
        let wanted = text.uppercased()
        guard let member = Member.allCases.first(where: { name($0) == wanted }) else {
            throw failure("\(what) must be one of \(Member.allCases.map(name).joined(separator: ", "))")
        }
        return member
    }

    func flag(_ name: String) throws(ControlFailure) -> Bool {
        switch Int(text.isEmpty ? "0" : text) {
        case 0: return false
        case 1: return true
        default: throw failure("\(name) must be 0 or 1")
        }
    }

    var isTIDLiteral: Bool { text.prefix(4).lowercased() == "tid:" }

    /// `tid:` and an integer literal, or seconds since the Unix epoch.
    func tid() throws(ControlFailure) -> TID {
        if isTIDLiteral {
            guard let value = UInt64(literal: text.dropFirst(4)) else {
                throw failure("expected an integer of 64 bits after `tid:`")
            }
            return TID(value)
        }
        guard let time = Double(text), time.isFinite, let tid = TID(unixTime: time) else {
            throw failure("expected tid:N or a time in seconds since 1970-01-01 00:00:00 UTC")
        }
        return tid
    }
}

extension UInt64 {
    /// Reads a literal in base 10, or 16, 8, 2 after `0x`, `0o`, `0b`.
    fileprivate init?(literal: Substring) {
        let radix =
            switch literal.prefix(2).lowercased() {
            case "0x": 16
            case "0o": 8
            case "0b": 2
            default: 10
            }
        let digits = radix == 10 ? literal : literal.dropFirst(2)
        guard digits.first != "-", digits.first != "+" else { return nil }
        self.init(digits, radix: radix)
    }
}
