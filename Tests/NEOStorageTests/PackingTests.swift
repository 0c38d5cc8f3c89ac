import NEODatabase
import NEOProtocol
import Testing

@testable import NEOStorage

/// The choice of pack orders and the advance on cells, without a storage around.
@Suite struct PackingTests {
    private static func cells(_ packed: UInt64...) -> [Packing.Cell] {
        packed.enumerated().map { Packing.Cell(partition: $0.offset, packed: TID($0.element)) }
    }

    private static func order(_ id: UInt64, _ tid: UInt64, oids: [UInt64]? = nil, approved: Bool? = true) -> PackOrder {
        PackOrder(
            id: TID(id),
            approved: approved,
            isPartial: oids != nil,
            oids: oids.map { OIDList($0.map { OID($0) }) },
            tid: TID(tid)
        )
    }

    private static func everything(_: PartitionID, _: TID) -> Bool { true }

    @Test("Without cells, or with nothing approved that they did not do, nothing happens")
    func nothing() {
        var packing = Packing()
        #expect(packing.evaluate([], last: TID(9), isEligible: Self.everything) == .none)
        #expect(packing.evaluate(Self.cells(9, 9), last: TID(9), isEligible: Self.everything) == .none)
        #expect(packing.evaluate(Self.cells(9), last: .zero, isEligible: Self.everything) == .none)
        #expect(packing.state == .idle)
    }

    @Test("The order after the smallest one completed is asked; cells that completed more are left alone")
    func choice() {
        var packing = Packing()
        #expect(packing.evaluate(Self.cells(5, 7, 5), last: TID(9), isEligible: Self.everything) == .ask(min: TID(6)))
        // Nothing is asked twice.
        #expect(packing.evaluate(Self.cells(5, 7, 5), last: TID(9), isEligible: Self.everything) == .none)
        #expect(packing.received([Self.order(7, 3)], after: TID(5), partitions: 3) == true)
        #expect(packing.evaluate(Self.cells(5, 7, 5), last: TID(9), isEligible: Self.everything) == .work)
        #expect(packing.state == .working(Packing.Work(remaining: [0, 2])))
    }

    @Test("Answers that do not help: none, unsigned, rejected, older, of an older question")
    func uselessAnswers() {
        for orders in [[], [Self.order(7, 3, approved: nil)], [Self.order(7, 3, approved: false)], [Self.order(5, 3)]] {
            var packing = Packing()
            _ = packing.evaluate(Self.cells(5), last: TID(9), isEligible: Self.everything)
            #expect(packing.received([Self.order(7, 3)], after: TID(4), partitions: 1) == false)
            #expect(packing.received(orders, after: TID(5), partitions: 1) == false)
            #expect(packing.state == .idle)
        }
    }

    @Test("Cells are packed one after the other, slice by slice, each recorded before the next")
    func advance() throws {
        var packing = working(Self.order(7, 3))
        var slice = try next(&packing)
        #expect(slice.partition == 0)
        #expect(slice.slice == PackSlice(tid: TID(3)))
        #expect(packing.nextSlice()?.partition == nil)
        #expect(packing.packed(0, next: OID(40)) == .next)
        slice = try next(&packing)
        #expect(slice.slice.from == OID(40))
        #expect(packing.packed(0, next: nil) == .record(TID(7)))
        #expect(packing.nextSlice()?.partition == nil)
        #expect(packing.recorded(0) == false)
        slice = try next(&packing)
        #expect(slice.partition == 1)
        #expect(slice.slice.from == .zero)
        #expect(packing.packed(1, next: nil) == .record(TID(7)))
        #expect(packing.recorded(1) == true)
        #expect(packing.state == .idle)
    }

    @Test("A partial order goes to each partition with its own objects, sorted, once each")
    func partial() throws {
        var packing = working(Self.order(7, 3, oids: [9, 4, 1, 4, 3]))
        var oids = try next(&packing).slice.oids
        #expect(oids == [OID(4)])
        #expect(packing.packed(0, next: nil) == .record(TID(7)))
        _ = packing.recorded(0)
        oids = try next(&packing).slice.oids
        #expect(oids == [OID(1), OID(3), OID(9)])
    }

    @Test("A cell taken away while a slice is under way is not recorded, the others go on")
    func takenAway() throws {
        var packing = working(Self.order(7, 3))
        _ = packing.nextSlice()
        packing.remove(0)
        // The writer is still busy with it.
        #expect(packing.nextSlice()?.partition == nil)
        #expect(packing.packed(0, next: nil) == .next)
        let following = try next(&packing)
        #expect(following.partition == 1)
        packing.remove(1)
        #expect(packing.state != .idle)
        #expect(packing.packed(1, next: OID(4)) == .end)
        #expect(packing.state == .idle)
    }

    @Test("The last cell is taken away while its completion is recorded, or before anything began")
    func takenAwayAtTheEnd() {
        var packing = working(Self.order(7, 3))
        packing.remove(0)
        _ = packing.nextSlice()
        #expect(packing.packed(1, next: nil) == .record(TID(7)))
        packing.remove(1)
        #expect(packing.recorded(1) == true)
        #expect(packing.state == .idle)

        packing = working(Self.order(7, 3))
        packing.remove(1)
        packing.remove(0)
        #expect(packing.state == .idle)
    }

    @Test("Cells that could not do it with the others do it later, without asking again")
    func late() {
        var packing = Packing()
        _ = packing.evaluate(Self.cells(5, 5), last: TID(7), isEligible: Self.everything)
        _ = packing.received([Self.order(7, 3)], after: TID(5), partitions: 2)
        #expect(packing.evaluate(Self.cells(5, 5), last: TID(7)) { partition, _ in partition == 0 } == .work)
        _ = packing.nextSlice()
        _ = packing.packed(0, next: nil)
        #expect(packing.recorded(0) == true)
        #expect(packing.evaluate(Self.cells(7, 5), last: TID(7)) { partition, _ in partition == 0 } == .none)
        #expect(packing.evaluate(Self.cells(7, 5), last: TID(7), isEligible: Self.everything) == .work)
        #expect(packing.state == .working(Packing.Work(remaining: [1])))
    }

    private func next(_ packing: inout Packing) throws -> (partition: PartitionID, slice: PackSlice) {
        let slice = packing.nextSlice()
        return try #require(slice)
    }

    /// Two cells, in the middle of an order.
    private func working(_ order: PackOrder) -> Packing {
        var packing = Packing()
        _ = packing.evaluate(Self.cells(0, 0), last: order.id, isEligible: Self.everything)
        _ = packing.received([order], after: .zero, partitions: 2)
        _ = packing.evaluate(Self.cells(0, 0), last: order.id, isEligible: Self.everything)
        return packing
    }
}
