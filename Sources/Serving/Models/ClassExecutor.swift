internal import Executors
internal import Tensors

/// A tree model behind scikit-learn's classifier interface: `predict` gives the number of the
/// class, as `XGBClassifier.predict` does.
struct ClassExecutor: ModelExecutor {
  let signature: ModelSignature
  private let inner: any ModelExecutor

  var batchDependentNodes: [String] { inner.batchDependentNodes }
  var summary: String { inner.summary + ", classes" }

  init(_ inner: any ModelExecutor) {
    self.inner = inner
    var signature = inner.signature
    signature.outputs[0].kind = .tensor(.int64, shape: [nil])
    self.signature = signature
  }

  func makeScratch() -> Scratch { inner.makeScratch() }

  func predict(
    _ inputs: [Tensor?], outputs: [Int], scratch: Scratch
  ) throws(ExecutorError) -> [ModelValue] {
    var values = try inner.predict(inputs, outputs: outputs, scratch: scratch)
    for (place, output) in outputs.enumerated() where output == 0 {
      if case .tensor(let scores) = values[place], scores.elementType == .float32 {
        values[place] = .tensor(ClassExecutor.classes(of: scores))
      }
    }
    return values
  }

  /// One score a row: the second class above a half; several: the first of the largest.
  private static func classes(of scores: Tensor) -> Tensor {
    let rows = scores.rowCount
    let values = scores.values(as: Float.self)
    let width = rows == 0 ? 1 : values.count / rows
    var classes: [Int64] = []
    classes.reserveCapacity(rows)
    for row in 0..<rows {
      if scores.shape.rank == 1 {
        classes.append(values[row] > 0.5 ? 1 : 0)
        continue
      }
      var best = 0
      for column in 0..<width where values[row * width + column] > values[row * width + best] {
        best = column
      }
      classes.append(Int64(best))
    }
    return Tensor(classes, shape: Shape(rows))
  }
}
