import Executors
import Tensors

extension OperatorTable {
  static let preprocessing: [OperatorDefinition] = [
    OperatorDefinition(
      "Scaler", domain: "ai.onnx.ml", [1], [.float32, .float64, .int32, .int64]
    ) { context throws(ModelFormatError) in
      BuiltOperator(
        Scaler(
          offset: try context.floats("offset") ?? [], scale: try context.floats("scale") ?? []),
        .float32)
    },
    OperatorDefinition(
      "Normalizer", domain: "ai.onnx.ml", [1], [.float32, .float64, .int32, .int64]
    ) { context throws(ModelFormatError) in
      let name = try context.string("norm") ?? "MAX"
      guard let norm = Normalizer.Norm(rawValue: name) else {
        throw context.malformed("norm '\(name)' is none of MAX, L1, L2")
      }
      return BuiltOperator(Normalizer(norm: norm), .float32)
    },
    OperatorDefinition("ZipMap", domain: "ai.onnx.ml", [1], [.float32]) {
      context throws(ModelFormatError) in
      let strings = try context.strings("classlabels_strings") ?? []
      let integers = try context.integers("classlabels_int64s") ?? []
      let keys: Tensor =
        strings.isEmpty
        ? Tensor(integers.map { Int64($0) }, shape: Shape(integers.count))
        : Tensor(strings: ByteStrings(strings), shape: Shape(strings.count))
      let count = keys.shape.elementCount
      guard count > 0, strings.isEmpty || integers.isEmpty else {
        throw context.malformed("it has no labels, or two kinds of them")
      }
      return BuiltOperator(
        Reshaping { shape, _ throws(OperatorError) in
          let fits = shape.rank > 0 && shape.rank < 3 && shape[shape.rank - 1] == count
          guard fits else { throw OperatorError("shape \(shape) for \(count) keys") }
          return try checkedShape([shape.rank == 1 ? 1 : shape[0], count])
        }, .float32, mapKeys: keys)
    },
    OperatorDefinition(
      "ArrayFeatureExtractor", domain: "ai.onnx.ml", [1], all, others: [.int64], minInputs: 2,
      maxInputs: 2
    ) {
      context throws(ModelFormatError) in
      BuiltOperator(ArrayFeatureExtractor(), try context.type(0))
    },
    OperatorDefinition("Imputer", domain: "ai.onnx.ml", [1], [.float32, .float64, .int64]) {
      context throws(ModelFormatError) in
      let floats = try context.floats("imputed_value_floats")
      let replaced = try context.float("replaced_value_float") ?? 0
      let integers = try context.integers("imputed_value_int64s")
      let replacedInteger = try context.integer("replaced_value_int64") ?? 0
      let type = try context.type(0)
      switch type {
      case .int64:
        return BuiltOperator(
          Imputer<Int64>(values: (integers ?? []).map { Int64($0) }) {
            $0 == Int64(replacedInteger)
          },
          type)
      case .float64:
        return BuiltOperator(
          Imputer<Double>(values: (floats ?? []).map { Double($0) }) {
            replaced.isNaN ? $0.isNaN : $0 == Double(replaced)
          }, type)
      default:
        return BuiltOperator(
          Imputer<Float>(values: floats ?? []) { replaced.isNaN ? $0.isNaN : $0 == replaced }, type)
      }
    },
    OperatorDefinition(
      "OneHotEncoder", domain: "ai.onnx.ml", [1], [.float32, .float64, .int32, .int64, .string]
    ) { context throws(ModelFormatError) in
      let strings = try context.strings("cats_strings")
      let integers = try context.integers("cats_int64s")
      let zeros = try context.integer("zeros") ?? 1 != 0
      let isText = try context.type(0) == .string
      guard (isText ? strings?.count : integers?.count) ?? 0 > 0 else {
        throw context.malformed("it has no categories of its input's type")
      }
      return BuiltOperator(
        OneHotEncoder(
          strings: isText ? strings ?? [] : [], integers: integers ?? [], allowsUnknown: zeros),
        .float32)
    },
    OperatorDefinition("Binarizer", domain: "ai.onnx.ml", [1], [.float32]) {
      context throws(ModelFormatError) in
      BuiltOperator(Binarizer(threshold: try context.float("threshold") ?? 0), .float32)
    },
    OperatorDefinition(
      "FeatureVectorizer", domain: "ai.onnx.ml", [1], learned, maxInputs: 1 << 16
    ) { context throws(ModelFormatError) in
      let widths = try context.integers("inputdimensions") ?? []
      var total = 0
      for width in widths {
        let (sum, overflows) = total.addingReportingOverflow(width)
        guard width >= 0, !overflows else {
          throw context.malformed("an input has \(width) columns")
        }
        total = sum
      }
      guard widths.count == context.node.inputs.count else {
        throw context.malformed(
          "\(widths.count) inputdimensions for \(context.node.inputs.count) inputs")
      }
      for input in widths.indices where !learned.contains(try context.type(input)) {
        throw context.unsupported("element type \(try context.type(input).name) is not run")
      }
      return BuiltOperator(FeatureVectorizer(widths: widths, total: total), .float32)
    },
  ]
}

