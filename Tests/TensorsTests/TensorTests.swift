import Testing

@testable import Tensors

/// What an operator does when it is built: keeps a tensor and reads it, in one branch.
private struct Labels {
  let tensor: Tensor
  let numbers: [Int64]

  init(_ tensor: Tensor) {
    self.tensor = tensor
    if tensor.elementType == .string {
      numbers = []
    } else {
      let values = tensor.values(as: Int64.self)
      numbers = values.indices.map { values[$0] }
    }
  }
}

/// The same in an initializer that may throw before.
private struct CheckedLabels {
  let tensor: Tensor
  let first: Int64

  init(_ tensor: Tensor) throws(TensorError) {
    self.tensor = tensor
    guard tensor.shape.elementCount > 0 else {
      throw .shape(tensor.shape.array, reason: "it is empty")
    }
    let values = tensor.values(as: Int64.self)
    first = values[0]
  }
}

@Test func `memory that an initializer reads in a branch lives as long as its tensor`() throws {
  // Swift 6.3.1 releases such a tensor twice when it holds an inline array.
  weak var seen: TensorBuffer?
  func made() -> Tensor {
    let buffer = TensorBuffer(byteCount: 24)
    seen = buffer
    return Tensor(.int64, shape: Shape(3), buffer: buffer)
  }
  let labels = Labels(made())
  #expect(seen != nil)
  #expect(labels.numbers == [0, 0, 0])
  withExtendedLifetime(labels) {}
  let checked = try CheckedLabels(made())
  #expect(seen != nil)
  #expect(checked.first == 0)
  withExtendedLifetime(checked) {}
}
