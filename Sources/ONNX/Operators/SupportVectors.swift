import Executors
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

// Source: ONNX Operators-ml.md; what ONNX Runtime answers where that is silent.

extension OperatorTable {
  static let supportVectors: [OperatorDefinition] = [
    OperatorDefinition("SVMRegressor", domain: "ai.onnx.ml", [1], [.float32]) {
      context throws(ModelFormatError) in
      let coefficients = try context.floats("coefficients") ?? []
      let rho = try context.floats("rho") ?? []
      let vectors = try context.floats("support_vectors") ?? []
      let count = try context.integer("n_supports") ?? 0
      let isOneClass = try context.integer("one_class") ?? 0 != 0
      // ONNX Runtime reads it and does nothing with it.
      _ = try PostTransform(attributeOf: &context)
      let kernel = try Kernel(attributesOf: &context)
      guard let rho = rho.first, !coefficients.isEmpty, count >= 0 else {
        throw context.malformed("it has \(rho.count) rho and \(coefficients.count) coefficients")
      }
      let weights: KernelRows
      if count > 0 {
        guard coefficients.count == count else {
          throw context.malformed("\(coefficients.count) coefficients for \(count) vectors")
        }
        weights = try KernelRows(vectors, rows: count, kernel: kernel, in: context)
      } else {
        weights = try KernelRows(coefficients, rows: 1, kernel: .linear, in: context)
      }
      return BuiltOperator(
        SVMRegressor(
          rows: weights, coefficients: count > 0 ? coefficients : nil, rho: rho,
          isOneClass: isOneClass), .float32)
    },
    OperatorDefinition("SVMClassifier", domain: "ai.onnx.ml", [1], learned) {
      context throws(ModelFormatError) in
      let labels = try ClassLabels(integers: "classlabels_ints", in: &context)
      let coefficients = try context.floats("coefficients") ?? []
      let rho = try context.floats("rho") ?? []
      let vectors = try context.floats("support_vectors") ?? []
      let perClass = try context.integers("vectors_per_class") ?? []
      let probabilityA = try context.floats("prob_a") ?? []
      let probabilityB = try context.floats("prob_b") ?? []
      let transform = try PostTransform(attributeOf: &context)
      let kernel = try Kernel(attributesOf: &context)
      guard probabilityA.count == probabilityB.count, !coefficients.isEmpty, !rho.isEmpty,
        labels.count < 1 << 16
      else {
        throw context.malformed(
          "\(probabilityA.count) prob_a, \(probabilityB.count) prob_b, \(rho.count) rho and "
            + "\(coefficients.count) coefficients for \(labels.count) classes")
      }
      if perClass.allSatisfy({ $0 == 0 }) {
        let weights = try KernelRows(
          coefficients, rows: labels.count, kernel: .linear, in: context)
        return BuiltOperator(
          LinearSVMClassifier(
            rows: weights, rho: rho[0], labels: labels, transform: transform,
            isPositive: coefficients.allSatisfy { $0 >= 0 },
            hasProbabilities: !probabilityA.isEmpty),
          labels.tensor.elementType, .float32)
      }
      let pairs = labels.count * (labels.count - 1) / 2
      var total = 0
      var starts: [Int] = []
      for count in perClass {
        let (sum, overflows) = total.addingReportingOverflow(count)
        guard count >= 0, !overflows else {
          throw context.malformed("a class has \(count) vectors")
        }
        starts.append(total)
        total = sum
      }
      guard perClass.count == labels.count, labels.count > 1,
        total <= coefficients.count, coefficients.count / total >= labels.count - 1,
        rho.count >= pairs, probabilityA.isEmpty || probabilityA.count >= pairs
      else {
        throw context.malformed(
          "\(perClass.count) classes with \(total) vectors, \(coefficients.count) coefficients, "
            + "\(rho.count) rho and \(probabilityA.count) prob_a for \(labels.count) labels")
      }
      if labels.count == 2, probabilityA.isEmpty, transform == .probit {
        throw context.unsupported("PROBIT for two classes has no defined answer")
      }
      return BuiltOperator(
        SVMClassifier(
          rows: try KernelRows(vectors, rows: total, kernel: kernel, in: context),
          coefficients: coefficients, rho: rho, starts: starts + [total],
          probabilities: probabilityA.isEmpty ? nil : (probabilityA, probabilityB),
          labels: labels, transform: transform),
        labels.tensor.elementType, .float32)
    },
  ]
}