/// 1 above the threshold, else 0; a NaN is an error.
struct Binarizer: Operator {
  let threshold: Float

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let input = try scratch.input(0)
    let values = input.values(as: Float.self)
    for index in values.indices where values[index].isNaN {
      throw OperatorError("element \(index) is NaN")
    }
    try map(scratch) { (value: Float) in value > threshold ? 1 as Float : 0 }
  }
}

/// The columns of its inputs side by side, each cut or filled with zeros to its width.
struct FeatureVectorizer: Operator {
  let widths: [Int]
  let total: Int

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let first = try scratch.input(0)
    let rows = first.shape.rank == 1 ? 1 : first.rowCount
    var output = try scratch.memory(0, try checkedShape([rows, total]))
    do {
      var target = output.mutableValues(as: Float.self)
      for index in target.indices { target[index] = 0 }
      var column = 0
      for (index, width) in widths.enumerated() {
        let input = try scratch.input(index)
        let rank = input.shape.rank
        guard rank > 0, (rank == 1 ? 1 : input.shape[0]) == rows else {
          throw OperatorError("input \(index) has shape \(input.shape); the first has \(rows) rows")
        }
        let features = try asFloat(input)
        let source = features.values(as: Float.self)
        let given = rows == 0 ? 0 : source.count / rows
        for row in 0..<rows {
          for place in 0..<min(given, width) {
            target[row * total + column + place] = source[row * given + place]
          }
        }
        column += width
      }
    }
    scratch.give(0, output)
  }
}

/// (x − offset) · scale, each of length 1 or one a feature.
struct Scaler: Operator {
  let offset: [Float]
  let scale: [Float]

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let input = try scratch.input(0)
    let rank = input.shape.rank
    guard rank > 0, rank < 3 else {
      throw OperatorError("the input has shape \(input.shape); rows of features were expected")
    }
    let columns = input.shape[rank - 1]
    guard offset.count == scale.count, offset.count == 1 || offset.count == columns else {
      throw OperatorError(
        "\(offset.count) offsets and \(scale.count) scales for an input of shape \(input.shape)")
    }
    var output = try scratch.memory(0, input.shape)
    // Doubles are rounded once, at the end.
    if input.elementType == .float64 {
      scale(input.values(as: Double.self), columns, &output)
    } else {
      let features = try asFloat(input)
      scale(features.values(as: Float.self), columns, &output)
    }
    scratch.give(0, output)
  }

  private func scale<Number: TensorElement & BinaryFloatingPoint>(
    _ source: Span<Number>, _ columns: Int, _ output: inout Tensor
  ) {
    var target = output.mutableValues(as: Float.self)
    for index in source.indices {
      let column = offset.count == 1 ? 0 : index % columns
      target[index] = Float((source[index] - Number(offset[column])) * Number(scale[column]))
    }
  }
}

/// Divides each row by its norm; a row whose norm is 0 stays as it is.
struct Normalizer: Operator {
  enum Norm: String, Sendable {
    case max = "MAX"
    case l1 = "L1"
    case l2 = "L2"
  }

  let norm: Norm

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let input = try scratch.input(0)
    guard input.shape.rank > 0, input.shape.rank < 3 else {
      throw OperatorError("the input has shape \(input.shape); rows of features were expected")
    }
    var output = try scratch.memory(0, input.shape)
    if input.elementType == .float64 {
      normalize(input.values(as: Double.self), of: input, &output)
    } else {
      let features = try asFloat(input)
      normalize(features.values(as: Float.self), of: input, &output)
    }
    scratch.give(0, output)
  }

  /// As `run`, in place of the input.
  func normalize(rowsOf columns: Int, _ values: inout MutableSpan<Float>) {
    for start in stride(from: 0, to: values.count, by: max(columns, 1)) {
      var divisor: Float = norm == .max ? -Float.greatestFiniteMagnitude : 0
      for index in start..<(start + columns) {
        let value = values[index]
        switch norm {
        case .max: if value > divisor { divisor = value }
        case .l1: divisor += value.magnitude
        case .l2: divisor += value * value
        }
      }
      if divisor == 0 { continue }
      for index in start..<(start + columns) {
        let value = values[index]
        if norm == .l2 {
          let root = (value * value / divisor).squareRoot()
          values[index] = value < 0 ? -root : root
        } else {
          values[index] = value / divisor
        }
      }
    }
  }

  /// Sums are float32; magnitudes and squares are taken in the input's type first.
  private func normalize<Number: TensorElement & BinaryFloatingPoint>(
    _ source: Span<Number>, of input: Tensor, _ output: inout Tensor
  ) {
    let columns = input.shape[input.shape.rank - 1]
    var target = output.mutableValues(as: Float.self)
    for start in stride(from: 0, to: source.count, by: max(columns, 1)) {
      var divisor: Float = norm == .max ? -Float.greatestFiniteMagnitude : 0
      for index in start..<(start + columns) {
        let value = source[index]
        switch norm {
        case .max: if Float(value) > divisor { divisor = Float(value) }
        case .l1: divisor += Float(value.magnitude)
        case .l2: divisor += Float(value * value)
        }
      }
      for index in start..<(start + columns) {
        let value = source[index]
        if divisor == 0 {
          target[index] = Float(value)
        } else if norm == .l2 {
          // ONNX Runtime takes the root of the quotient.
          let root = (Float(value * value) / divisor).squareRoot()
          target[index] = value < 0 ? -root : root
        } else {
          target[index] = Float(value) / divisor
        }
      }
    }
  }
}

