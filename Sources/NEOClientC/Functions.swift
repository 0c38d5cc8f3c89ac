import CNEOClient
import NEOClient
import NEOEngine
import NEOProtocol
import NIOCore
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

// The functions of `neo_client.h`, which says what each does.

@_cdecl("neo_error_release")
public func errorRelease(_ error: UnsafeMutablePointer<neo_error>?) {
    guard let error else { return }
    free(UnsafeMutablePointer(mutating: error.pointee.message))
    free(UnsafeMutablePointer(mutating: error.pointee.data))
    error.deinitialize(count: 1)
    error.deallocate()
}

// MARK: Opening and closing

@_cdecl("neo_client_open")
public func clientOpen(
    _ names: UnsafePointer<UnsafePointer<CChar>?>?,
    _ values: UnsafePointer<UnsafePointer<CChar>?>?,
    _ count: Int,
    _ callbacks: UnsafePointer<neo_callbacks>?,
    _ client: UnsafeMutablePointer<OpaquePointer?>?
) -> UnsafeMutablePointer<neo_error>? {
    attempt { () throws(ClientError) in
        let output = try required(client)
        var options: [(name: String, value: String)] = []
        for index in 0..<max(0, count) {
            let name = try required(names?[index])
            let value = try required(values?[index])
            options.append((name: String(cString: name), value: String(cString: value)))
        }
        output.pointee = try open(options, Callbacks(callbacks: callbacks?.pointee ?? neo_callbacks()))
    }
}

private func open(
    _ options: [(name: String, value: String)],
    _ callbacks: Callbacks
) throws(ClientError) -> OpaquePointer {
    let configuration = try ClientConfiguration(options: options)
    do {
        let client = try Client(
            configuration,
            deliver: { delivery in callbacks.deliver(delivery) },
            interrupted: { callbacks.isInterrupted() },
            log: { level, message in callbacks.log(level, message) }
        )
        return OpaquePointer(Unmanaged.passRetained(ClientHandle(client)).toOpaque())
    } catch let error as ClientError {
        throw error
    } catch {
        throw ClientError(.internalError, "the client cannot start: \(error)")
    }
}

@_cdecl("neo_client_close")
public func clientClose(_ client: OpaquePointer?) {
    ClientHandle.of(client)?.close()
}

@_cdecl("neo_client_release")
public func clientRelease(_ client: OpaquePointer?) {
    guard let client else { return }
    Unmanaged<ClientHandle>.fromOpaque(UnsafeRawPointer(client)).release()
}

@_cdecl("neo_client_abandon")
public func clientAbandon(_ client: OpaquePointer?) {
    ClientHandle.of(client)?.abandon()
}

@_cdecl("neo_client_is_connected")
public func clientIsConnected(_ client: OpaquePointer?) -> Int32 {
    guard let client = ClientHandle.of(client) else { return 0 }
    return client.isConnected ? 1 : 0
}

// MARK: Reading

private func load(
    _ client: OpaquePointer?,
    _ oid: UnsafePointer<UInt8>?,
    _ revision: Revision,
    _ record: UnsafeMutablePointer<neo_record>?
) -> UnsafeMutablePointer<neo_error>? {
    attempt { () throws(ClientError) in
        let output = try required(record)
        let oid = OID(read(oid))
        guard let loaded = try required(ClientHandle.of(client)).load(oid, revision) else {
            throw ClientError(.revisionNotFound, "\(oid) has no such revision", oid: oid)
        }
        var value = neo_record()
        let data = allocate(loaded.data)
        value.data = UnsafePointer(data)
        value.length = Int64(loaded.data.readableBytes)
        value.owner = UnsafeMutableRawPointer(data)
        write(loaded.serial.rawValue, to: &value.serial)
        if let next = loaded.next {
            value.has_next = 1
            write(next.rawValue, to: &value.next)
        }
        output.pointee = value
    }
}

@_cdecl("neo_load")
public func loadCurrent(
    _ client: OpaquePointer?,
    _ oid: UnsafePointer<UInt8>?,
    _ record: UnsafeMutablePointer<neo_record>?
) -> UnsafeMutablePointer<neo_error>? {
    load(client, oid, .current, record)
}

@_cdecl("neo_load_before")
public func loadBefore(
    _ client: OpaquePointer?,
    _ oid: UnsafePointer<UInt8>?,
    _ before: UnsafePointer<UInt8>?,
    _ record: UnsafeMutablePointer<neo_record>?
) -> UnsafeMutablePointer<neo_error>? {
    load(client, oid, .before(TID(read(before))), record)
}

