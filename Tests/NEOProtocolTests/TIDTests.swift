// The names are those of the golden data.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import NEOProtocol
import TestVectors
import Testing

@Suite struct TIDTests {
    struct File: Decodable {
        struct Conversion: Decodable {
            var unix_time_bits: Hex
            var tid: Hex
        }
        struct Date: Decodable {
            var tid: Hex
            var year: Int
            var month: Int
            var day: Int
            var hour: Int
            var minute: Int
            var datetime: String?
            var unix_time_bits: Hex?
        }
        struct Addition: Decodable {
            var tid: Hex
            var offset: String
            var result: Hex?
        }
        struct Generation: Decodable {
            var now_bits: Hex
            var last_tid: Hex
            var ttid: Hex?
            var partitions: Int?
            var result: Hex
        }
        var time_to_tid: [Conversion]
        var tid_to_time: [Date]
        var add_tid: [Addition]
        var next_tid: [Generation]
    }

    let file: File

    init() throws {
        file = try Vectors.load("tids.json")
    }

    @Test func timesBecomeTIDs() {
        for vector in file.time_to_tid {
            let time = Double(bitPattern: vector.unix_time_bits.integer)
            #expect(TID(unixTime: time) == TID(vector.tid.integer), "\(time)")
        }
    }

    @Test func timesOutOfRangeAreRefused() {
        for time in [-.infinity, .infinity, .nan, -2_208_988_800.5, 253_402_300_800, 1e300, -1e300] as [Double] {
            #expect(TID(unixTime: time) == nil)
        }
        #expect(TID(unixTime: -2_208_988_800) == .zero)
    }

    @Test func datesOfTIDs() {
        for vector in file.tid_to_time {
            let date = UTCDate(TID(vector.tid.integer))
            #expect(date.year == vector.year)
            #expect(date.month == vector.month)
            #expect(date.day == vector.day)
            #expect(date.secondOfDay / 60 == vector.hour * 60 + vector.minute)
            if let text = vector.datetime { #expect(date.description == text) }
            if let bits = vector.unix_time_bits { #expect(date.unixTime == Double(bitPattern: bits.integer)) }
        }
    }

    @Test func calendarAddition() throws {
        for vector in file.add_tid {
            let offset = try #require(Int64(vector.offset))
            let result = TID(vector.tid.integer).advanced(by: offset)
            #expect(result == vector.result.map { TID($0.integer) }, "\(vector.tid) + \(offset)")
        }
    }

    @Test func boundsSaturate() {
        #expect(TID(0x0102_ffff_ffff).successor == TID(0x0103_0000_0000))
        #expect(TID(.max).successor == TID(.max))
        #expect(TID(1).predecessor == .zero)
        #expect(TID.zero.predecessor == .zero)
    }

    @Test func generation() throws {
        for vector in file.next_tid {
            let now = try #require(TID(unixTime: Double(bitPattern: vector.now_bits.integer)))
            let last = TID(vector.last_tid.integer)
            let result =
                if let ttid = vector.ttid {
                    TID.next(now: now, last: last, ttid: TID(ttid.integer), partitions: try #require(vector.partitions))
                } else {
                    TID.next(now: now, last: last)
                }
            #expect(result == TID(vector.result.integer), "\(vector)")
        }
    }

    /// Around the end of February the calendar skips values: the reference fails an assertion there.
    @Test(arguments: [1, 2, 7, 12, 100, 1009, 65_521, 4_294_967_295])
    func theFinalTIDStaysInThePartitionAtTheEndOfAMonth(partitions: Int) throws {
        // 2023-02-28 23:59 and 2024-04-30 23:59, minus and plus some minutes.
        var random = SplitMix(seed: 1)
        for month in [TID(unixTime: 1_677_628_799.9), TID(unixTime: 1_714_521_599.9)] {
            let month = try #require(month)
            for _ in 0..<2000 {
                let now = try #require(month.advanced(by: .random(in: -(5 << 32)...(5 << 32), using: &random)))
                let ttid = try #require(month.advanced(by: .random(in: -(5 << 32)...(5 << 32), using: &random)))
                let last = try #require(ttid.advanced(by: [0, 1, 5, 1 << 30, 3 << 32].randomElement(using: &random)!))
                let tid = try #require(TID.next(now: now, last: last, ttid: ttid, partitions: partitions))
                #expect(tid.partition(of: partitions) == ttid.partition(of: partitions))
                #expect(tid > last || tid == ttid && ttid == last)
                #expect(UTCDate(tid).day <= 30)
            }
        }
    }

    /// A clock that goes back, or is far away, must not make TIDs that decrease.
    @Test func tidsAlwaysIncrease() throws {
        var random = SplitMix(seed: 1)
        for partitions in [1, 3, 12] {
            var last = TID.zero
            for _ in 0..<2000 {
                let now = try #require(TID(unixTime: .random(in: -2e9...5e9, using: &random)))
                let ttid = try #require(TID.next(now: now, last: last))
                #expect(ttid > last)
                let tid = try #require(TID.next(now: now, last: ttid, ttid: ttid, partitions: partitions))
                #expect(tid >= ttid)
                #expect(tid.partition(of: partitions) == ttid.partition(of: partitions))
                last = Bool.random(using: &random) ? tid : .zero
            }
        }
    }

    @Test func nothingTrapsOnAnyValue() {
        var random = SplitMix(seed: 1)
        var values: [UInt64] = [0, 1, .max, .max - 1, 0x7fff_ffff_ffff_ffff, 0x8000_0000_0000_0000, 0xffff_ffff]
        for _ in 0..<300 { values.append(.random(in: 0 ... .max, using: &random)) }
        let offsets: [Int64] = [0, 1, -1, .max, .min, 1 << 32, -1 << 32, .max - 1, .min + 1]
        let counts = [1, 2, 7, 4096, 4_294_967_295, .max, 0, -1, .min]
        for value in values {
            let tid = TID(value)
            _ = UTCDate(tid).description
            _ = UTCDate(tid).unixTime
            for offset in offsets { _ = tid.advanced(by: offset) }
            let other = TID(values.randomElement(using: &random)!)
            for partitions in counts {
                for result in [
                    TID.next(now: tid, last: other, ttid: tid, partitions: partitions),
                    TID.next(now: tid, last: other, ttid: other, partitions: partitions),
                ] {
                    if let result { #expect(result >= min(tid, other)) }
                }
            }
            if let next = TID.next(now: tid, last: other) { #expect(next > other && next <= .max) }
        }
    }

    @Test func noTIDIsLeftAfterTheGreatestOne() {
        #expect(TID.next(now: .zero, last: .max) == nil)
        #expect(TID.next(now: .zero, last: TID(.max)) == nil)
        #expect(TID.next(now: .zero, last: .max, ttid: .zero, partitions: 3) == nil)
        #expect(TID.next(now: .zero, last: .max, ttid: .max, partitions: 3) == .max)
    }
}

@Suite struct PartitionTests {
    struct File: Decodable {
        struct Case: Decodable {
            var id: Hex
            var partitions: Int
            var partition: Int
        }
        var cases: [Case]
    }

    @Test func partitionsOfIdentifiers() throws {
        for vector in try Vectors.load("partition.json", as: File.self).cases {
            #expect(OID(vector.id.integer).partition(of: vector.partitions) == vector.partition)
            #expect(TID(vector.id.integer).partition(of: vector.partitions) == vector.partition)
        }
    }
}
