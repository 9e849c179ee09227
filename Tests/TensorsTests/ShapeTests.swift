import Tensors
import Testing

@Suite struct ShapeTests {
  @Test(arguments: [0, 1, 7, -1, Int.max, Int.max / 16, 1 << 31])
  func `a table's shape is that of its two dimensions`(rows: Int) {
    for columns in [0, 1, 3, -2, Int.max, 1 << 29] {
      let table = Result { () throws(TensorError) in try Shape(rows: rows, columns: columns) }
      let list = Result { () throws(TensorError) in try Shape(checking: [rows, columns]) }
      switch (table, list) {
      case (.success(let left), .success(let right)):
        #expect(left == right && left.elementCount == right.elementCount)
      case (.failure(let left), .failure(let right)): #expect("\(left)" == "\(right)")
      default: Issue.record("\(table) and \(list)")
      }
    }
  }

  @Test func `a shape knows how many elements a tensor has`() throws {
    #expect(Shape(2, 3, 4).elementCount == 24)
    #expect(Shape().elementCount == 1)
    #expect(Shape(2, 0, 4).elementCount == 0)
  }

  @Test(arguments: [[1, -2], [1 << 40, 1 << 40], Array(repeating: 1, count: 9), [0, -1]])
  func `a foreign shape that cannot be is an error`(dimensions: [Int]) {
    #expect(throws: TensorError.self) { try Shape(checking: dimensions) }
  }

  @Test func `zero in one dimension does not hide an overflow in the others`() {
    #expect(throws: TensorError.self) { try Shape(checking: [0, 1 << 40, 1 << 40]) }
  }
}
