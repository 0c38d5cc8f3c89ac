/// What `--version` shows.
enum Version {
    static let number = "0.1.0"
    static let protocolVersion = 5
    static let text = "neo \(number) (protocol \(protocolVersion))"
}
