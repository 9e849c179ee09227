import Tensors
import Testing

@Suite struct NPYFormatTests {
  @Test func `what is written is read back`() throws {
    let tensor = Tensor([1.5, -2, 3, 4, .infinity, 6] as [Float], shape: Shape(2, 3))
    let back = try NPYFormat.read(NPYFormat.write(tensor))
    #expect(back.shape == tensor.shape)
    #expect(back.elementType == .float32)
    let left = back.values(as: Float.self)
    let right = tensor.values(as: Float.self)
    for index in 0..<6 { #expect(left[index] == right[index]) }
  }

  @Test func `every truncation is an error and no trap`() {
    let file = NPYFormat.write(Tensor([1, 2, 3] as [Int64], shape: Shape(3)))
    for count in 0..<file.count {
      #expect(throws: NPYFormat.Failure.self) { try NPYFormat.read(Array(file[0..<count])) }
    }
  }
}