/// How alike a row and a support vector are.
enum Kernel: Sendable {
  case linear
  case polynomial(gamma: Float, offset: Float, degree: Float)
  case radial(gamma: Float)
  case sigmoid(gamma: Float, offset: Float)

  init(attributesOf context: inout NodeContext) throws(ModelFormatError) {
    let name = try context.string("kernel_type") ?? "LINEAR"
    let given = try context.floats("kernel_params") ?? []
    guard given.isEmpty || given.count >= 3 else {
      throw context.malformed("kernel_params has \(given.count) entries; 3 are expected")
    }
    let parameters = given.isEmpty ? [0, 0, 0] : given
    switch name {
    case "LINEAR": self = .linear
    case "POLY":
      self = .polynomial(gamma: parameters[0], offset: parameters[1], degree: parameters[2])
    case "RBF": self = .radial(gamma: parameters[0])
    case "SIGMOID": self = .sigmoid(gamma: parameters[0], offset: parameters[1])
    default:
      throw context.malformed("kernel_type '\(name)' is none of LINEAR, POLY, RBF, SIGMOID")
    }
  }
}

/// Support vectors, or the weights of a linear model, and the kernel that rows meet them with.
struct KernelRows: Sendable {
  let kernel: Kernel
  let rowCount: Int
  let featureCount: Int
  /// Shape `(rows, features)` for the radial kernel, which takes differences; for the others
  /// `(features, rows)`, the right side of a product.
  private let vectors: Tensor

  init(
    _ values: [Float], rows: Int, kernel: Kernel, in context: NodeContext
  ) throws(ModelFormatError) {
    guard rows > 0, !values.isEmpty, values.count % rows == 0 else {
      throw context.malformed("\(values.count) numbers for \(rows) vectors")
    }
    self.kernel = kernel
    rowCount = rows
    featureCount = values.count / rows
    let tensor = Tensor(values, shape: Shape(rows, values.count / rows))
    if case .radial = kernel { vectors = tensor } else { vectors = transposed(tensor, Float.self) }
  }

  /// Rows of the input, or one row of features alone.
  func count(of input: Tensor) throws(OperatorError) -> Int {
    if input.shape.rank == 1, input.shape[0] == featureCount { return 1 }
    guard input.shape.rank == 2, input.shape[1] == featureCount else {
      throw OperatorError(
        "the input has shape \(input.shape); [-1, \(featureCount)] was expected")
    }
    return input.shape[0]
  }

  /// - Returns: The kernel of every row with every vector, shape `(rows, rowCount)`.
  func values(
    of input: Tensor, offset: Float = 0, _ scratch: ONNXScratch
  ) throws(OperatorError) -> Tensor {
    let rows = try count(of: input)
    let features = try asFloat(input)
    let (bytes, overflows) = rows.multipliedReportingOverflow(by: rowCount * 4)
    guard !overflows, bytes <= ONNXScratch.maxLiveBytes else {
      throw OperatorError("\(rows) rows and \(rowCount) vectors are too many at once")
    }
    var result = Tensor(.float32, shape: try checkedShape([rows, rowCount]))
    var target = result.mutableValues(as: Float.self)
    let source = features.values(as: Float.self)
    let vectors = vectors
    let weights = vectors.values(as: Float.self)
    if case .radial(let gamma) = kernel {
      for row in 0..<rows {
        try scratch.stopAtDeadline()
        for vector in 0..<rowCount {
          var sum: Float = 0
          for feature in 0..<featureCount {
            let difference =
              source[row * featureCount + feature] - weights[vector * featureCount + feature]
            sum += difference * difference
          }
          target[row * rowCount + vector] = expf(-gamma * sum)
        }
      }
      return result
    }
    BLAS.addProduct(
      source, weights, rows: rows, inner: featureCount, columns: rowCount, to: &target)
    for index in target.indices {
      let product = target[index]
      switch kernel {
      case .linear, .radial: target[index] = product + offset
      case .sigmoid(let gamma, let constant): target[index] = tanhf(gamma * product + constant)
      case .polynomial(let gamma, let constant, let degree):
        let base = gamma * product + constant
        target[index] =
          degree == 2 ? base * base : degree == 3 ? base * base * base : powf(base, degree)
      }
    }
    return result
  }
}

