import Executors
import Tensors

// Source: ONNX Operators-ml.md; what ONNX Runtime answers where that is silent.

extension OperatorTable {
  /// The types that most ai.onnx.ml operators take.
  static let learned: Set<ElementType> = [.float32, .float64, .int32, .int64]

  static let linearModels: [OperatorDefinition] = [
    OperatorDefinition("LinearRegressor", domain: "ai.onnx.ml", [1], learned) {
      context throws(ModelFormatError) in
      let targets = try context.integer("targets") ?? 1
      let weights = try context.floats("coefficients") ?? []
      let intercepts = try context.floats("intercepts") ?? []
      let transform = try PostTransform(attributeOf: &context)
      let scores = try LinearScores(weights, intercepts, rows: targets, in: context)
      // ONNX Runtime leaves one target as it is, but for PROBIT.
      return BuiltOperator(
        LinearRegressor(
          scores: scores, transform: targets == 1 && transform != .probit ? .none : transform),
        .float32)
    },
    OperatorDefinition("LinearClassifier", domain: "ai.onnx.ml", [1], learned) {
      context throws(ModelFormatError) in
      let weights = try context.floats("coefficients") ?? []
      let intercepts = try context.floats("intercepts") ?? []
      let integers = try context.integers("classlabels_ints") ?? []
      let strings = try context.strings("classlabels_strings") ?? []
      _ = try context.integer("multi_class")
      let transform = try PostTransform(attributeOf: &context)
      let labels: Tensor =
        strings.isEmpty
        ? Tensor(integers.map { Int64($0) }, shape: Shape(integers.count))
        : Tensor(strings: ByteStrings(strings), shape: Shape(strings.count))
      let count = labels.shape.elementCount
      guard count > 0 else { throw context.malformed("it has no class labels") }
      let rows = intercepts.isEmpty ? count : intercepts.count
      guard rows == count || (rows == 1 && count == 2) else {
        throw context.unsupported("\(rows) rows of coefficients for \(count) labels")
      }
      let scores = try LinearScores(weights, intercepts, rows: rows, in: context)
      return BuiltOperator(
        LinearClassifier(scores: scores, labels: labels, transform: transform),
        labels.elementType, .float32)
    },
  ]
}

/// X · Wᵀ + b, with W packed `(features, outputs)` at load.
struct LinearScores: Sendable {
  private let weights: [Float]
  private let intercepts: [Float]
  let features: Int
  let outputs: Int

  init(
    _ coefficients: [Float], _ intercepts: [Float], rows: Int, in context: NodeContext
  ) throws(ModelFormatError) {
    guard rows > 0, !coefficients.isEmpty, coefficients.count % rows == 0,
      intercepts.isEmpty || intercepts.count == rows
    else {
      throw context.malformed(
        "\(coefficients.count) coefficients and \(intercepts.count) intercepts for \(rows) rows")
    }
    outputs = rows
    features = coefficients.count / rows
    var weights = coefficients
    for row in 0..<rows {
      for column in 0..<features {
        weights[column * rows + row] = coefficients[row * features + column]
      }
    }
    self.weights = weights
    self.intercepts =
      intercepts.isEmpty ? [Float](repeating: 0, count: rows) : intercepts
  }

  func scores(of input: borrowing Tensor, into output: inout Tensor) throws(OperatorError) {
    let rows = try rowCount(input)
    var values = output.mutableValues(as: Float.self)
    var start = 0
    while start < values.count {
      for column in 0..<outputs { values[start + column] = intercepts[column] }
      start += outputs
    }
    if input.elementType == .float32 {
      BLAS.addProduct(
        input.values(as: Float.self), weights.span, rows: rows, inner: features,
        columns: outputs, to: &values)
      return
    }
    let features = try asFloat(copy input)
    BLAS.addProduct(
      features.values(as: Float.self), weights.span, rows: rows, inner: self.features,
      columns: outputs, to: &values)
  }

  /// Rows of a `(rows, features)` input; one row of features alone.
  func rowCount(_ input: borrowing Tensor) throws(OperatorError) -> Int {
    if input.shape.rank == 1, input.shape[0] == features { return 1 }
    guard input.shape.rank == 2, input.shape[1] == features else {
      throw OperatorError("the input has shape \(input.shape); [-1, \(features)] was expected")
    }
    return input.shape[0]
  }
}

