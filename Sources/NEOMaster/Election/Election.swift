/// Which master is primary, as this one sees it (`spec/master.md §3`).
struct Election: Hashable, Sendable {
    enum Role: Hashable, Sendable {
        case primary
    }

    var role = Role.primary
    var isPrimary: Bool { role == .primary }
}
