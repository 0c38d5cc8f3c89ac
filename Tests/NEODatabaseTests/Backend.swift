import NEODatabase
import NEOProtocol
import NIOCore

/// The backends that must behave alike.
enum Backend: String, CaseIterable, Sendable {
    case memory
    case sqlite
    case sqliteWithDeduplication
    case sqliteWithRollbackJournal
}

/// A database of one backend that can be closed and opened again.
final class TestDatabase {
    private let backend: Backend
    private let folder: TemporaryFolder
    private let disk = MemoryDisk()
    private(set) var database: any StorageDatabase
    private(set) var reader: any DatabaseReader
    var steps: Steps

    /// With a table of `partitions`, all up to date on our node 1.
    init(_ backend: Backend, partitions: Int = 2) throws {
        self.backend = backend
        folder = try TemporaryFolder()
        database = try Self.open(backend, folder, disk)
        reader = try database.makeReader()
        steps = Steps(database.writer)
        let cells = (0..<partitions).map { CellChange(partition: $0, nid: NID(1), state: .upToDate) }
        try steps.perform(together: [
            .setNID(NID(1)),
            .changePartitionTable(.init(ptid: 1, replicas: 0, cells: cells, isComplete: true)),
        ])
    }

    var path: String { folder.path("neo.sqlite") }

    private static func open(
        _ backend: Backend,
        _ folder: TemporaryFolder,
        _ disk: MemoryDisk
    ) throws -> any StorageDatabase {
        let options = OpenOptions(clusterName: "test", deduplication: backend == .sqliteWithDeduplication)
        let path = folder.path("neo.sqlite")
        switch backend {
        case .memory: return try MemoryDatabase.open(disk, options)
        case .sqlite, .sqliteWithDeduplication: return try SQLiteDatabase.open(SQLiteLocation(path: path), options)
        case .sqliteWithRollbackJournal:
            return try SQLiteDatabase.open(SQLiteLocation("file:\(path)?journal_mode=DELETE"), options)
        }
    }

    func reopen() throws {
        try database.writer.close()
        database = try Self.open(backend, folder, disk)
        reader = try database.makeReader()
        steps = Steps(database.writer)
    }
}

extension StoredData {
    init(_ text: String) {
        let data = ByteBuffer(string: text)
        self.init(compression: 0, checksum: Checksum(of: data), data: data)
    }
}

extension TransactionMetadata {
    init(_ oids: OID..., pack: PackRequest? = nil) {
        self.init(
            user: ByteBuffer(string: "user"),
            description: ByteBuffer(string: "description"),
            extensionData: ByteBuffer(),
            oids: oids,
            pack: pack
        )
    }
}

extension TestDatabase {
    /// A whole transaction: nil deletes the object. The metadata are here.
    func commit(_ ttid: UInt64, _ tid: UInt64, _ objects: [(UInt64, String?)], pack: PackRequest? = nil) throws {
        for (oid, text) in objects {
            let object = DatabaseJob.PendingObject(oid: OID(oid), data: text.map { StoredData($0) })
            try steps.perform(.store(TTID(ttid), object, undoTargetRequired: false))
        }
        var metadata = TransactionMetadata(pack: pack)
        metadata.oids = objects.map { OID($0.0) }
        try steps.perform(.vote(TTID(ttid), metadata))
        try steps.perform(.lock(TTID(ttid), TID(tid), approvesPack: pack != nil))
        try steps.perform(.unlock(TTID(ttid), TID(tid)))
    }

    func text(_ oid: UInt64, _ selector: RevisionSelector = .latest) throws -> String? {
        guard case .found(let revision) = try reader.load(OID(oid), in: OID(oid).partition(of: 2), selector) else {
            return nil
        }
        return revision.data.map { String(buffer: $0.data) }
    }

    func tids(_ oid: UInt64) throws -> [UInt64] {
        try reader.history(of: OID(oid), in: OID(oid).partition(of: 2), skip: 0, limit: 100).map(\.tid.rawValue)
    }
}
