import Executors
import Tensors

extension OperatorTable {
  static let unaryFunctions: [OperatorDefinition] =
    ([
      ("Exp", [6, 13], UnaryFunction.exp), ("Log", [6, 13], .log), ("Sqrt", [6, 13], .sqrt),
      ("Reciprocal", [6, 13], .reciprocal), ("Floor", [6, 13], .floor), ("Ceil", [6, 13], .ceil),
      ("Round", [11, 22], .round), ("Erf", [9, 13], .erf), ("Sin", [7, 22], .sin),
      ("Cos", [7, 22], .cos), ("Tan", [7, 22], .tan), ("Asin", [7, 22], .asin),
      ("Acos", [7, 22], .acos), ("Atan", [7, 22], .atan), ("Sinh", [9, 22], .sinh),
      ("Cosh", [9, 22], .cosh), ("Tanh", [6, 13], .tanh), ("Asinh", [9, 22], .asinh),
      ("Acosh", [9, 22], .acosh), ("Atanh", [9, 22], .atanh), ("Sigmoid", [6, 13], .sigmoid),
    ] as [(String, [Int], UnaryFunction)]).map { name, versions, kind in
      OperatorDefinition(name, versions, floats) { context throws(ModelFormatError) in
        let type = try context.type(0)
        return BuiltOperator(UnaryFloatOperator(kind: kind, type: type), type)
      }
    }
    + ([
      ("Abs", [6, 13], UnaryNumber.magnitude, numbers),
      ("Neg", [6, 13], .negate, floats.union([.int8, .int16, .int32, .int64])),
      ("Sign", [9, 13], .sign, numbers.union([.float16, .bfloat16])),
      ("Relu", [6, 13, 14], .relu, floats.union([.int8, .int16, .int32, .int64])),
    ] as [(String, [Int], UnaryNumber, Set<ElementType>)]).map { name, versions, kind, types in
      OperatorDefinition(name, versions, types) { context throws(ModelFormatError) in
        let type = try context.type(0)
        return BuiltOperator(UnaryNumberOperator(kind: kind, type: type), type)
      }
    }
}

enum UnaryFunction: Sendable {
  case exp, log, sqrt, reciprocal, floor, ceil, round, erf
  case sin, cos, tan, asin, acos, atan, sinh, cosh, tanh, asinh, acosh, atanh, sigmoid
}

extension UnaryFunction {
  /// Those that networks compute most of, many at once.
  fileprivate var vectorFunction: VectorFunctions.Unary? {
    switch self {
    case .exp: .exp
    case .sigmoid: .sigmoid
    case .tanh: .tanh
    case .erf: .erf
    default: nil
    }
  }
}

struct UnaryFloatOperator: FloatOperator {
  let kind: UnaryFunction
  let type: ElementType

  func run<Element: FloatElement>(
    _ scratch: ONNXScratch, as _: Element.Type
  ) throws(OperatorError) {
    if type == .float32, let function = kind.vectorFunction { return try map(scratch, function) }
    switch kind {
    case .exp: try map(scratch) { (x: Element) in Element.exp(x) }
    case .log: try map(scratch) { (x: Element) in Element.log(x) }
    case .sqrt: try map(scratch) { (x: Element) in x.squareRoot() }
    case .reciprocal: try map(scratch) { (x: Element) in 1 / x }
    case .floor: try map(scratch) { (x: Element) in x.rounded(.down) }
    case .ceil: try map(scratch) { (x: Element) in x.rounded(.up) }
    case .round: try map(scratch) { (x: Element) in x.rounded(.toNearestOrEven) }
    case .erf: try map(scratch) { (x: Element) in Element.erf(x) }
    case .sin: try map(scratch) { (x: Element) in Element.sin(x) }
    case .cos: try map(scratch) { (x: Element) in Element.cos(x) }
    case .tan: try map(scratch) { (x: Element) in Element.tan(x) }
    case .asin: try map(scratch) { (x: Element) in Element.asin(x) }
    case .acos: try map(scratch) { (x: Element) in Element.acos(x) }
    case .atan: try map(scratch) { (x: Element) in Element.atan(x) }
    case .sinh: try map(scratch) { (x: Element) in Element.sinh(x) }
    case .cosh: try map(scratch) { (x: Element) in Element.cosh(x) }
    case .tanh: try map(scratch) { (x: Element) in Element.tanh(x) }
    case .asinh: try map(scratch) { (x: Element) in Element.asinh(x) }
    case .acosh: try map(scratch) { (x: Element) in Element.acosh(x) }
    case .atanh: try map(scratch) { (x: Element) in Element.atanh(x) }
    case .sigmoid: try map(scratch) { (x: Element) in sigmoid(x) }
    }
  }
}

/// 1 / (1 + e⁻ˣ).
@inline(__always)
func sigmoid<Element: FloatElement>(_ x: Element) -> Element { 1 / (1 + Element.exp(-x)) }

enum UnaryNumber: Sendable { case magnitude, negate, sign, relu }

struct UnaryNumberOperator: NumberOperator {
  let kind: UnaryNumber
  let type: ElementType

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    guard type == .bfloat16 else { return try runNumbers(scratch) }
    // Signs alone are taken of them; a NaN has none in ONNX Runtime.
    try map(scratch) { (bits: UInt16) -> UInt16 in
      let magnitude = bits & 0x7FFF
      return magnitude == 0 || magnitude > 0x7F80 ? 0 : bits & 0x8000 | 0x3F80
    }
  }

  func run<Element: NumberElement>(
    _ scratch: ONNXScratch, as _: Element.Type
  ) throws(OperatorError) {
    let nothing = Element.nothing
    let one = Element.one
    switch kind {
    case .magnitude:
      // −0 becomes 0, and the smallest integer stays itself.
      try map(scratch) { (x: Element) in
        x > nothing ? x : x.isNotANumber ? x : Element.difference(nothing, x)
      }
    case .negate: try map(scratch) { (x: Element) in Element.negated(x) }
    case .sign:
      // ONNX Runtime's own kernel for half floats gives 0 for NaN.
      let keepsNaN = type != .float16
      try map(scratch) { (x: Element) in
        x > nothing
          ? one : x < nothing ? Element.negated(one) : keepsNaN && x.isNotANumber ? x : nothing
      }
    case .relu where type == .float32: try map(scratch, .relu)
    // A NaN stays one: no comparison with it is true.
    case .relu: try map(scratch) { (x: Element) in x < nothing ? nothing : x }
    }
  }
}
