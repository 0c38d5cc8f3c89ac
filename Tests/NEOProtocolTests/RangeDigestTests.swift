// The names are those of the golden data.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import NEOProtocol
import NIOCore
import TestVectors
import Testing

@Suite struct RangeDigestTests {
    struct File: Decodable {
        struct Serial: Decodable {
            var tid: TID
            var oid: OID

            init(from decoder: any Decoder) throws {
                var container = try decoder.unkeyedContainer()
                tid = TID(UInt64(try container.decode(String.self)) ?? .max)
                oid = OID(try container.decode(UInt64.self))
            }
        }
        /// The arguments of the answer: a number, then hexadecimal strings.
        struct Answer: Decodable {
            var count: Int
            var fields: [String] = []

            init(from decoder: any Decoder) throws {
                var container = try decoder.unkeyedContainer()
                count = try container.decode(Int.self)
                while !container.isAtEnd { fields.append(try container.decode(String.self)) }
            }
        }
        struct Case: Decodable {
            var kind: String
            var length: Int
            var min_tid: Hex
            var max_tid: Hex
            var min_oid: Hex?
            var answer: Answer
        }
        var transactions: [String]
        var objects: [Serial]
        var cases: [Case]
    }

    @Test func digestsAreThoseOfTheReference() throws {
        let file = try Vectors.load("check_range.json", as: File.self)
        for vector in file.cases {
            let range = TID(vector.min_tid.integer)...TID(vector.max_tid.integer)
            if let minimum = vector.min_oid {
                let start = (range.lowerBound, OID(minimum.integer))
                let serials = file.objects.lazy.map { (tid: $0.tid, oid: $0.oid) }
                    .filter { ($0.tid, $0.oid) >= start && $0.tid <= range.upperBound }
                let answer = AnswerCheckSerialRange(serials.prefix(vector.length))
                #expect(answer.count == vector.answer.count)
                #expect(
                    vector.answer.fields == [
                        answer.tidDigest.description, answer.lastTID.description, answer.oidDigest.description,
                        answer.lastOID.description,
                    ]
                )
            } else {
                let tids = try file.transactions.map { TID(try #require(UInt64($0))) }.filter(range.contains)
                let answer = AnswerCheckTIDRange(tids.prefix(vector.length))
                #expect(answer.count == vector.answer.count)
                #expect(vector.answer.fields == [answer.digest.description, answer.last.description])
            }
        }
    }

    /// The text is hashed in parts: their borders must not show.
    @Test func manyValues() {
        let values = (0..<40_000).map { UInt64($0) * 0x1_0000_0001 } + [.max]
        var digest = RangeDigest()
        for value in values { digest.append(value) }
        var text = ByteBuffer()
        text.writeString(values.map { String($0) }.joined(separator: ","))
        #expect(digest.count == values.count)
        #expect(digest.checksum == Checksum(of: text))
    }
}
