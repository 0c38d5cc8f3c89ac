// Times of small operations: `swift run -c release MicroBenchmarks`.

import NEOProtocol
import NIOCore

/// Runs `body`, which does `count` operations, for about a second, and prints the best time of one operation.
func measure(_ name: String, count: Int, _ body: () -> Void) {
    let clock = ContinuousClock()
    var best = Duration.seconds(1000)
    let end = clock.now + .milliseconds(700)
    while clock.now < end { best = min(best, clock.measure(body)) }
    let nanoseconds = Double(best.components.attoseconds) / 1e9 / Double(count)
    print("\(name): \((nanoseconds * 10).rounded() / 10) ns")
}

let data = ByteBuffer(bytes: (0..<1024).map { UInt8(truncatingIfNeeded: $0 &* 31) })
let stored = StoredData(record: data, policy: .off)
let packets: [(name: String, packet: Packet)] = [
    ("AskObject", AskObject(oid: OID(1), at: TID(5), before: TID(6)).packet),
    (
        "AnswerObject (1 KiB)",
        AnswerObject(
            oid: OID(1),
            serial: TID(5),
            nextSerial: nil,
            compression: 0,
            checksum: stored.checksum,
            data: data,
            dataTID: nil
        ).packet
    ),
    (
        "AskStoreObject (1 KiB)",
        AskStoreObject(
            oid: OID(1),
            serial: TID(5),
            compression: 0,
            checksum: stored.checksum,
            data: data,
            dataTID: nil,
            ttid: TID(7)
        ).packet
    ),
    ("AnswerStoreObject", AnswerStoreObject(conflict: nil).packet),
    ("InvalidateObjects (100)", InvalidateObjects(tid: TID(5), oids: (0..<100).map { OID($0) }).packet),
]
let count = 1000
for (name, packet) in packets {
    var output = ByteBuffer()
    measure("encode \(name)", count: count) {
        output.clear()
        for id in 0..<UInt32(count) { Frame(id: id, packet).encode(into: &output) }
    }
    let stream = output
    measure("decode \(name)", count: count) {
        var decoder = FrameDecoder()
        decoder.receive(ByteBuffer(bytes: FrameDecoder.handshake))
        _ = try? decoder.next()
        // Something of each frame is used, so that it is really decoded.
        var identity: UInt32 = 0
        // As it comes from a socket.
        var rest = stream
        while let chunk = rest.readSlice(length: min(65_536, rest.readableBytes)), chunk.readableBytes > 0 {
            decoder.receive(chunk)
            while let frame = try? decoder.next() { identity &+= frame.id }
        }
    }
}
let compressible = ByteBuffer(bytes: (0..<1024).map { UInt8(truncatingIfNeeded: $0 / 16) })
measure("checksum (1 KiB)", count: 1000) { for _ in 0..<1000 { _ = Checksum(of: data) } }
measure("compress (1 KiB)", count: 100) { for _ in 0..<100 { _ = StoredData(record: compressible, policy: .zlib) } }
let compressed = StoredData(record: compressible, policy: .zlib)
measure("decompress (1 KiB)", count: 100) { for _ in 0..<100 { _ = try? compressed.record() } }
