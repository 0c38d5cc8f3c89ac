import NEODatabase
import NEOProtocol
import NIOCore
import TestVectors

/// Answers the queries of the sidecars with a reader.
struct GoldenQueries {
    let reader: any DatabaseReader
    let partitions: Int
    let readable: [PartitionID]

    static let nonReadable = JSON.string("NonReadableCell")

    func answer(_ operation: String, _ arguments: JSON) throws -> JSON? {
        switch operation {
        case "readable_partitions":
            let nid = try reader.configuration().nid
            return .array(
                try reader.cells().filter { $0.nid == nid && $0.state.isReadable }.map { JSON($0.partition) }
            )
        case "last_ids":
            let ids = try reader.lastIDs(in: readable)
            return .array([JSON(ids.tid), JSON(ids.oid)])
        case "first_tid": return JSON(try reader.firstTID(in: readable) ?? .max)
        case "backup_tid": return JSON(try reader.configuration().backupTID)
        case "truncate_tid": return JSON(try reader.configuration().truncateTID)
        case "unfinished":
            return .object(
                Dictionary(
                    uniqueKeysWithValues: try reader.unfinishedTransactions().map {
                        ($0.ttid.description, JSON($0.tid))
                    }
                )
            )
        case "packed_ids":
            let nid = try reader.configuration().nid
            return .object(
                Dictionary(
                    uniqueKeysWithValues: try reader.cells().filter { $0.nid == nid }.map {
                        (String($0.partition), JSON($0.packed))
                    }
                )
            )
        case "pack_orders":
            let orders = try reader.packOrders(from: arguments["min"].requiredTID, in: readable, of: partitions)
            return .array(
                orders.map { order in
                    .array([
                        JSON(order.id), JSON(order.approved), .bool(order.isPartial),
                        order.oids.map { JSON($0.oids) } ?? .null, JSON(order.tid),
                    ])
                }
            )
        case "object", "history", "undo_serial": return try answerObject(operation, arguments)
        case "final_tid":
            return try ifReadable(arguments["ttid"].requiredTID.partition(of: partitions)) {
                JSON(try reader.finalTID(of: arguments["ttid"].requiredTID, in: $0))
            }
        case "transaction": return try answerTransaction(arguments["tid"].requiredTID)
        case "tids":
            let skip = arguments["first"].integer
            let limit = arguments["last"].integer - skip
            return try ifReadable(arguments["partition"].integer) { partition in
                let tids = try reader.tids(in: [partition], skip: skip, limit: limit)
                return arguments["last"].integer < 1000 ? JSON(tids) : JSON(tids.count)
            }
        default: return try answerRange(operation, arguments)
        }
    }

    private func ifReadable(_ partition: PartitionID, _ body: (PartitionID) throws -> JSON) rethrows -> JSON {
        readable.contains(partition) ? try body(partition) : Self.nonReadable
    }

    private func answerObject(_ operation: String, _ arguments: JSON) throws -> JSON {
        let oid = arguments["oid"].oid
        return try ifReadable(oid.partition(of: partitions)) { partition in
            switch operation {
            case "object":
                let selector: RevisionSelector =
                    arguments["at"].tid.map { .at($0) } ?? arguments["before"].tid.map { .before($0) } ?? .latest
                switch try reader.load(oid, in: partition, selector) {
                case .noSuchObject: return .string("OidDoesNotExist")
                case .noSuchRevision: return .string("OidNotFound")
                case .found(let found):
                    return .object([
                        "serial": JSON(found.tid), "next_serial": JSON(found.nextTID),
                        "compression": JSON(found.data?.compression),
                        "checksum": found.data.map { .string($0.checksum.description) } ?? .null,
                        "size": JSON(found.data?.data.readableBytes), "data_serial": JSON(found.dataTID),
                    ])
                }
            case "history":
                let skip = arguments["first"].integer
                let history = try reader.history(
                    of: oid,
                    in: partition,
                    skip: skip,
                    limit: arguments["last"].integer - skip
                )
                return history.isEmpty ? .null : .array(history.map { .array([JSON($0.tid), JSON($0.size)]) })
            default:
                let outcome = try reader.undo(
                    of: oid,
                    in: partition,
                    undoneTID: arguments["undone_tid"].requiredTID,
                    before: arguments["ltid"].tid,
                    current: arguments["current"].tid
                )
                switch outcome {
                case .nothingToUndo: return .null
                case .notVisible: return .array([.null, .null, .bool(false)])
                case .found(let record):
                    return .array([JSON(record.current), JSON(record.undo), .bool(record.isCurrent)])
                }
            }
        }
    }

    private func answerTransaction(_ tid: TID) throws -> JSON {
        try ifReadable(tid.partition(of: partitions)) { partition in
            guard let found = try reader.transaction(tid, in: partition, includeLocked: false) else { return .null }
            return .object([
                "oids": JSON(found.oids), "user": .string(Hex(found.user).description),
                "description": .string(Hex(found.description).description),
                "extension": .string(Hex(found.extensionData).description), "packed": .bool(found.packed),
                "ttid": JSON(found.ttid),
                "pack": found.pack.map { pack in
                    .array([
                        JSON(pack.approved), .bool(pack.isPartial), pack.oids.map { JSON($0.oids) } ?? .null,
                        JSON(pack.tid),
                    ])
                } ?? .null,
            ])
        }
    }

    private func answerRange(_ operation: String, _ arguments: JSON) throws -> JSON? {
        let partition = arguments["partition"].integer
        let limit = arguments["length"].integer
        let minimum = arguments["min_tid"].requiredTID
        let maximum = arguments["max_tid"].requiredTID
        switch operation {
        case "tids_from":
            guard minimum <= maximum else { return .array([]) }
            return JSON(try reader.tids(in: partition, minimum...maximum, limit: limit))
        case "oids_from":
            return try ifReadable(partition) { partition in
                let slice = try reader.oids(
                    from: arguments["min_oid"].oid,
                    in: partition,
                    asOf: arguments["tid"].requiredTID,
                    limit: limit
                )
                return .array([
                    JSON(slice.lastConsidered.map { OID($0.rawValue + UInt64(partitions)) }), JSON(slice.oids),
                ])
            }
        case "check_tid_range":
            guard minimum <= maximum else {
                return .array([JSON(0), .string(Checksum.zero.description), JSON(TID.zero)])
            }
            let digest = try reader.transactionDigest(in: partition, minimum...maximum, limit: limit)
            return .array([JSON(digest.count), .string(digest.checksum.description), JSON(digest.lastTID)])
        case "check_serial_range":
            let digest = try reader.objectDigest(
                in: partition,
                from: minimum,
                oid: arguments["min_oid"].oid,
                through: maximum,
                limit: limit
            )
            return .array([
                JSON(digest.count), .string(digest.tidChecksum.description), JSON(digest.lastTID),
                .string(digest.oidChecksum.description), JSON(digest.lastOID),
            ])
        case "replication_object_list":
            let records = try reader.objectRecords(
                in: partition,
                from: minimum,
                oid: arguments["min_oid"].oid,
                through: maximum,
                limit: limit
            )
            return .array(records.map { .array([JSON($0.tid), JSON($0.oid)]) })
        default:
            return nil
        }
    }
}
