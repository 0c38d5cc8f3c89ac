import CNEOClient
import NEOClient
import NEOProtocol
import NIOCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// 8 bytes of C, as arrays of C come to Swift.
typealias Identifier = (UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8)

func write(_ value: UInt64, to identifier: inout Identifier) {
    withUnsafeMutableBytes(of: &identifier) { $0.storeBytes(of: value.bigEndian, as: UInt64.self) }
}

func write(_ value: UInt64, to bytes: UnsafeMutablePointer<UInt8>?) {
    guard let bytes else { return }
    UnsafeMutableRawPointer(bytes).storeBytes(of: value.bigEndian, as: UInt64.self)
}

/// The 8 bytes at `bytes`; 0 if it is null.
func read(_ bytes: UnsafePointer<UInt8>?) -> UInt64 {
    guard let bytes else { return 0 }
    return UInt64(bigEndian: UnsafeRawPointer(bytes).loadUnaligned(as: UInt64.self))
}

func read(_ identifier: Identifier) -> UInt64 {
    withUnsafeBytes(of: identifier) { UInt64(bigEndian: $0.loadUnaligned(as: UInt64.self)) }
}

func buffer(_ bytes: UnsafePointer<UInt8>?, _ length: Int64) -> ByteBuffer {
    guard let bytes, length > 0 else { return ByteBuffer() }
    return ByteBuffer(bytes: UnsafeBufferPointer(start: bytes, count: Int(length)))
}

/// Memory of C with the bytes of a record: never null, released by `free`.
func allocate(_ data: ByteBuffer) -> UnsafeMutablePointer<UInt8>? {
    let copy = malloc(max(1, data.readableBytes))
    if let copy {
        data.withUnsafeReadableBytes {
            copy.copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(copy), byteCount: $0.count)
        }
    }
    return copy?.assumingMemoryBound(to: UInt8.self)
}

/// The error of C for a failure: released by `neo_error_release`.
func allocate(_ error: ClientError) -> UnsafeMutablePointer<neo_error> {
    let pointer = UnsafeMutablePointer<neo_error>.allocate(capacity: 1)
    var value = neo_error()
    value.code = error.code.rawValue
    value.message = UnsafePointer(strdup(error.message))
    if let oid = error.oid {
        value.has_oid = 1
        write(oid.rawValue, to: &value.oid)
    }
    if let serial = error.serial {
        value.has_serial = 1
        write(serial.rawValue, to: &value.serial)
    }
    if let base = error.base {
        value.has_base = 1
        write(base.rawValue, to: &value.base)
    }
    if let data = error.data {
        value.data = UnsafePointer(allocate(data))
        value.length = Int64(data.readableBytes)
    }
    pointer.initialize(to: value)
    return pointer
}

/// Runs what a C function does; null, or its error.
func attempt(_ body: () throws(ClientError) -> Void) -> UnsafeMutablePointer<neo_error>? {
    do throws(ClientError) {
        try body()
        return nil
    } catch {
        return allocate(error)
    }
}

/// The object behind a handle of the program.
func required<Object>(_ object: Object?) throws(ClientError) -> Object {
    guard let object else { throw ClientError(.invalidArgument, "expected a handle or a pointer, got NULL") }
    return object
}

/// Gives conflicts to the program: released by `neo_conflicts_release`.
func give(_ conflicts: [Conflict], to output: UnsafeMutablePointer<neo_conflicts>?) {
    guard let output else { return }
    output.pointee = neo_conflicts()
    guard !conflicts.isEmpty else { return }
    let array = UnsafeMutablePointer<neo_conflict>.allocate(capacity: conflicts.count)
    for (index, conflict) in conflicts.enumerated() {
        var value = neo_conflict()
        write(conflict.oid.rawValue, to: &value.oid)
        write(conflict.serial.rawValue, to: &value.serial)
        write(conflict.base.rawValue, to: &value.base)
        value.data = UnsafePointer(allocate(conflict.data))
        value.length = Int64(conflict.data.readableBytes)
        (array + index).initialize(to: value)
    }
    output.pointee.conflicts = UnsafePointer(array)
    output.pointee.count = Int64(conflicts.count)
    output.pointee.owner = UnsafeMutableRawPointer(array)
}

/// Frees what ``allocate(_:)`` gave.
func release(_ data: UnsafePointer<UInt8>?) { free(UnsafeMutablePointer(mutating: data)) }
