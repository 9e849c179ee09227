internal import Executors
internal import Tensors

/// A model of doubles behind a signature that says float32: MLflow rounds what comes to that, and
/// a number beside a tree's threshold may go the other way then.
struct RoundingExecutor: ModelExecutor {
  private let inner: any ModelExecutor
  /// Whether each column is rounded.
  private let isRounded: [Bool]

  var signature: ModelSignature { inner.signature }
  var summary: String { inner.summary }
  var batchDependentNodes: [String] { inner.batchDependentNodes }
  var classRule: ClassRule { inner.classRule }

  /// nil for a model that takes no table of doubles.
  init?(_ inner: any ModelExecutor, _ floats: MLflowSignature.Floats) {
    guard inner.signature.inputs.count == 1, let input = inner.signature.inputs.first,
      input.elementType == .float64, input.shape.count == 2, let width = input.shape[1], width > 0
    else { return nil }
    self.inner = inner
    switch floats {
    case .all: isRounded = [Bool](repeating: true, count: width)
    case .columns(let places): isRounded = (0..<width).map(places.contains)
    }
  }

  func makeScratch() -> Scratch { inner.makeScratch() }

  func predict(
    _ inputs: [Tensor?], outputs: [Int], scratch: Scratch
  ) throws(ExecutorError) -> [ModelValue] {
    try inner.predict(inputs.map { $0.map(rounded) }, outputs: outputs, scratch: scratch)
  }

  private func rounded(_ table: Tensor) -> Tensor {
    guard table.elementType == .float64 else { return table }
    let cells = table.values(as: Double.self)
    var result: [Double] = []
    result.reserveCapacity(cells.count)
    for index in cells.indices {
      let isFloat = isRounded[index % isRounded.count]
      result.append(isFloat ? Double(Float(cells[index])) : cells[index])
    }
    return Tensor(result, shape: table.shape)
  }
}