/// Columns of the last axis, by a list of indices.
struct ArrayFeatureExtractor: Operator {
  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let input = try scratch.input(0)
    let indices = try integers(of: try scratch.input(1), input: 1)
    // No indices are what no rows become in a graph that looks up the label of each.
    guard input.shape.rank > 0 else { throw OperatorError("a scalar has no columns") }
    let columns = input.shape[input.shape.rank - 1]
    for index in indices where index < 0 || index >= columns {
      throw OperatorError("index \(index) is outside the \(columns) columns")
    }
    var dimensions = input.shape.rank == 1 ? [1, 1] : input.shape.array
    dimensions[dimensions.count - 1] = indices.count
    var writer = try scratch.writer(0, try checkedShape(dimensions))
    for start in stride(from: 0, to: input.shape.elementCount, by: max(columns, 1)) {
      for index in indices { writer.append(from: input, start: start + index, count: 1) }
    }
    scratch.give(0, writer.finish())
  }
}

/// Puts a value in the place of each missing one.
struct Imputer<Element: TensorElement>: Operator {
  let values: [Element]
  let isMissing: @Sendable (Element) -> Bool

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let input = try scratch.input(0)
    let rank = input.shape.rank
    let columns = rank == 0 ? 1 : input.shape[rank - 1]
    guard rank > 0, rank < 3, values.count == 1 || values.count == columns else {
      throw OperatorError("\(values.count) values for an input of shape \(input.shape)")
    }
    try replace(input, scratch, columns)
  }

  private func replace(_ input: Tensor, _ scratch: ONNXScratch, _ columns: Int)
    throws(OperatorError)
  {
    var output = try scratch.memory(0, input.shape)
    do {
      let source = input.values(as: Element.self)
      var target = output.mutableValues(as: Element.self)
      for index in source.indices {
        target[index] =
          isMissing(source[index])
          ? values[values.count == 1 ? 0 : index % columns] : source[index]
      }
    }
    scratch.give(0, output)
  }
}

/// Appends an axis with a 1 at the element's category.
struct OneHotEncoder: Operator {
  let places: [Int64: Int]
  let textPlaces: [ArraySlice<UInt8>: Int]
  let count: Int
  let allowsUnknown: Bool

  init(strings: [String], integers: [Int], allowsUnknown: Bool) {
    count = strings.isEmpty ? integers.count : strings.count
    textPlaces = Dictionary(
      strings.enumerated().map { (ArraySlice($1.utf8), $0) }, uniquingKeysWith: { $1 })
    places = Dictionary(
      integers.enumerated().map { (Int64($1), $0) }, uniquingKeysWith: { $1 })
    self.allowsUnknown = allowsUnknown
  }

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let input = try scratch.input(0)
    guard input.shape.rank < 3 else {
      throw OperatorError("the input has shape \(input.shape); rows of features were expected")
    }
    var found: [Int?] = []
    found.reserveCapacity(input.shape.elementCount)
    switch input.elementType {
    case .string:
      let strings = input.strings
      for index in 0..<strings.count { found.append(textPlaces[strings[index]]) }
    case .int64:
      let values = input.values(as: Int64.self)
      for index in values.indices { found.append(places[values[index]]) }
    case .float64:
      let values = input.values(as: Double.self)
      for index in values.indices {
        found.append(Int64(exactly: values[index].rounded(.towardZero)).flatMap { places[$0] })
      }
    default:
      let floats = try asFloat(input)
      let values = floats.values(as: Float.self)
      for index in values.indices {
        found.append(Int64(exactly: values[index].rounded(.towardZero)).flatMap { places[$0] })
      }
    }
    var output = try scratch.memory(0, try checkedShape(input.shape.array + [count]))
    do {
      var target = output.mutableValues(as: Float.self)
      for index in target.indices { target[index] = 0 }
      for (index, place) in found.enumerated() {
        guard let place else {
          guard allowsUnknown else { throw OperatorError("element \(index) is no known category") }
          continue
        }
        target[index * count + place] = 1
      }
    }
    scratch.give(0, output)
  }
}
