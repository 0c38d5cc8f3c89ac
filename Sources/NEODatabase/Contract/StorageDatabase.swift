/// An open database: one writer, and readers for as many threads as wanted.
///
/// ``SQLiteDatabase`` and ``MemoryDatabase`` are opened by their `open` functions.
public protocol StorageDatabase: Sendable {
    var writer: any DatabaseWriter { get }

    /// A reader with a connection of its own: threads that read at the same time should each have one.
    func makeReader() throws -> any DatabaseReader

    /// The decimal `st_dev` of the disk that has the data, or another stable name: the second part of the topology path
    /// (`spec/storage.md §3.9`).
    var device: String { get }
}
