import Executors
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

extension OperatorTable {
  static let elementwise: [OperatorDefinition] =
    [
      ("Add", Arithmetic.add), ("Sub", .subtract), ("Mul", .multiply), ("Div", .divide),
    ].map { name, kind in
      OperatorDefinition(
        name, [7, 13, 14], numbers, others: [.same], minInputs: 2, maxInputs: 2
      ) { context throws(ModelFormatError) in
        let type = try context.type(0)
        return BuiltOperator(arithmetic(kind, type), type)
      }
    }
    + ([
      ("Relu", [6, 13, 14], UnaryKind.relu), ("Sigmoid", [6, 13], .sigmoid),
      ("Tanh", [6, 13], .tanh), ("Exp", [6, 13], .exp), ("Log", [6, 13], .log),
      ("Sqrt", [6, 13], .sqrt), ("Abs", [6, 13], .abs), ("Neg", [6, 13], .negate),
      ("Reciprocal", [6, 13], .reciprocal), ("Floor", [6, 13], .floor),
      ("Ceil", [6, 13], .ceil),
    ] as [(String, [Int], UnaryKind)]).map { name, versions, kind in
      OperatorDefinition(name, versions, floats) { context throws(ModelFormatError) in
        switch try context.type(0) {
        case .float64: BuiltOperator(UnaryDouble(kind: kind), .float64)
        default: BuiltOperator(UnaryFloat(kind: kind), .float32)
        }
      }
    }

  private static func arithmetic(_ kind: Arithmetic, _ type: ElementType) -> any Operator {
    switch type {
    case .float64: FloatArithmetic<Double>(kind: kind)
    case .int8: IntegerArithmetic<Int8>(kind: kind)
    case .int16: IntegerArithmetic<Int16>(kind: kind)
    case .int32: IntegerArithmetic<Int32>(kind: kind)
    case .int64: IntegerArithmetic<Int64>(kind: kind)
    case .uint8: IntegerArithmetic<UInt8>(kind: kind)
    case .uint16: IntegerArithmetic<UInt16>(kind: kind)
    case .uint32: IntegerArithmetic<UInt32>(kind: kind)
    case .uint64: IntegerArithmetic<UInt64>(kind: kind)
    default: FloatArithmetic<Float>(kind: kind)
    }
  }
}

enum Arithmetic: Sendable { case add, subtract, multiply, divide }

struct FloatArithmetic<Element: TensorElement & BinaryFloatingPoint>: Operator {
  let kind: Arithmetic

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    switch kind {
    case .add: try broadcast(scratch) { (a: Element, b: Element) in a + b }
    case .subtract: try broadcast(scratch) { (a: Element, b: Element) in a - b }
    case .multiply: try broadcast(scratch) { (a: Element, b: Element) in a * b }
    case .divide: try broadcast(scratch) { (a: Element, b: Element) in a / b }
    }
  }
}

/// Integers wrap; division truncates, and by zero is an error.
struct IntegerArithmetic<Element: TensorElement & FixedWidthInteger>: Operator {
  let kind: Arithmetic

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    switch kind {
    case .add: try broadcast(scratch) { (a: Element, b: Element) in a &+ b }
    case .subtract: try broadcast(scratch) { (a: Element, b: Element) in a &- b }
    case .multiply: try broadcast(scratch) { (a: Element, b: Element) in a &* b }
    case .divide:
      let divisor = try scratch.input(1)
      let values = divisor.values(as: Element.self)
      for index in values.indices where values[index] == 0 {
        throw OperatorError("an integer is divided by zero")
      }
      try broadcast(scratch) { (a: Element, b: Element) in
        a.dividedReportingOverflow(by: b).partialValue
      }
    }
  }
}

/// Applies `body` to each pair of elements of inputs 0 and 1, stretched to one shape.
@inline(__always)
func broadcast<Element: TensorElement, Result: TensorElement>(
  _ scratch: ONNXScratch, _ body: (Element, Element) -> Result
) throws(OperatorError) {
  let left = try scratch.input(0)
  let right = try scratch.input(1)
  let plan = try Broadcast(left.shape, right.shape)
  var output = try scratch.memory(0, plan.shape)
  do {
    let a = left.values(as: Element.self)
    let b = right.values(as: Element.self)
    var target = output.mutableValues(as: Result.self)
    plan.forEachRun { out, i, iStep, j, jStep, count in
      for index in 0..<count {
        target[out + index] = body(a[i + index * iStep], b[j + index * jStep])
      }
    }
  }
  scratch.give(0, output)
}

/// How two shapes stretch to one (NumPy's rule), as runs along the last axes.
struct Broadcast {
  let shape: Shape
  private let leftStrides: [Int]
  private let rightStrides: [Int]

