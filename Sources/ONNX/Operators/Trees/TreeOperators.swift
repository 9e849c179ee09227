import Executors
import Tensors

// Source: ONNX Operators-ml.md; what ONNX Runtime 1.31 answers where that is silent or where it
// differs, each such place tried on small graphs.

extension OperatorTable {
  static let trees: [OperatorDefinition] = [
    OperatorDefinition(
      "TreeEnsembleRegressor", domain: "ai.onnx.ml", [1, 3, 5], floats
    ) { context throws(ModelFormatError) in
      switch try context.type(0) {
      case .float64: try regressor(Double.self, &context)
      default: try regressor(Float.self, &context)
      }
    },
    OperatorDefinition(
      "TreeEnsembleClassifier", domain: "ai.onnx.ml", [1, 3, 5], learned
    ) { context throws(ModelFormatError) in
      switch try context.type(0) {
      case .float64: try classifier(Double.self, &context)
      default: try classifier(Float.self, &context)
      }
    },
    OperatorDefinition("TreeEnsemble", domain: "ai.onnx.ml", [5], floats) {
      context throws(ModelFormatError) in
      switch try context.type(0) {
      case .float64: try ensemble(Double.self, &context)
      default: try ensemble(Float.self, &context)
      }
    },
  ]

  private static func regressor<Number: TensorElement & BinaryFloatingPoint>(
    _: Number.Type, _ context: inout NodeContext
  ) throws(ModelFormatError) -> BuiltOperator {
    let targetCount = try context.integer("n_targets") ?? 0
    let transform = try PostTransform(attributeOf: &context)
    let name = try context.string("aggregate_function") ?? "SUM"
    let aggregates: [String: DecisionTrees<Number>.Aggregate] = [
      "SUM": .sum, "AVERAGE": .average, "MIN": .minimum, "MAX": .maximum,
    ]
    guard let aggregate = aggregates[name] else {
      throw context.malformed("aggregate_function '\(name)' is none of SUM, AVERAGE, MIN, MAX")
    }
    let attributes = try TreeAttributes<Number>("target", targetCount: targetCount, in: &context)
    guard attributes.baseValues.isEmpty || attributes.baseValues.count == targetCount else {
      throw context.malformed(
        "\(attributes.baseValues.count) base_values for \(targetCount) targets")
    }
    return BuiltOperator(
      TreeRegressor<Number, Float>(
        trees: attributes.trees, baseValues: attributes.baseValues, aggregate: aggregate,
        transform: transform), .float32)
  }

  private static func ensemble<Number: TensorElement & BinaryFloatingPoint>(
    _: Number.Type, _ context: inout NodeContext
  ) throws(ModelFormatError) -> BuiltOperator {
    // ONNX's text has 1 for SOFTMAX and 2 for LOGISTIC; ONNX Runtime takes them the other way.
    let transforms: [PostTransform] = [.none, .logistic, .softmax, .softmaxZero, .probit]
    let aggregates: [DecisionTrees<Number>.Aggregate] = [.average, .sum, .minimum, .maximum]
    let transform = try context.integer("post_transform") ?? 0
    let aggregate = try context.integer("aggregate_function") ?? 1
    guard transforms.indices.contains(transform), aggregates.indices.contains(aggregate) else {
      throw context.malformed(
        "post_transform \(transform) and aggregate_function \(aggregate); 0...4 and 0...3 exist")
    }
    return BuiltOperator(
      TreeRegressor<Number, Number>(
        trees: try TreeEnsembleReader.trees(Number.self, in: &context), baseValues: [],
        aggregate: aggregates[aggregate], transform: transforms[transform]), Number.elementType)
  }

