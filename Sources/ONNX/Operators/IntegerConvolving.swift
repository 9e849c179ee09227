import Executors
import Tensors

extension OperatorTable {
  static let integerConvolving: [OperatorDefinition] = [
    OperatorDefinition(
      "ConvInteger", [10], bytes, others: [.one(of: bytes)], minInputs: 2, maxInputs: 4
    ) { context throws(ModelFormatError) in
      try refuseOtherZeroPoints(context, [(2, 0), (3, 1)])
      let window = try WindowAttributes(&context)
      return BuiltOperator(
        ConvInteger(window: window, groups: try groups(&context)), .int32)
    },
    OperatorDefinition(
      "QLinearConv", [10], bytes,
      others: [
        scale, .one(of: bytes), .one(of: bytes), scale, .one(of: bytes), scale,
        .one(of: bytes), .one(of: [.int32]),
      ],
      minInputs: 8, maxInputs: 9
    ) { context throws(ModelFormatError) in
      try refuseOtherZeroPoints(context, [(2, 0), (5, 3)])
      let window = try WindowAttributes(&context)
      let type = try context.type(7)
      return BuiltOperator(
        QLinearConv(window: window, groups: try groups(&context), type: type), type)
    },
  ]

  private static func groups(_ context: inout NodeContext) throws(ModelFormatError) -> Int {
    let groups = try context.integer("group") ?? 1
    guard groups > 0 else { throw context.malformed("group is \(groups)") }
    return groups
  }
}

extension ConvolutionShape {
  /// The exact sums of a convolution of bytes; the padding is the zero point.
  func sums(
    _ input: Tensor, _ inputZero: Tensor?, _ weights: Tensor, _ weightZero: Tensor?,
    _ scratch: ONNXScratch
  ) throws(OperatorError) -> [Int32] {
    var source = integers(ofBytes: input)
    let inputZero = try zeroPoint(inputZero)
    if inputZero != 0 { for index in source.indices { source[index] -= inputZero } }
    var factors = integers(ofBytes: weights)
    if let weightZero {
      let points = integers(ofBytes: weightZero)
      guard points.count == 1 || points.count == outputChannels else {
        throw OperatorError("zero points of \(weightZero.shape) for \(outputChannels) channels")
      }
      for index in factors.indices {
        factors[index] -= points[points.count == 1 ? 0 : index / max(inner, 1)]
      }
    }
    var sums = [Int32](repeating: 0, count: output.elementCount)
    if sums.isEmpty { return sums }
    let rows = outputChannels / groups
    let groupSize = inputChannels / groups * inputPlaces
    let tile = min(places, max(16, Conv.tileElements / max(inner, 1)))
    var columns = [Int16](repeating: 0, count: inner * tile)
    var part = [Int32](repeating: 0, count: rows * tile)
    for block in 0..<(samples * groups) {
      let group = block % groups
      for first in stride(from: 0, to: places, by: tile) {
        try scratch.stopAtDeadline()
        let count = min(tile, places - first)
        var matrix = columns.mutableSpan
        var used = matrix._mutatingExtracting(0..<(inner * count))
        layOutColumns(
          source.span.extracting((block * groupSize)..<((block + 1) * groupSize)), self,
          places: first..<(first + count), padding: 0, to: &used)
        for index in 0..<(rows * count) { part[index] = 0 }
        var partSpan = part.mutableSpan
        var results = partSpan._mutatingExtracting(0..<(rows * count))
        try addIntegerProduct(
          factors.span.extracting((group * rows * inner)..<((group + 1) * rows * inner)),
          columns.span.extracting(0..<(inner * count)), rows: rows, inner: inner, columns: count,
          to: &results, scratch)
        for row in 0..<rows {
          for column in 0..<count {
            sums[(block * rows + row) * places + first + column] = results[row * count + column]
          }
        }
      }
    }
    return sums
  }
}

/// A convolution of bytes, exact.
struct ConvInteger: Operator {
  let window: WindowAttributes
  let groups: Int

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let input = try scratch.input(0)
    let weights = try scratch.input(1)
    let shape = try ConvolutionShape(
      input: input.shape, weights: weights.shape, groups: groups, window: window)
    var output = try scratch.memory(0, shape.output)
    let sums = try shape.sums(
      input, scratch.optionalInput(2), weights, scratch.optionalInput(3), scratch)
    do {
      var target = output.mutableValues(as: Int32.self)
      for index in sums.indices { target[index] = sums[index] }
    }
    scratch.give(0, output)
  }
}

/// The exact convolution and its bias, scaled and quantized again.
struct QLinearConv: Operator {
  let window: WindowAttributes
  let groups: Int
  let type: ElementType

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let input = try scratch.input(0)
    let weights = try scratch.input(3)
    let shape = try ConvolutionShape(
      input: input.shape, weights: weights.shape, groups: groups, window: window)
    var output = try scratch.memory(0, shape.output)
    var sums = try shape.sums(
      input, try scratch.input(2), weights, try scratch.input(5), scratch)
    let channels = shape.outputChannels
    let scales = try multipliers(
      try scratch.input(1), try scratch.input(4), try scratch.input(6), count: channels)
    if let bias = scratch.optionalInput(8) {
      guard bias.shape.elementCount == channels else {
        throw OperatorError("a bias of \(bias.shape) for \(channels) channels")
      }
      let terms = bias.values(as: Int32.self)
      for index in sums.indices { sums[index] &+= terms[index / shape.places % channels] }
    }
    let places = max(shape.places, 1)
    requantize(sums, try zeroPoint(try scratch.input(7)), into: &output) {
      scales[scales.count == 1 ? 0 : $0 / places % channels]
    }
    scratch.give(0, output)
  }
}