@_cdecl("neo_load_serial")
public func loadSerial(
    _ client: OpaquePointer?,
    _ oid: UnsafePointer<UInt8>?,
    _ serial: UnsafePointer<UInt8>?,
    _ record: UnsafeMutablePointer<neo_record>?
) -> UnsafeMutablePointer<neo_error>? {
    load(client, oid, .at(TID(read(serial))), record)
}

@_cdecl("neo_record_release")
public func recordRelease(_ record: UnsafeMutablePointer<neo_record>?) {
    guard let record else { return }
    free(record.pointee.owner)
    record.pointee = neo_record()
}

@_cdecl("neo_prefetch")
public func prefetch(
    _ client: OpaquePointer?,
    _ oids: UnsafePointer<UInt8>?,
    _ count: Int,
    _ before: UnsafePointer<UInt8>?
) -> UnsafeMutablePointer<neo_error>? {
    attempt { () throws(ClientError) in
        let client = try required(ClientHandle.of(client))
        let oids = try required(oids)
        var list: [OID] = []
        for index in 0..<max(0, count) { list.append(OID(read(oids + 8 * index))) }
        try client.prefetch(list, before: TID(read(before)))
    }
}

@_cdecl("neo_last_transaction")
public func lastTransaction(
    _ client: OpaquePointer?,
    _ tid: UnsafeMutablePointer<UInt8>?
) -> UnsafeMutablePointer<neo_error>? {
    attempt { () throws(ClientError) in
        write(try required(ClientHandle.of(client)).lastTransaction().rawValue, to: tid)
    }
}

@_cdecl("neo_sync")
public func sync(_ client: OpaquePointer?) -> UnsafeMutablePointer<neo_error>? {
    attempt { () throws(ClientError) in try required(ClientHandle.of(client)).sync() }
}

@_cdecl("neo_new_oid")
public func newOID(
    _ client: OpaquePointer?,
    _ oid: UnsafeMutablePointer<UInt8>?
) -> UnsafeMutablePointer<neo_error>? {
    attempt { () throws(ClientError) in
        write(try required(ClientHandle.of(client)).newOID().rawValue, to: oid)
    }
}

@_cdecl("neo_last_oid")
public func lastOID(
    _ client: OpaquePointer?,
    _ oid: UnsafeMutablePointer<UInt8>?
) -> UnsafeMutablePointer<neo_error>? {
    attempt { () throws(ClientError) in
        write(try required(ClientHandle.of(client)).lastOID()?.rawValue ?? 0, to: oid)
    }
}

// MARK: Looking inside

@_cdecl("neo_cache_get_statistics")
public func cacheStatistics(
    _ client: OpaquePointer?,
    _ statistics: UnsafeMutablePointer<neo_cache_statistics>?
) -> UnsafeMutablePointer<neo_error>? {
    attempt { () throws(ClientError) in
        let output = try required(statistics)
        let cache = try required(ClientHandle.of(client)).cacheStatistics()
        output.pointee = neo_cache_statistics(
            maximum_bytes: Int64(cache.maximumBytes),
            bytes: Int64(cache.bytes),
            record_count: Int64(cache.recordCount),
            hit_count: Int64(cache.hitCount),
            miss_count: Int64(cache.missCount)
        )
    }
}

@_cdecl("neo_cache_clear")
public func cacheClear(_ client: OpaquePointer?) -> UnsafeMutablePointer<neo_error>? {
    attempt { () throws(ClientError) in try required(ClientHandle.of(client)).clearCache() }
}

@_cdecl("neo_cache_save")
public func cacheSave(_ client: OpaquePointer?) {
    ClientHandle.of(client)?.saveCache()
}

@_cdecl("neo_nodes")
public func nodes(
    _ client: OpaquePointer?,
    _ type: Int32,
    _ text: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
) -> UnsafeMutablePointer<neo_error>? {
    attempt { () throws(ClientError) in
        let output = try required(text)
        guard let type = UInt8(exactly: type).flatMap(NodeType.init(rawValue:)) else {
            throw ClientError(.invalidArgument, "expected a type of node, got \(type)")
        }
        let records = try required(ClientHandle.of(client)).knownNodes(type)
        let lines = records.map { record in
            let host = record.address?.host ?? "-"
            let port = record.address.map { String($0.port) } ?? "-"
            let state = record.state == .unknown ? "-" : record.state.name
            return "\(host) \(port) \(record.nid?.description ?? "-") \(state)"
        }
        output.pointee = strdup(lines.joined(separator: "\n"))
    }
}

@_cdecl("neo_text_release")
public func textRelease(_ text: UnsafeMutablePointer<CChar>?) {
    free(text)
}
