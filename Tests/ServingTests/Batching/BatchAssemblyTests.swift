import Executors
import Tensors
import Testing

@testable import Serving

struct BatchAssemblyTests {
  @Test func `rows that were joined come back as they were`() throws {
    let parts = (1...3).map { count -> [Tensor?] in
      let values = (0..<count * 2).map { Float($0) + Float(count) * 100 }
      let names = ByteStrings((0..<count).map { "row \($0) of \(count)" })
      return [
        Tensor(values, shape: Shape(count, 2)), nil,
        Tensor(strings: names, shape: Shape(count, 1)),
      ]
    }
    var joined: [Tensor?] = []
    // Twice, the second time in the memory of the first.
    for _ in 0..<2 {
      BatchAssembly.join(parts, into: &joined)
      #expect(joined.count == 3)
      #expect(joined[0]?.shape == Shape(6, 2))
      #expect(joined[1] == nil)
      #expect(joined[2]?.shape == Shape(6, 1))
      let values: [ModelValue] = [
        .tensor(try #require(joined[0])), .tensor(try #require(joined[2])),
      ]
      var start = 0
      for part in parts {
        let count = part[0]?.rowCount ?? 0
        let found = try #require(
          BatchAssembly.rows(start..<start + count, of: values, total: 6))
        let expected: [ModelValue] = part.compactMap { $0.map { .tensor($0) } }
        #expect(BatchAssembly.isSame(found, expected))
        start += count
      }
    }
  }

  @Test func `a result without as many rows cannot be split`() {
    let values: [ModelValue] = [.tensor(Tensor([1, 2] as [Float], shape: Shape(2)))]
    #expect(BatchAssembly.rows(0..<1, of: values, total: 3) == nil)
    let scalar: [ModelValue] = [.tensor(Tensor([1] as [Float], shape: Shape()))]
    #expect(BatchAssembly.rows(0..<1, of: scalar, total: 1) == nil)
  }

  @Test func `requests share a layout when only their number of rows differs`() throws {
    func tensor(_ dimensions: [Int], _ type: ElementType = .float32) throws -> Tensor {
      Tensor(type, shape: try Shape(checking: dimensions))
    }
    let layout = try #require(BatchLayout([tensor([1, 4])], outputs: [0]))
    #expect(layout == BatchLayout([try tensor([7, 4])], outputs: [0]))
    #expect(layout != BatchLayout([try tensor([7, 5])], outputs: [0]))
    #expect(layout != BatchLayout([try tensor([7, 4, 1])], outputs: [0]))
    #expect(layout != BatchLayout([try tensor([7, 4], .float64)], outputs: [0]))
    #expect(layout != BatchLayout([try tensor([7, 4])], outputs: [0, 1]))
    #expect(layout != BatchLayout([try tensor([7, 4]), nil], outputs: [0]))
    // These run alone: no rows, nothing in a row, rows that do not fit together, no row axis.
    #expect(BatchLayout([try tensor([0, 4])], outputs: [0]) == nil)
    #expect(BatchLayout([try tensor([1 << 40, 0])], outputs: [0]) == nil)
    #expect(BatchLayout([try tensor([2, 4]), try tensor([3, 4])], outputs: [0]) == nil)
    #expect(BatchLayout([try tensor([])], outputs: [0]) == nil)
    #expect(BatchLayout([nil], outputs: [0]) == nil)
  }
}
