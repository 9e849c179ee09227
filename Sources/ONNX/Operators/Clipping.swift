import Executors
import Tensors

extension OperatorTable {
  static let clipping: [OperatorDefinition] = [
    OperatorDefinition("Clip", [6, 11, 12, 13], numbers, others: [.same], maxInputs: 3) {
      context throws(ModelFormatError) in
      let type = try context.type(0)
      guard context.version < 11 else {
        return BuiltOperator(Clip(limits: nil, type: type), type)
      }
      guard floats.contains(type), !context.has(1) else {
        throw context.malformed("version 6 takes one input of floating point")
      }
      let low = try context.float("min") ?? -Float.greatestFiniteMagnitude
      let high = try context.float("max") ?? Float.greatestFiniteMagnitude
      guard low <= high else { throw context.malformed("min is \(low) and max \(high)") }
      return BuiltOperator(Clip(limits: (low, high), type: type), type)
    },
    OperatorDefinition(
      "Dropout", [7, 10, 12, 13, 22], floats.union([.float16]),
      others: [.one(of: floats.union([.float16])), .one(of: [.bool])], maxInputs: 3
    ) {
      context throws(ModelFormatError) in
      let type = try context.type(0)
      if context.version >= 12 {
        _ = try context.integer("seed")
        // Told now where it is known now; else each request is asked.
        let ratio = context.constant(1)
        if let training = context.constant(2), !context.has(1) || ratio != nil,
          Dropout.isTrue(training), Dropout.drops(ratio)
        {
          throw context.unsupported(Dropout.refusal)
        }
      } else {
        _ = try context.float("ratio")
      }
      // The mask of nothing dropped: ONNX Runtime's is true since version 12, false before.
      let maskType = context.version >= 10 ? ElementType.bool : type
      return BuiltOperator(
        Dropout(maskType: maskType, maskValue: context.version >= 12 ? 1 : 0), type, maskType)
    },
  ]
}

/// Values limited from below, then from above; a NaN stays one.
struct Clip: NumberOperator {
  /// Nil: they are inputs 1 and 2, where given.
  let limits: (Float, Float)?
  let type: ElementType

  func run<Element: NumberElement>(
    _ scratch: ONNXScratch, as _: Element.Type
  ) throws(OperatorError) {
    var low: Element?
    var high: Element?
    if let limits {
      low = Element(truncating: Double(limits.0))
      high = Element(truncating: Double(limits.1))
    } else {
      low = try limit(scratch, 1)
      high = try limit(scratch, 2)
    }
    // Without a limit an infinity becomes the largest finite number, as in ONNX Runtime.
    let least = low ?? Element.lowestFinite
    let most = high ?? Element.highestFinite
    if type == .float32 {
      return try map(scratch, .clip(low: Float(least.asDouble), high: Float(most.asDouble)))
    }
    try map(scratch) { (x: Element) in
      let raised = x < least ? least : x
      return raised > most ? most : raised
    }
  }

  private func limit<Element: NumberElement>(
    _ scratch: ONNXScratch, _ index: Int
  ) throws(OperatorError) -> Element? {
    guard let tensor = scratch.optionalInput(index) else { return nil }
    guard tensor.shape.elementCount == 1 else {
      throw OperatorError("input \(index) has shape \(tensor.shape); a scalar was expected")
    }
    return tensor.values(as: Element.self)[0]
  }
}

/// Nothing is dropped when a model is only asked, nor in training with a ratio of 0. Else it is
/// chance what is dropped: no answer would be the library's.
struct Dropout: Operator {
  static let refusal =
    "with training_mode true it drops values by chance; only inference is run, or a ratio of 0"

  let maskType: ElementType
  let maskValue: UInt8
  var sharesInput: Bool { true }

  /// Whether a training_mode says so; what is no truth value at all may mean anything.
  static func isTrue(_ training: Tensor) -> Bool {
    guard training.shape.elementCount == 1 else { return true }
    return training.values(as: UInt8.self)[0] != 0
  }

  /// Whether values are dropped at this ratio; without one it is a half.
  static func drops(_ ratio: Tensor?) -> Bool {
    guard let ratio, ratio.shape.elementCount == 1 else { return true }
    return switch ratio.elementType {
    case .float64: ratio.values(as: Double.self)[0] != 0
    case .float16: ratio.values(as: Float16.self)[0] != 0
    default: ratio.values(as: Float.self)[0] != 0
    }
  }

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let input = try scratch.input(0)
    if let training = scratch.optionalInput(2), Dropout.isTrue(training),
      Dropout.drops(scratch.optionalInput(1))
    {
      throw OperatorError(Dropout.refusal)
    }
    scratch.give(0, input)
    guard scratch.wants(output: 1) else { return }
    if maskType == .bool {
      var mask = try scratch.memory(1, input.shape)
      do {
        var target = mask.mutableValues(as: UInt8.self)
        for index in target.indices { target[index] = maskValue }
      }
      scratch.give(1, mask)
    } else {
      scratch.give(1, Tensor(maskType, shape: input.shape))
    }
  }
}
