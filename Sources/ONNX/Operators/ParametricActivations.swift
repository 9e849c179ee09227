import Executors
import Tensors

extension OperatorTable {
  static let parametricActivations: [OperatorDefinition] =
    ([
      // Name, versions, and the defaults of the one or two parameters.
      ("Elu", [6, 22], .elu, ("alpha", 1), nil),
      (
        "Selu", [6, 22], .selu, ("alpha", 1.67326319217681884765625),
        ("gamma", 1.05070102214813232421875)
      ),
      ("Celu", [12, 28], .celu, ("alpha", 1), nil),
      ("HardSigmoid", [6, 22], .hardSigmoid, ("alpha", 0.2), ("beta", 0.5)),
      ("HardSwish", [14, 22], .hardSwish, nil, nil),
      ("LeakyRelu", [6, 16], .leakyRelu, ("alpha", 0.01), nil),
      ("ThresholdedRelu", [10, 22], .thresholdedRelu, ("alpha", 1), nil),
      ("Softplus", [1, 22], .softplus, nil, nil),
      ("Softsign", [1, 22], .softsign, nil, nil),
      ("Mish", [18, 22], .mish, nil, nil),
      ("Swish", [24], .swish, ("alpha", 1), nil),
    ] as [(String, [Int], ParametricActivation, (String, Float)?, (String, Float)?)]).map {
      name, versions, kind, first, second in
      OperatorDefinition(name, versions, floats) { context throws(ModelFormatError) in
        let type = try context.type(0)
        var parameters: [Float] = []
        for parameter in [first, second] {
          guard let (name, standard) = parameter else { continue }
          parameters.append(try context.float(name) ?? standard)
        }
        return BuiltOperator(
          ParametricActivationOperator(
            kind: kind, alpha: parameters.first ?? 0, beta: parameters.last ?? 0, type: type),
          type)
      }
    }
    + [
      OperatorDefinition("Gelu", [20], floats) { context throws(ModelFormatError) in
        let type = try context.type(0)
        let form = try context.string("approximate") ?? "none"
        guard form == "none" || form == "tanh" else {
          throw context.malformed("approximate is '\(form)'; none or tanh was expected")
        }
        return BuiltOperator(
          ParametricActivationOperator(
            kind: form == "none" ? .gelu : .geluByTanh, alpha: 0, beta: 0, type: type), type)
      },
      OperatorDefinition(
        "PRelu", [7, 9, 16], floats.union([.int32, .int64, .uint32, .uint64]), others: [.same],
        minInputs: 2, maxInputs: 2
      ) {
        context throws(ModelFormatError) in
        let type = try context.type(0)
        return BuiltOperator(PRelu(type: type), type)
      },
      OperatorDefinition("Shrink", [9], numbers) { context throws(ModelFormatError) in
        let type = try context.type(0)
        return BuiltOperator(
          Shrink(
            bias: try context.float("bias") ?? 0, limit: try context.float("lambd") ?? 0.5,
            type: type), type)
      },
    ]
}

enum ParametricActivation: Sendable {
  case elu, selu, celu, hardSigmoid, hardSwish, leakyRelu, thresholdedRelu
  case softplus, softsign, mish, swish, gelu, geluByTanh
}

/// Activations with up to two parameters of the model.
struct ParametricActivationOperator: FloatOperator {
  let kind: ParametricActivation
  let alpha: Float
  let beta: Float
  let type: ElementType

  func run<Element: FloatElement>(
    _ scratch: ONNXScratch, as _: Element.Type
  ) throws(OperatorError) {
    let alpha = Element(alpha)
    let beta = Element(beta)
    switch kind {
    case .elu:
      try map(scratch) { (x: Element) in x < 0 ? alpha * (Element.exp(x) - 1) : x }
    case .selu:
      try map(scratch) { (x: Element) in
        x > 0 ? beta * x : beta * (alpha * Element.exp(x) - alpha)
      }
    case .celu:
      try map(scratch) { (x: Element) in
        x < 0 ? alpha * (Element.exp(x / alpha) - 1) : x
      }
    case .hardSigmoid:
      try map(scratch) { (x: Element) in clamped(alpha * x + beta, 0, 1) }
    case .hardSwish:
      try map(scratch) { (x: Element) in x * clamped(x / 6 + 0.5, 0, 1) }
    case .leakyRelu: try map(scratch) { (x: Element) in x < 0 ? alpha * x : x }
    case .thresholdedRelu: try map(scratch) { (x: Element) in x > alpha ? x : 0 }
    case .softplus: try map(scratch) { (x: Element) in softplus(x) }
    case .softsign: try map(scratch) { (x: Element) in x / (1 + x.magnitude) }
    case .mish: try map(scratch) { (x: Element) in x * Element.tanh(softplus(x)) }
    case .swish: try map(scratch) { (x: Element) in x * sigmoid(alpha * x) }
    case .gelu:
      let scale = Element(0.5).squareRoot()
      try map(scratch) { (x: Element) in 0.5 * x * (1 + Element.erf(x * scale)) }
    case .geluByTanh:
      // The definition's constants are floats, whatever the type.
      let scale = Element(Float(2 / Double.pi)).squareRoot()
      let cube = Element(0.044715 as Float)
      try map(scratch) { (x: Element) in
        0.5 * x * (1 + Element.tanh(scale * (x + cube * x * x * x)))
      }
    }
  }

  /// log(1 + eˣ) from the side that does not overflow.
  @inline(__always)
  private func softplus<Element: FloatElement>(_ x: Element) -> Element {
    x > 0 ? x + Element.log1p(Element.exp(-x)) : Element.log1p(Element.exp(x))
  }
}

/// A NaN stays one.
@inline(__always)
func clamped<Element: NumberElement>(
  _ x: Element, _ low: Element, _ high: Element
) -> Element {
  x < low ? low : x > high ? high : x
}

/// The slope stretches to the input.
struct PRelu: Operator {
  let type: ElementType

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    switch type {
    case .float64: try run(scratch, as: Double.self)
    case .int32: try run(scratch, as: Int32.self)
    case .int64: try run(scratch, as: Int64.self)
    case .uint32: try run(scratch, as: UInt32.self)
    case .uint64: try run(scratch, as: UInt64.self)
    default: try run(scratch, as: Float.self)
    }
  }

  private func run<Element: NumberElement>(
    _ scratch: ONNXScratch, as _: Element.Type
  ) throws(OperatorError) {
    let nothing = Element.nothing
    try broadcast(scratch) { (x: Element, slope: Element) in
      x < nothing ? Element.product(x, slope) : x
    }
  }
}

/// Small values become 0, the others move towards it by `bias`.
struct Shrink: NumberOperator {
  let bias: Float
  let limit: Float
  let type: ElementType

  func run<Element: NumberElement>(
    _ scratch: ONNXScratch, as _: Element.Type
  ) throws(OperatorError) {
    let bias = Double(bias)
    let limit = Double(limit)
    try map(scratch) { (x: Element) in
      let value = x.asDouble
      return value < -limit
        ? Element(truncating: value + bias)
        : value > limit ? Element(truncating: value - bias) : Element.nothing
    }
  }
}