  init(_ left: Shape, _ right: Shape) throws(OperatorError) {
    if left == right {
      shape = left
      leftStrides = []
      rightStrides = []
      return
    }
    let rank = max(left.rank, right.rank)
    var dimensions = [Int](repeating: 1, count: rank)
    var leftStrides = [Int](repeating: 0, count: rank)
    var rightStrides = leftStrides
    var leftStride = 1
    var rightStride = 1
    for back in 1..<(rank + 1) {
      let axis = rank - back
      let a = back <= left.rank ? left[left.rank - back] : 1
      let b = back <= right.rank ? right[right.rank - back] : 1
      guard a == b || a == 1 || b == 1 else {
        throw OperatorError("shapes \(left) and \(right) do not broadcast")
      }
      dimensions[axis] = a == 1 ? b : a
      leftStrides[axis] = a == 1 ? 0 : leftStride
      rightStrides[axis] = b == 1 ? 0 : rightStride
      leftStride *= a
      rightStride *= b
    }
    shape = try checkedShape(dimensions)
    self.leftStrides = leftStrides
    self.rightStrides = rightStrides
  }

  /// Calls `body(output, left, leftStep, right, rightStep, count)` for each run.
  @inline(__always)
  func forEachRun(_ body: (Int, Int, Int, Int, Int, Int) -> Void) {
    let total = shape.elementCount
    if total == 0 { return }
    if leftStrides.isEmpty {
      body(0, 0, 1, 0, 1, total)
      return
    }
    // Trailing axes that both sides walk in the same way are one run.
    var axis = shape.rank - 1
    let leftStep = leftStrides[axis] == 0 ? 0 : 1
    let rightStep = rightStrides[axis] == 0 ? 0 : 1
    var count = shape[axis]
    while axis > 0, leftStrides[axis - 1] == leftStep * count,
      rightStrides[axis - 1] == rightStep * count
    {
      axis -= 1
      count *= shape[axis]
    }
    var index = [Int](repeating: 0, count: axis)
    var left = 0
    var right = 0
    for out in stride(from: 0, to: total, by: count) {
      body(out, left, leftStep, right, rightStep, count)
      var outer = axis - 1
      while outer >= 0 {
        index[outer] += 1
        left += leftStrides[outer]
        right += rightStrides[outer]
        if index[outer] < shape[outer] { break }
        left -= leftStrides[outer] * shape[outer]
        right -= rightStrides[outer] * shape[outer]
        index[outer] = 0
        outer -= 1
      }
    }
  }
}

enum UnaryKind: Sendable {
  case relu, sigmoid, tanh, exp, log, sqrt, abs, negate, reciprocal, floor, ceil
}

struct UnaryFloat: Operator {
  let kind: UnaryKind

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    switch kind {
    // A NaN stays one: no comparison with it is true.
    case .relu: try map(scratch) { (x: Float) in x < 0 ? 0 : x }
    case .sigmoid: try map(scratch) { (x: Float) in Activations.sigmoid(x) }
    case .tanh: try map(scratch) { (x: Float) in tanhf(x) }
    case .exp: try map(scratch) { (x: Float) in expf(x) }
    case .log: try map(scratch) { (x: Float) in logf(x) }
    case .sqrt: try map(scratch) { (x: Float) in x.squareRoot() }
    case .abs: try map(scratch) { (x: Float) in x.magnitude }
    case .negate: try map(scratch) { (x: Float) in -x }
    case .reciprocal: try map(scratch) { (x: Float) in 1 / x }
    case .floor: try map(scratch) { (x: Float) in x.rounded(.down) }
    case .ceil: try map(scratch) { (x: Float) in x.rounded(.up) }
    }
  }
}

struct UnaryDouble: Operator {
  let kind: UnaryKind

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    switch kind {
    case .relu: try map(scratch) { (x: Double) in x < 0 ? 0 : x }
    case .sigmoid: try map(scratch) { (x: Double) in Activations.sigmoid(x) }
    case .tanh: try map(scratch) { (x: Double) in Glibc.tanh(x) }
    case .exp: try map(scratch) { (x: Double) in Glibc.exp(x) }
    case .log: try map(scratch) { (x: Double) in Glibc.log(x) }
    case .sqrt: try map(scratch) { (x: Double) in x.squareRoot() }
    case .abs: try map(scratch) { (x: Double) in x.magnitude }
    case .negate: try map(scratch) { (x: Double) in -x }
    case .reciprocal: try map(scratch) { (x: Double) in 1 / x }
    case .floor: try map(scratch) { (x: Double) in x.rounded(.down) }
    case .ceil: try map(scratch) { (x: Double) in x.rounded(.up) }
    }
  }
}

@inline(__always)
func map<Element: TensorElement, Result: TensorElement>(
  _ scratch: ONNXScratch, _ body: (Element) -> Result
) throws(OperatorError) {
  let input = try scratch.input(0)
  var output = try scratch.memory(0, input.shape)
  do {
    let source = input.values(as: Element.self)
    var target = output.mutableValues(as: Result.self)
    for index in source.indices { target[index] = body(source[index]) }
  }
  scratch.give(0, output)
}
