import Executors
import Tensors

extension OperatorTable {
  static let arithmetic: [OperatorDefinition] =
    ([
      ("Add", Arithmetic.add), ("Sub", .subtract), ("Mul", .multiply), ("Div", .divide),
    ] as [(String, Arithmetic)]).map { name, kind in
      OperatorDefinition(
        name, [7, 13, 14], numbers, others: [.same], minInputs: 2, maxInputs: 2
      ) { context throws(ModelFormatError) in
        let type = try context.type(0)
        return BuiltOperator(ArithmeticOperator(kind: kind, type: type), type)
      }
    }
    + ([
      ("Sum", [6, 8, 13], Folding.sum, floats), ("Mean", [6, 8, 13], .mean, floats),
      ("Max", [6, 8, 12, 13], .largest, compared), ("Min", [6, 8, 12, 13], .smallest, compared),
    ] as [(String, [Int], Folding, Set<ElementType>)]).map { name, versions, kind, types in
      OperatorDefinition(name, versions, types, others: [.same], maxInputs: .max) {
        context throws(ModelFormatError) in
        let type = try context.type(0)
        return BuiltOperator(FoldingOperator(kind: kind, type: type), type)
      }
    }
    + [
      OperatorDefinition("Mod", [10, 13, 28], numbers, others: [.same], minInputs: 2, maxInputs: 2)
      {
        context throws(ModelFormatError) in
        let type = try context.type(0)
        let followsDividend = try context.integer("fmod") ?? 0 != 0
        guard followsDividend || !floats.contains(type) else {
          throw context.unsupported("\(type.name) needs fmod=1")
        }
        return BuiltOperator(Modulo(followsDividend: followsDividend, type: type), type)
      },
      OperatorDefinition(
        "Pow", [7, 12, 13, 15], numbers, others: [.one(of: numbers)], minInputs: 2, maxInputs: 2
      ) {
        context throws(ModelFormatError) in
        let type = try context.type(0)
        let exponent = try context.type(1)
        return BuiltOperator(
          Power(
            type: type, exponentType: exponent, exponentIsConstant: context.constant(1) != nil),
          type)
      },
    ]

  private static let compared = numbers.union([.float16])
}

enum Arithmetic: Sendable {
  case add, subtract, multiply, divide

  fileprivate var vectorOperation: VectorFunctions.Binary {
    switch self {
    case .add: .sum
    case .subtract: .difference
    case .multiply: .product
    case .divide: .quotient
    }
  }
}

/// Integers wrap; their division truncates, and by zero is an error.
struct ArithmeticOperator: NumberOperator {
  let kind: Arithmetic
  let type: ElementType

  func run<Element: NumberElement>(
    _ scratch: ONNXScratch, as _: Element.Type
  ) throws(OperatorError) {
    if type == .float32 { return try broadcast(scratch, kind.vectorOperation) }
    switch kind {
    case .add: try broadcast(scratch) { (a: Element, b: Element) in Element.sum(a, b) }
    case .subtract: try broadcast(scratch) { (a: Element, b: Element) in Element.difference(a, b) }
    case .multiply: try broadcast(scratch) { (a: Element, b: Element) in Element.product(a, b) }
    case .divide:
      if Element.isInteger { try refuseZero(try scratch.input(1), as: Element.self) }
      try broadcast(scratch) { (a: Element, b: Element) in Element.quotient(a, b) }
    }
  }
}

func refuseZero<Element: NumberElement>(
  _ divisor: Tensor, as _: Element.Type
) throws(OperatorError) {
  let values = divisor.values(as: Element.self)
  for index in values.indices where values[index] == Element.nothing {
    throw OperatorError("an integer is divided by zero")
  }
}

/// Mod: with the divisor's sign, or with the dividend's as C's `fmod`, which computes in double.
struct Modulo: NumberOperator {
  let followsDividend: Bool
  let type: ElementType

  func run<Element: NumberElement>(
    _ scratch: ONNXScratch, as _: Element.Type
  ) throws(OperatorError) {
    if Element.isInteger { try refuseZero(try scratch.input(1), as: Element.self) }
    if followsDividend {
      try broadcast(scratch) { (a: Element, b: Element) in
        // ONNX Runtime calls `fmod`, which rounds integers of 64 bits to double.
        Element.isInteger
          ? Element(truncating: a.asDouble.truncatingRemainder(dividingBy: b.asDouble))
          : Element.remainder(a, b)
      }
    } else {
      let nothing = Element.nothing
      try broadcast(scratch) { (a: Element, b: Element) in
        let rest = Element.remainder(a, b)
        return rest != nothing && (rest < nothing) != (b < nothing) ? Element.sum(rest, b) : rest
      }
    }
  }
}

