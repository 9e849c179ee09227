import Tensors
import Testing

@Suite struct ShapeTests {
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
