import Foundation
import NEODatabase
import NEOProtocol
import NIOCore
import TestVectors

/// A database made by the reference, as a copy, with what is known of its contents.
final class GoldenDatabase {
    let name: String
    let sidecar: JSON
    let folder: TemporaryFolder
    /// Keys of what was migrated have a prefix.
    let prefix: String

    init(_ name: String) throws {
        self.name = name
        folder = try TemporaryFolder()
        sidecar = try Vectors.load("databases/\(name).json")
        prefix = name.hasPrefix("old-") ? "migrated_" : ""
        try FileManager.default.copyItem(
            at: Vectors.folder.appendingPathComponent("databases/\(name).sqlite"),
            to: folder.url.appendingPathComponent("\(name).sqlite")
        )
    }

    var path: String { folder.path("\(name).sqlite") }

    var clusterName: String { sidecar["config"]["name"].string ?? "golden" }

    func open() throws -> SQLiteDatabase {
        try .open(SQLiteLocation(path: path), OpenOptions(clusterName: clusterName))
    }

    func rows(_ table: String) -> [JSON] { sidecar[prefix + table].array }

    var partitions: Int { (rows("pt").map { $0["partition"].integer }.max() ?? -1) + 1 }

    var readable: [PartitionID] {
        rows("pt").filter { $0["mine"] == .bool(true) && ["UP_TO_DATE", "FEEDING"].contains($0["state"].string) }
            .map { $0["partition"].integer }
    }

    static let names = [
        "a-single", "b-outdated-s1", "b-outdated-s2", "b-replicas-s1", "b-replicas-s2", "c-locked", "c-split-s1",
        "c-split-s2", "c-voted", "d-packed", "d-pending", "e-dedup", "f-backup", "g-truncate-pending", "old-v0",
        "old-v0-corrupted-cell", "old-v1", "old-v2", "old-v3",
    ]
}

/// The contents of a database, in the form of the sidecars.
struct Contents: Equatable {
    var pt: [JSON]
    var pack: [JSON]
    var transactions: [JSON]
    var objects: [JSON]
    var unfinished: [JSON]

    /// What a reader gives, whatever the state of the cells.
    init(of reader: any DatabaseReader) throws {
        let configuration = try reader.configuration()
        let partitions = 0..<configuration.partitions
        pt = try reader.cells().map { cell in
            .object([
                "partition": JSON(cell.partition), "nid": JSON(Int(cell.nid.rawValue)),
                "state": .string(cell.state.name), "tid": JSON(cell.tid), "pack": JSON(cell.packed),
            ])
        }
        pack = try reader.packOrders(from: .zero, in: Array(partitions), of: configuration.partitions).map { order in
            .object([
                "tid": JSON(order.id), "approved": JSON(order.approved), "partial": .bool(order.isPartial),
                "oids": order.oids.map { JSON($0.oids) } ?? .null, "pack_tid": JSON(order.tid),
            ])
        }
        transactions = []
        objects = []
        for partition in partitions {
            for tid in try reader.tids(in: partition, .zero ... .max, limit: 1 << 20) {
                guard let found = try reader.transaction(tid, in: partition, includeLocked: false) else { continue }
                transactions.append(
                    .object([
                        "tid": JSON(tid), "ttid": JSON(found.ttid), "packed": .bool(found.packed),
                        "user": .string(String(buffer: found.user)),
                        "description": .string(String(buffer: found.description)),
                        "extension": .string(Hex(found.extensionData).description), "oids": JSON(found.oids),
                    ])
                )
            }
            let records = try reader.objectRecords(
                in: partition,
                from: .zero,
                oid: .zero,
                through: .max,
                limit: 1 << 20
            )
            for record in records {
                guard let found = try reader.revision(of: record.oid, at: record.tid, in: partition) else { continue }
                var object: [String: JSON] = [
                    "oid": JSON(record.oid), "tid": JSON(record.tid), "data_tid": JSON(found.dataTID),
                ]
                if let data = found.data {
                    let value = try data.record()
                    object["sha1"] = .string(Checksum(of: value).description)
                    object["size"] = JSON(value.readableBytes)
                    object["compression"] = JSON(data.compression)
                } else {
                    object["deleted"] = .bool(true)
                }
                objects.append(.object(object))
            }
        }
        unfinished = try reader.unfinishedTransactions().map { .array([JSON($0.ttid), JSON($0.tid)]) }
        sort()
    }

    /// What a sidecar says; `prefix` as in ``GoldenDatabase``.
    init(_ sidecar: JSON, prefix: String = "") {
        pt = sidecar[prefix + "pt"].array.map { row in
            let isMine = row["mine"] == .bool(true)
            return .object([
                "partition": row["partition"], "nid": row["nid"], "state": row["state"],
                "tid": row["tid"].integer < 0 ? .null : JSON(TID(UInt64(row["tid"].integer))),
                "pack": isMine ? JSON(TID(UInt64(row["pack"].integer))) : .null,
            ])
        }
        pack = sidecar[prefix + "pack"].array
        transactions = sidecar[prefix + "transactions"].array.map { $0.removing("partition") }
        objects = sidecar[prefix + "objects"].array.map { $0.removing("partition", "data_id") }
        var tids: [TID: JSON] = [:]
        for row in sidecar[prefix + "tobj"].array { tids[row["tid"].requiredTID] = .null }
        for row in sidecar[prefix + "ttrans"].array { tids[row["ttid"].requiredTID] = row["tid"] }
        unfinished = tids.sorted { $0.key < $1.key }.map { .array([JSON($0.key), $0.value]) }
        sort()
    }

    private mutating func sort() {
        transactions.sort { $0["tid"].requiredTID < $1["tid"].requiredTID }
        objects.sort {
            ($0["oid"].oid, $0["tid"].requiredTID) < ($1["oid"].oid, $1["tid"].requiredTID)
        }
    }
}

extension JSON {
    fileprivate func removing(_ keys: String...) -> JSON {
        guard case .object(var members) = self else { return self }
        for key in keys { members[key] = nil }
        return .object(members)
    }
}
