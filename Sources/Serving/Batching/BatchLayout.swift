internal import Executors
internal import Tensors

/// What two requests must have in common to be run as one: the same inputs, with the same types
/// and the same dimensions after the first, and the same outputs wanted.
struct BatchLayout: Equatable {
  private struct Input: Equatable {
    var elementType: ElementType
    /// The dimensions with 1 for the first.
    var row: Shape
  }

  private var inputs: [Input?] = []
  private var outputs: [Int]

  /// nil for a request that runs alone: without rows, with inputs of different numbers of rows,
  /// or with nothing in a row.
  init?(_ tensors: [Tensor?], outputs: [Int]) {
    self.outputs = outputs
    inputs.reserveCapacity(tensors.count)
    var rows: Int?
    for tensor in tensors {
      guard let tensor else {
        inputs.append(nil)
        continue
      }
      guard tensor.shape.rank > 0, tensor.shape.elementCount > 0,
        tensor.rowCount == rows ?? tensor.rowCount
      else { return nil }
      rows = tensor.rowCount
      inputs.append(Input(elementType: tensor.elementType, row: tensor.shape.withRows(1)))
    }
    if rows == nil { return nil }
  }

  /// Rows of a request that has this layout.
  func rowCount(of tensors: [Tensor?]) -> Int {
    for case let tensor? in tensors { return tensor.rowCount }
    return 0
  }
}