/// Σ coefficient · kernel + rho; with `isOneClass` its sign.
struct SVMRegressor: Operator {
  let rows: KernelRows
  /// nil for a linear model, whose weights are the one vector.
  let coefficients: [Float]?
  let rho: Float
  let isOneClass: Bool

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let input = try scratch.input(0)
    let count = try rows.count(of: input)
    var output = try scratch.memory(0, try checkedShape([count, 1]))
    let kernels = try rows.values(of: input, offset: coefficients == nil ? rho : 0, scratch)
    do {
      let source = kernels.values(as: Float.self)
      var target = output.mutableValues(as: Float.self)
      if let coefficients {
        for index in target.indices { target[index] = rho }
        BLAS.addProduct(
          source, coefficients.span, rows: count, inner: coefficients.count, columns: 1,
          to: &target)
      } else {
        for index in target.indices { target[index] = source[index] }
      }
      if isOneClass {
        for index in target.indices { target[index] = target[index] > 0 ? 1 : -1 }
      }
    }
    scratch.give(0, output)
  }
}

/// One row of weights for each class, and one `rho` for all.
struct LinearSVMClassifier: Operator {
  let rows: KernelRows
  let rho: Float
  let labels: ClassLabels
  let transform: PostTransform
  /// No weight is below 0.
  let isPositive: Bool
  let hasProbabilities: Bool

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let input = try scratch.input(0)
    let count = try rows.count(of: input)
    let classes = labels.count
    var found = try scratch.labels(0, rows: count, of: labels)
    var output = try scratch.memory(1, try checkedShape([count, classes]))
    let scores = try rows.values(of: input, offset: rho, scratch)
    do {
      let source = scores.values(as: Float.self)
      var target = output.mutableValues(as: Float.self)
      for row in 0..<count {
        var best = 0
        for column in 0..<classes {
          target[row * classes + column] = source[row * classes + column]
          if source[row * classes + column] > source[row * classes + best] { best = column }
        }
        let largest = source[row * classes + best]
        // Two classes: ONNX Runtime says the second whenever the larger score is positive.
        if classes == 2, !hasProbabilities, isPositive ? largest >= 0.5 : largest > 0 { best = 1 }
        found.append(.place(best))
      }
      if classes > 1 || transform == .probit { transform.apply(rowsOf: classes, &target) }
    }
    scratch.give(0, found.finish())
    scratch.give(1, output)
  }
}