enum Folding: Sendable { case sum, mean, largest, smallest }

/// Sum, Mean, Max and Min of any number of inputs, first to last. NaN in any input is the
/// answer of Max and Min.
struct FoldingOperator: NumberOperator {
  let kind: Folding
  let type: ElementType
  /// The result of one input is that input.
  var sharesInput: Bool { true }

  func run<Element: NumberElement>(
    _ scratch: ONNXScratch, as _: Element.Type
  ) throws(OperatorError) {
    var result = try scratch.input(0)
    let count = scratch.inputCount
    for index in 1..<max(count, 1) {
      let other = try scratch.input(index)
      let plan = try Broadcast(result.shape, other.shape)
      var output = index == 1 ? try scratch.memory(0, plan.shape) : Tensor(type, shape: Shape(0))
      if index > 1 {
        guard plan.shape.elementCount <= scratch.maxBytes / 16 else {
          throw OperatorError("output 0 of shape \(plan.shape) is over \(scratch.maxBytes) bytes")
        }
        output.reuse(shape: plan.shape)
      }
      switch kind {
      case .sum, .mean:
        combine(result, other, plan, into: &output) { (a: Element, b: Element) in
          Element.sum(a, b)
        }
      case .largest:
        combine(result, other, plan, into: &output) { (a: Element, b: Element) in
          a.isNotANumber || a > b ? a : b
        }
      case .smallest:
        combine(result, other, plan, into: &output) { (a: Element, b: Element) in
          a.isNotANumber || a < b ? a : b
        }
      }
      result = output
    }
    if kind == .mean {
      // As ONNX Runtime: the sum times the rounded 1/n, which is not always the sum over n.
      let factor = Element.quotient(Element.one, Element(count: count))
      var values = result.mutableValues(as: Element.self)
      for index in values.indices { values[index] = Element.product(values[index], factor) }
    }
    scratch.give(0, result)
  }
}

/// Pow: the result has the base's type, the exponent any type of number.
///
/// As C's `std::pow`: two floats in float, everything else in double, then cast. Where ONNX Runtime
/// has one exponent for a run of values and it is 2 or 3, the values are multiplied in their own
/// type, in which integers wrap.
struct Power: NumberOperator {
  let type: ElementType
  let exponentType: ElementType
  let exponentIsConstant: Bool

  func run<Element: NumberElement>(
    _ scratch: ONNXScratch, as _: Element.Type
  ) throws(OperatorError) {
    let base = try scratch.input(0)
    let exponent = try scratch.input(1)
    let plan = try Broadcast(base.shape, exponent.shape)
    var output = try scratch.memory(0, plan.shape)
    let exponents = try converted(exponent, to: type == .float32 ? exponentType : .float64)
    let multiplies = hasOneExponentInARun(base.shape, exponent.shape)
    if type == .float32, exponentType == .float32 {
      combine(base, exponents, plan, into: &output) { (a: Float, b: Float) in
        multiplies && b == 2 ? a * a : multiplies && b == 3 ? a * a * a : Float.pow(a, b)
      }
    } else {
      let doubles = try converted(exponents, to: .float64)
      combine(base, doubles, plan, into: &output) { (a: Element, b: Double) in
        if multiplies, b == 2 { return Element.product(a, a) }
        if multiplies, b == 3 { return Element.product(Element.product(a, a), a) }
        return Element(truncating: Double.pow(a.asDouble, b))
      }
    }
    scratch.give(0, output)
  }

  /// Whether the exponent stands still along the last axis that either side walks.
  ///
  /// ONNX Runtime passes over trailing axes of size 1 that both shapes have, and looks at the sizes
  /// of the next. When that is the first axis of the base, which may be a batch, its size decides
  /// nothing here: a row alone must have the bits it has in a batch. An exponent that has no such
  /// axis, or is a constant of one row, is then one for all rows; any other may have a row for each
  /// of the base, and is not. A single row of ONNX Runtime's is never multiplied.
  private func hasOneExponentInARun(_ base: Shape, _ exponent: Shape) -> Bool {
    let shared = min(base.rank, exponent.rank)
    var back = 1
    while back < shared, base[base.rank - back] == 1, exponent[exponent.rank - back] == 1 {
      back += 1
    }
    guard back <= base.rank else { return false }
    guard exponent.rank > 0 else { return base.rank == 1 || base[base.rank - 1] > 1 }
    guard exponent[exponent.rank - back] == 1 else { return false }
    return back == base.rank ? exponentIsConstant : base[base.rank - back] > 1
  }
}