  private static func classifier<Number: TensorElement & BinaryFloatingPoint>(
    _: Number.Type, _ context: inout NodeContext
  ) throws(ModelFormatError) -> BuiltOperator {
    let labels = try ClassLabels(integers: "classlabels_int64s", in: &context)
    let count = labels.count
    let transform = try PostTransform(attributeOf: &context)
    let attributes = try TreeAttributes<Number>("class", targetCount: count, in: &context)
    let baseCount = attributes.baseValues.count
    let isFit = count > 2 ? baseCount == 0 || baseCount == count : baseCount <= count
    guard isFit else {
      throw context.malformed("\(baseCount) base_values for \(count) classes")
    }
    let asksForOneClass = count == 2 && attributes.targets.count == 1
    if count == 2, baseCount == 1, !asksForOneClass {
      throw context.unsupported(
        "one base value for two classes that both have weights has no defined answer",
        advice: "write two base values")
    }
    if count == 2, baseCount < 2, transform == .probit {
      throw context.unsupported("PROBIT for two classes has no defined answer")
    }
    if count == 1, labels.tensor.elementType == .string {
      throw context.unsupported("one class whose label is a string has no defined answer")
    }
    return BuiltOperator(
      TreeClassifier<Number>(
        trees: attributes.trees, baseValues: attributes.baseValues, labels: labels,
        transform: transform, asksForOneClass: asksForOneClass,
        weightsArePositive: attributes.weightsArePositive),
      labels.tensor.elementType, .float32)
  }
}

/// The rows of features that a tree operator is given.
private struct TreeRows<Number: TensorElement & BinaryFloatingPoint> {
  let features: Tensor
  let count: Int
  let width: Int

  init(_ input: Tensor, featureCount: Int) throws(OperatorError) {
    let rank = input.shape.rank
    guard rank == 1 || rank == 2, input.shape[rank - 1] >= featureCount else {
      throw OperatorError(
        "the input has shape \(input.shape); rows of at least \(featureCount) features were "
          + "expected")
    }
    features = Number.elementType == .float32 ? try asFloat(input) : input
    count = rank == 1 ? 1 : input.shape[0]
    width = input.shape[rank - 1]
  }
}

/// Trees whose leaves are added up, averaged, or whose least or largest is taken.
struct TreeRegressor<
  Number: TensorElement & BinaryFloatingPoint, Result: TensorElement & BinaryFloatingPoint
>: Operator {
  let trees: DecisionTrees<Number>
  let baseValues: [Number]
  let aggregate: DecisionTrees<Number>.Aggregate
  let transform: PostTransform

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let rows = try TreeRows<Number>(try scratch.input(0), featureCount: trees.featureCount)
    let targetCount = trees.targetCount
    var output = try scratch.memory(0, try checkedShape([rows.count, targetCount]))
    let features = rows.features
    var scores = try trees.scores(
      of: features.values(), rowCount: rows.count, width: rows.width, aggregate: aggregate, scratch)
    for index in scores.values.indices {
      if aggregate == .average { scores.values[index] /= Number(trees.roots.count) }
      if !baseValues.isEmpty { scores.values[index] += baseValues[index % targetCount] }
      // ONNX Runtime gives 0 for a target that no leaf spoke for, whatever its base value.
      if targetCount > 1, !scores.isSpokenFor[index] { scores.values[index] = 0 }
    }
    var values = scores.values.mutableSpan
    // It leaves one target as it is, but for PROBIT.
    if targetCount > 1 || transform == .probit { transform.apply(rowsOf: targetCount, &values) }
    do {
      var target = output.mutableValues(as: Result.self)
      for index in target.indices { target[index] = Result(values[index]) }
    }
    scratch.give(0, output)
  }
}