/// libsvm's classifier: a decision for each pair of classes, a vote for each decision.
struct SVMClassifier: Operator {
  let rows: KernelRows
  /// `(classes − 1, vectors)`: what a vector counts against each other class.
  let coefficients: [Float]
  let rho: [Float]
  /// Where the vectors of each class begin, and where the last ones end.
  let starts: [Int]
  let probabilities: (a: [Float], b: [Float])?
  let labels: ClassLabels
  let transform: PostTransform

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let input = try scratch.input(0)
    let count = try rows.count(of: input)
    let classes = labels.count
    let pairs = classes * (classes - 1) / 2
    let columns = probabilities != nil || classes == 2 ? classes : pairs
    var found = try scratch.labels(0, rows: count, of: labels)
    var output = try scratch.memory(1, try checkedShape([count, columns]))
    let kernels = try rows.values(of: input, scratch)
    do {
      let source = kernels.values(as: Float.self)
      var target = output.mutableValues(as: Float.self)
      var decisions = [Float](repeating: 0, count: pairs)
      var coupling = Coupling(classes: probabilities == nil ? 0 : classes)
      for row in 0..<count {
        if row % 64 == 63 { try scratch.stopAtDeadline() }
        let start = row * rows.rowCount
        let winner = decide(
          source.extracting(start..<(start + rows.rowCount)), &decisions)
        found.append(.place(winner))
        if let probabilities {
          coupling.run(decisions, probabilities.a, probabilities.b)
          for column in 0..<classes {
            target[row * columns + column] = coupling.result[column]
          }
        } else if classes == 2 {
          let score = decisions[0]
          switch transform {
          case .none: (target[row * 2], target[row * 2 + 1]) = (-score, score)
          case .logistic:
            target[row * 2] = Activations.logistic(-score)
            target[row * 2 + 1] = Activations.logistic(score)
          case .softmax, .softmaxZero, .probit:
            (target[row * 2], target[row * 2 + 1]) = (1 - score, score)
          }
        } else {
          for pair in 0..<pairs { target[row * columns + pair] = decisions[pair] }
        }
      }
      // Two classes without probabilities have had their second score instead.
      if probabilities != nil || classes > 2 { transform.apply(rowsOf: columns, &target) }
    }
    scratch.give(0, found.finish())
    scratch.give(1, output)
  }

  /// Decides each pair in order, and gives the class with the most votes, the first of equals.
  private func decide(_ kernels: Span<Float>, _ decisions: inout [Float]) -> Int {
    let classes = labels.count
    var votes = [Int](repeating: 0, count: classes)
    var pair = 0
    for first in 0..<(classes - 1) {
      for second in (first + 1)..<classes {
        var sum = 0.0
        for vector in starts[first]..<starts[first + 1] {
          sum += Double(coefficients[(second - 1) * kernels.count + vector] * kernels[vector])
        }
        for vector in starts[second]..<starts[second + 1] {
          sum += Double(coefficients[first * kernels.count + vector] * kernels[vector])
        }
        sum += Double(rho[pair])
        decisions[pair] = Float(sum)
        votes[sum > 0 ? first : second] += 1
        pair += 1
      }
    }
    var best = 0
    for index in votes.indices where votes[index] > votes[best] { best = index }
    return best
  }
}

/// Probabilities of classes from those of pairs: the second method of Wu, Lin and Weng (2004),
/// as libsvm has it.
private struct Coupling {
  private let classes: Int
  private var pairwise: [Float]
  private var products: [Float]
  private var sums: [Float]
  private(set) var result: [Float]

  init(classes: Int) {
    self.classes = classes
    pairwise = [Float](repeating: 0, count: classes * classes)
    products = pairwise
    sums = [Float](repeating: 0, count: classes)
    result = sums
  }

  mutating func run(_ decisions: [Float], _ a: [Float], _ b: [Float]) {
    var pair = 0
    for first in 0..<(classes - 1) {
      for second in (first + 1)..<classes {
        let raw = 1 - Activations.logistic(decisions[pair] * a[pair] + b[pair])
        let clipped = min(max(raw, 1e-7), 1 - 1e-7)
        pairwise[first * classes + second] = clipped
        pairwise[second * classes + first] = 1 - clipped
        pair += 1
      }
    }
    for row in 0..<classes {
      result[row] = 1 / Float(classes)
      products[row * classes + row] = 0
      for column in 0..<classes where column != row {
        let against = pairwise[column * classes + row]
        products[row * classes + row] += against * against
        products[row * classes + column] =
          column < row
          ? products[column * classes + row] : -against * pairwise[row * classes + column]
      }
    }
    let tolerance = 0.005 / Float(classes)
    for _ in 0..<100 {
      var total: Float = 0
      for row in 0..<classes {
        sums[row] = 0
        for column in 0..<classes {
          sums[row] += products[row * classes + column] * result[column]
        }
        total += result[row] * sums[row]
      }
      var worst: Float = 0
      for row in 0..<classes { worst = max(worst, (sums[row] - total).magnitude) }
      if worst < tolerance { break }
      for row in 0..<classes {
        let own = products[row * classes + row]
        let step = (-sums[row] + total) / own
        result[row] += step
        total = (total + step * (step * own + 2 * sums[row])) / (1 + step) / (1 + step)
        for column in 0..<classes {
          sums[column] = (sums[column] + step * products[row * classes + column]) / (1 + step)
          result[column] /= 1 + step
        }
      }
    }
  }
}
