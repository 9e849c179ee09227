import Executors
import Tensors

extension OperatorTable {
  static let batchNormalizing: [OperatorDefinition] = [
    OperatorDefinition(
      "BatchNormalization", [7, 9, 14, 15], floats, others: [.same], minInputs: 5, maxInputs: 5,
      mixesRows: "with training_mode 1: mean and variance are the batch's"
    ) {
      context throws(ModelFormatError) in
      let type = try context.type(0)
      let epsilon = try context.float("epsilon") ?? 1e-5
      let momentum = try context.float("momentum") ?? 0.9
      if context.version >= 14, try context.integer("training_mode") ?? 0 != 0 {
        var built = BuiltOperator(
          TrainingNormalization(epsilon: epsilon, momentum: momentum, type: type), type, type, type)
        built.mixesRows = true
        return built
      }
      let isSpatial = context.version < 9 ? try context.integer("spatial") ?? 1 != 0 : true
      return BuiltOperator(
        BatchNormalization(epsilon: epsilon, isSpatial: isSpatial, type: type), type)
    },
    OperatorDefinition("LRN", [1, 13], floats) { context throws(ModelFormatError) in
      guard let size = try context.integer("size"), size > 0, size <= Int(Int32.max) else {
        throw context.malformed("it has no usable size")
      }
      // Which side has one channel more is not agreed on.
      guard size % 2 == 1 else { throw context.unsupported("an even size, \(size), is not run") }
      let type = try context.type(0)
      return BuiltOperator(
        LocalResponse(
          size: size, alpha: try context.float("alpha") ?? 0.0001,
          beta: try context.float("beta") ?? 0.75, bias: try context.float("bias") ?? 1,
          type: type), type)
    },
  ]
}

/// (x − mean) · scale / √(variance + ε) + B, with the statistics of training.
struct BatchNormalization: FloatOperator {
  let epsilon: Float
  /// False: every place has statistics of its own (versions before 9).
  let isSpatial: Bool
  let type: ElementType

  func run<Element: FloatElement>(
    _ scratch: ONNXScratch, as _: Element.Type
  ) throws(OperatorError) {
    let input = try scratch.input(0)
    let rank = input.shape.rank
    guard rank >= 1 else { throw OperatorError("a scalar has no channels") }
    let dimensions = input.shape.array
    // An input of rank 1 has one channel.
    let channelShape = rank == 1 ? [1] : isSpatial ? [dimensions[1]] : Array(dimensions[1...])
    let channels = try checkedShape(channelShape).elementCount
    let inner =
      rank < 2 || !isSpatial ? 1 : try checkedShape(Array(dimensions[2...])).elementCount
    for index in 1..<5 {
      let count = try scratch.input(index).shape.elementCount
      guard count == channels else {
        throw OperatorError("input \(index) has \(count) values for \(channels) channels")
      }
    }
    var factors = [Element](repeating: 0, count: channels)
    var offsets = factors
    try prepare(scratch, channels, &factors, &offsets)
    var output = try scratch.memory(0, input.shape)
    if type == .float32 {
      let source = input.values(as: Float.self)
      var target = output.mutableValues(as: Float.self)
      let blocks = inner == 0 ? 0 : source.count / inner
      for block in 0..<blocks {
        let places = (block * inner)..<((block + 1) * inner)
        var part = target._mutatingExtracting(places)
        let (factor, offset) = (factors[block % channels], offsets[block % channels])
        VectorFunctions.map(
          .scale(factor: Float(factor), offset: Float(offset)), source.extracting(places),
          to: &part)
      }
    } else {
      let source = input.values(as: Element.self)
      var target = output.mutableValues(as: Element.self)
      precondition(source.count == target.count)
      let blocks = inner == 0 ? 0 : source.count / inner
      for block in 0..<blocks {
        let factor = factors[block % channels]
        let offset = offsets[block % channels]
        // Unchecked: blocks of `inner` fill the input.
        for place in (block * inner)..<((block + 1) * inner) {
          target[unchecked: place] = source[unchecked: place] * factor + offset
        }
      }
    }
    scratch.give(0, output)
  }

