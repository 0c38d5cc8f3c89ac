/// A database that lives in a ``MemoryDisk``: for tests and for the simulator.
public struct MemoryDatabase: StorageDatabase {
    let disk: MemoryDisk
    let generation: Int

    /// - Throws: ``DatabaseFailure`` if the disk is in use, or belongs to another cluster.
    public static func open(_ disk: MemoryDisk, _ options: OpenOptions) throws -> MemoryDatabase {
        MemoryDatabase(disk: disk, generation: try disk.open(options))
    }

    public var writer: any DatabaseWriter { MemoryWriter(disk: disk, generation: generation) }

    public func makeReader() throws -> any DatabaseReader { MemoryReader(disk: disk, generation: generation) }

    public var device: String { "memory" }
}

struct MemoryWriter: DatabaseWriter {
    let disk: MemoryDisk
    let generation: Int

    func perform(_ jobs: [DatabaseJob]) throws -> [DatabaseJobResult] { try disk.perform(generation, jobs) }

    func close() throws { try disk.close(generation) }
}