/// Trees whose leaves speak for classes: the label of each row and a score for each class.
struct TreeClassifier<Number: TensorElement & BinaryFloatingPoint>: Operator {
  let trees: DecisionTrees<Number>
  let baseValues: [Number]
  let labels: ClassLabels
  let transform: PostTransform
  /// Two classes, and weights for one of them only.
  let asksForOneClass: Bool
  let weightsArePositive: Bool

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let rows = try TreeRows<Number>(try scratch.input(0), featureCount: trees.featureCount)
    let classCount = trees.targetCount
    var found = try scratch.labels(0, rows: rows.count, of: labels)
    var output = try scratch.memory(1, try checkedShape([rows.count, classCount]))
    let features = rows.features
    let scores = try trees.scores(
      of: features.values(), rowCount: rows.count, width: rows.width, aggregate: .sum, scratch)
    do {
      var target = output.mutableValues(as: Float.self)
      var values = [Number](repeating: 0, count: classCount)
      for row in 0..<rows.count {
        let start = row * classCount
        for column in 0..<classCount { values[column] = scores.values[start + column] }
        let speaks = scores.isSpokenFor[start..<(start + classCount)]
        switch classCount {
        case 1: found.append(one(&values))
        case 2: found.append(two(&values, isSpokenFor: speaks))
        default: found.append(try many(&values, isSpokenFor: speaks))
        }
        for column in 0..<classCount { target[start + column] = Float(values[column]) }
      }
    }
    scratch.give(0, found.finish())
    scratch.give(1, output)
  }

  /// One class: the label is 1 or 0, whatever the class is called.
  private func one(_ values: inout [Number]) -> ClassLabels.Choice {
    if let base = baseValues.first { values[0] += base }
    let isPositive = values[0] > 0
    if transform == .probit {
      var span = values.mutableSpan
      transform.apply(rowsOf: 1, &span)
    }
    return .number(isPositive ? 1 : 0)
  }

  /// Three and more: the first of the largest scores that a leaf spoke for.
  private func many(
    _ values: inout [Number], isSpokenFor: ArraySlice<Bool>
  ) throws(OperatorError) -> ClassLabels.Choice {
    var best: Int?
    for (index, speaks) in isSpokenFor.enumerated() where speaks || !baseValues.isEmpty {
      if !baseValues.isEmpty { values[index] += baseValues[index] }
      if best.map({ values[index] > values[$0] }) ?? true { best = index }
    }
    guard let best else { throw OperatorError("no leaf speaks for any class") }
    let count = values.count
    var span = values.mutableSpan
    transform.apply(rowsOf: count, &span)
    return .place(best)
  }

  private func two(
    _ values: inout [Number], isSpokenFor: ArraySlice<Bool>
  ) -> ClassLabels.Choice {
    let speaks = (isSpokenFor.first ?? false, isSpokenFor.last ?? false)
    var hasSecond = true
    if baseValues.count == 2 {
      if speaks.1 {
        values[1] = baseValues[1] + values[0]
        values[0] = -values[1]
      } else {
        values[1] += baseValues[1]
        values[0] += baseValues[0]
      }
    } else {
      if baseValues.count == 1 { values[0] += baseValues[0] }
      hasSecond = speaks.1
    }
    // What no leaf spoke for counts as 0, whatever was added to it.
    if !speaks.0 { values[0] = 0 }
    if !speaks.1 { values[1] = 0 }
    let decisive = speaks.1 ? values[1] : values[0]
    let isPositive = decisive > (asksForOneClass && weightsArePositive ? 0.5 : 0)
    if hasSecond {
      var span = values.mutableSpan
      transform.apply(rowsOf: 2, &span)
    } else if transform == .logistic {
      let score = Float(values[0])
      values[0] = Number(Activations.logistic(-score))
      values[1] = Number(Activations.logistic(score))
    } else if asksForOneClass, weightsArePositive {
      values[1] = values[0]
      values[0] = 1 - values[1]
    } else {
      values[1] = values[0]
      values[0] = -values[1]
    }
    // With weights for both classes ONNX Runtime answers 1 and 0, not the classes' labels.
    return asksForOneClass ? .place(isPositive ? 1 : 0) : .number(isPositive ? 1 : 0)
  }
}