  private func prepare<Element: FloatElement>(
    _ scratch: ONNXScratch, _ channels: Int, _ factors: inout [Element],
    _ offsets: inout [Element]
  ) throws(OperatorError) {
    let tensors = (
      try scratch.input(1), try scratch.input(2), try scratch.input(3),
      try scratch.input(4)
    )
    let scale = tensors.0.values(as: Element.self)
    let offset = tensors.1.values(as: Element.self)
    let mean = tensors.2.values(as: Element.self)
    let variance = tensors.3.values(as: Element.self)
    let epsilon = Element(epsilon)
    for channel in 0..<channels {
      factors[channel] = scale[channel] / (variance[channel] + epsilon).squareRoot()
      offsets[channel] = offset[channel] - mean[channel] * factors[channel]
    }
  }
}

/// BatchNormalization with the statistics of the batch itself, and the running ones moved
/// towards them: a row's answer depends on its batch by definition.
struct TrainingNormalization: FloatOperator {
  let epsilon: Float
  let momentum: Float
  let type: ElementType

  func run<Element: FloatElement>(
    _ scratch: ONNXScratch, as _: Element.Type
  ) throws(OperatorError) {
    let input = try scratch.input(0)
    guard input.shape.rank >= 2 else { throw OperatorError("\(input.shape) has no channels") }
    let channels = input.shape[1]
    let inner = try checkedShape(Array(input.shape.array[2...])).elementCount
    for index in 1..<5 {
      let count = try scratch.input(index).shape.elementCount
      guard count == channels else {
        throw OperatorError("input \(index) has \(count) values for \(channels) channels")
      }
    }
    let statistics = (try scratch.input(1), try scratch.input(2))
    let count = channels == 0 ? 0 : input.shape.elementCount / channels
    var means = [Double](repeating: 0, count: channels)
    var variances = means
    var output = try scratch.memory(0, input.shape)
    do {
      let source = input.values(as: Element.self)
      for index in source.indices { means[index / inner % channels] += Double(source[index]) }
      for channel in means.indices { means[channel] /= Double(count) }
      for index in source.indices {
        let channel = index / inner % channels
        let difference = Double(source[index]) - means[channel]
        variances[channel] += difference * difference
      }
      for channel in variances.indices { variances[channel] /= Double(count) }
      let scale = statistics.0.values(as: Element.self)
      let offset = statistics.1.values(as: Element.self)
      var target = output.mutableValues(as: Element.self)
      for index in source.indices {
        let channel = index / inner % channels
        let factor = Double(scale[channel]) / (variances[channel] + Double(epsilon)).squareRoot()
        target[index] = Element(
          (Double(source[index]) - means[channel]) * factor + Double(offset[channel]))
      }
    }
    scratch.give(0, output)
    try giveMoved(scratch, 1, input: 3, means, Element.self)
    try giveMoved(scratch, 2, input: 4, variances, Element.self)
  }

  private func giveMoved<Element: FloatElement>(
    _ scratch: ONNXScratch, _ index: Int, input: Int, _ current: [Double], _: Element.Type
  ) throws(OperatorError) {
    guard scratch.wants(output: index) else { return }
    let running = try scratch.input(input)
    var output = try scratch.memory(index, running.shape)
    do {
      let known = running.values(as: Element.self)
      var target = output.mutableValues(as: Element.self)
      let share = Double(momentum)
      for channel in known.indices {
        target[channel] = Element(Double(known[channel]) * share + current[channel] * (1 - share))
      }
    }
    scratch.give(index, output)
  }
}

/// LRN: x / (bias + alpha / size · Σ x²)^beta, the sum over neighbouring channels.
struct LocalResponse: FloatOperator {
  let size: Int
  let alpha: Float
  let beta: Float
  let bias: Float
  let type: ElementType

  func run<Element: FloatElement>(
    _ scratch: ONNXScratch, as _: Element.Type
  ) throws(OperatorError) {
    let input = try scratch.input(0)
    guard input.shape.rank >= 2 else { throw OperatorError("\(input.shape) has no channels") }
    let channels = input.shape[1]
    let inner = try checkedShape(Array(input.shape.array[2...])).elementCount
    var output = try scratch.memory(0, input.shape)
    do {
      let source = input.values(as: Element.self)
      var target = output.mutableValues(as: Element.self)
      let share = Element(alpha) / Element(size)
      let (beta, bias) = (Element(beta), Element(bias))
      let reach = (size - 1) / 2
      for index in 0..<source.count {
        let channel = index / inner % channels
        let first = max(0, channel - reach)
        let last = min(channels - 1, channel + reach)
        var sum: Element = 0
        var place = index - (channel - first) * inner
        for _ in first..<(last + 1) {
          sum += source[place] * source[place]
          place += inner
        }
        target[index] = source[index] / Element.pow(bias + share * sum, beta)
      }
    }
    scratch.give(0, output)
  }
}
