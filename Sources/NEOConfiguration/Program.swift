/// A program: its options and its words (`spec/tools.md §1, §4`).
public struct Program: Sendable {
    public var summary: String
    public var options: [Option]
    /// What words, other than options, are accepted.
    public enum Words: Hashable, Sendable {
        case none
        /// Everything from the first word on, even with a dash; with what stands for it in usage lines.
        case command(String)
        /// Words and options in any order.
        case list(String)

        var placeholder: String? {
            switch self {
            case .none: nil
            case .command(let placeholder), .list(let placeholder): placeholder
            }
        }
    }

    public var words: Words
    /// What the words are.
    public var wordsHelp: String
    /// The section of the configuration file; nil if the program reads none.
    public var defaultSection: String?

    public init(
        summary: String,
        options: [Option],
        words: Words = .none,
        wordsHelp: String = "",
        defaultSection: String? = nil
    ) {
        self.summary = summary
        self.words = words
        self.wordsHelp = wordsHelp
        self.defaultSection = defaultSection
        self.options =
            [Option("help", "h", .flag, inFile: .unknown, "show this help and exit")]
            + [Option("version", nil, .flag, inFile: .unknown, "show the version and exit")]
            + options
        if let defaultSection {
            self.options += [
                Option("file", "f", .path, inFile: .unknown, "configuration file"),
                Option("section", "s", default: defaultSection, inFile: .unknown, "section of the configuration file"),
            ]
        }
    }

    func option(named name: String) -> Option? { options.first { $0.name == name } }
}