/// The tensor as float32, as every ai.onnx.ml operator of version 1 computes.
func asFloat(_ tensor: Tensor) throws(OperatorError) -> Tensor {
  func converted<Element: TensorElement>(
    _: Element.Type, _ body: (Element) -> Float
  ) -> Tensor {
    var result = Tensor(.float32, shape: tensor.shape)
    let source = tensor.values(as: Element.self)
    var target = result.mutableValues(as: Float.self)
    for index in source.indices { target[index] = body(source[index]) }
    return result
  }
  switch tensor.elementType {
  case .float32: return tensor
  case .float64: return converted(Double.self) { Float($0) }
  case .int64: return converted(Int64.self) { Float($0) }
  case .int32: return converted(Int32.self) { Float($0) }
  default: throw OperatorError("the input is \(tensor.elementType.name)")
  }
}

struct LinearRegressor: Operator {
  let scores: LinearScores
  let transform: PostTransform

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let input = try scratch.input(0)
    let shape = try checkedShape(try scores.rowCount(input), scores.outputs)
    var output = try scratch.memory(0, shape)
    try scores.scores(of: input, into: &output)
    var values = output.mutableValues(as: Float.self)
    transform.apply(rowsOf: scores.outputs, &values)
    scratch.give(0, output)
  }
}

struct LinearClassifier: Operator {
  let scores: LinearScores
  let labels: Tensor
  let transform: PostTransform
  /// A `Normalizer` that follows, of which nobody sees the input.
  var normalizer: Normalizer?

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let input = try scratch.input(0)
    let rows = try scores.rowCount(input)
    let classes = labels.shape.elementCount
    var output = try scratch.memory(1, try checkedShape(rows, classes))
    if scores.outputs == 1, classes == 2 {
      try runPair(input, rows, &output, scratch)
    } else {
      try scores.scores(of: input, into: &output)
      if scratch.wants(output: 0) { try giveLabels(of: output, rows, classes, scratch) }
      if transform != .none {
        var target = output.mutableValues(as: Float.self)
        transform.apply(rowsOf: classes, &target)
      }
    }
    if let normalizer {
      var values = output.mutableValues(as: Float.self)
      normalizer.normalize(rowsOf: classes, &values)
    }
    scratch.give(1, output)
  }

  private func giveLabels(
    of output: borrowing Tensor, _ rows: Int, _ classes: Int, _ scratch: ONNXScratch
  ) throws(OperatorError) {
    if labels.elementType == .string {
      var writer = try scratch.writer(0, Shape(rows))
      for row in 0..<rows {
        writer.append(from: labels, start: best(of: output, row: row, classes), count: 1)
      }
      scratch.give(0, writer.finish())
      return
    }
    var names = try scratch.memory(0, Shape(rows))
    do {
      let labels = labels
      let known = labels.values(as: Int64.self)
      var target = names.mutableValues(as: Int64.self)
      for row in 0..<rows { target[row] = known[best(of: output, row: row, classes)] }
    }
    scratch.give(0, names)
  }

  /// The first of the largest scores.
  private func best(of scores: borrowing Tensor, row: Int, _ classes: Int) -> Int {
    let values = scores.values(as: Float.self)
    var best = 0
    for column in 1..<max(classes, 1)
    where values[row * classes + column] > values[row * classes + best] {
      best = column
    }
    return best
  }

  /// One score for two classes: positive means the second.
  ///
  /// Of the other transforms ONNX Runtime knows only PROBIT here. It then writes as many numbers of
  /// the answer as there are rows, and leaves the others as the memory was. Every row is answered
  /// as it answers a row alone, with the score in the place that it does not write.
  private func runPair(
    _ input: Tensor, _ rows: Int, _ output: inout Tensor, _ scratch: ONNXScratch
  ) throws(OperatorError) {
    var raw = Tensor(.float32, shape: try checkedShape(rows, 1))
    try scores.scores(of: input, into: &raw)
    let rawScores = raw
    let values = rawScores.values(as: Float.self)
    var target = output.mutableValues(as: Float.self)
    let isLogistic = transform == .logistic
    for row in 0..<rows {
      let score = values[row]
      target[row * 2] =
        isLogistic
        ? Activations.logistic(-score)
        : transform == .probit ? PostTransform.probit(score) : 1 - score
      target[row * 2 + 1] = isLogistic ? Activations.logistic(score) : score
    }
    guard scratch.wants(output: 0) else { return }
    var writer = try scratch.writer(0, Shape(rows))
    for row in 0..<rows {
      writer.append(from: labels, start: values[row] > 0 ? 1 : 0, count: 1)
    }
    scratch.give(0, writer.finish())
  }
}
