internal import Executors
internal import Tensors

/// A tree model behind scikit-learn's classifier interface: `predict` gives the number of the
/// class, or 0 and 1 for each of several targets, as `XGBClassifier.predict` does.
struct ClassExecutor: ModelExecutor {
  let signature: ModelSignature
  private let inner: any ModelExecutor

  var batchDependentNodes: [String] { inner.batchDependentNodes }
  var summary: String { inner.summary + ", classes" }

  init(_ inner: any ModelExecutor) {
    self.inner = inner
    var signature = inner.signature
    var shape: [Int?] = [nil]
    if inner.classRule == .aboveHalf, case .tensor(_, let given) = signature.outputs[0].kind {
      shape = given
    }
    signature.outputs[0].kind = .tensor(.int64, shape: shape)
    self.signature = signature
  }

  func makeScratch() -> Scratch { inner.makeScratch() }

  func predict(
    _ inputs: [Tensor?], outputs: [Int], scratch: Scratch
  ) throws(ExecutorError) -> [ModelValue] {
    var values = try inner.predict(inputs, outputs: outputs, scratch: scratch)
    for (place, output) in outputs.enumerated() where output == 0 {
      if case .tensor(let scores) = values[place], scores.elementType == .float32 {
        values[place] = .tensor(classes(of: scores))
      }
    }
    return values
  }

  private func classes(of scores: Tensor) -> Tensor {
    let values = scores.values(as: Float.self)
    var classes: [Int64] = []
    classes.reserveCapacity(values.count)
    switch inner.classRule {
    // Whole numbers below the count of classes: `FloatLink.bestClass`.
    case .number:
      for index in values.indices { classes.append(Int64(exactly: values[index]) ?? 0) }
    case .aboveHalf:
      for index in values.indices { classes.append(values[index] > 0.5 ? 1 : 0) }
    case .largest:
      let rows = scores.rowCount
      let width = rows == 0 ? 1 : values.count / rows
      for row in 0..<rows {
        var best = 0
        for column in 0..<width where values[row * width + column] > values[row * width + best] {
          best = column
        }
        classes.append(Int64(best))
      }
      return Tensor(classes, shape: Shape(rows))
    }
    return Tensor(classes, shape: scores.shape)
  }
}
