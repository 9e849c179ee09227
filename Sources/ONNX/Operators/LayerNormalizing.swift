import Executors
import Tensors

extension OperatorTable {
  static let layerNormalizing: [OperatorDefinition] = [
    OperatorDefinition(
      "LayerNormalization", [17], floats, others: [.same], minInputs: 2, maxInputs: 3
    ) {
      context throws(ModelFormatError) in
      let type = try context.type(0)
      let operation = LayerNormalization(
        axis: try context.integer("axis") ?? -1, epsilon: try context.float("epsilon") ?? 1e-5,
        subtractsMean: true, type: type)
      try refuseOtherStash(&context)
      return BuiltOperator(operation, type, .float32, .float32)
    },
    OperatorDefinition(
      "RMSNormalization", [23], floats, others: [.same], minInputs: 2, maxInputs: 2
    ) {
      context throws(ModelFormatError) in
      let type = try context.type(0)
      let operation = LayerNormalization(
        axis: try context.integer("axis") ?? -1, epsilon: try context.float("epsilon") ?? 1e-5,
        subtractsMean: false, type: type)
      try refuseOtherStash(&context)
      return BuiltOperator(operation, type)
    },
    OperatorDefinition(
      "InstanceNormalization", [6, 22], floats, others: [.same], minInputs: 3, maxInputs: 3
    ) {
      context throws(ModelFormatError) in
      let type = try context.type(0)
      return BuiltOperator(
        GroupNormalization(
          groups: nil, epsilon: try context.float("epsilon") ?? 1e-5, scalesGroups: false,
          type: type), type)
    },
    OperatorDefinition(
      "GroupNormalization", [18, 21], floats, others: [.same], minInputs: 3, maxInputs: 3
    ) {
      context throws(ModelFormatError) in
      let type = try context.type(0)
      guard let groups = try context.integer("num_groups"), groups > 0 else {
        throw context.malformed("it has no usable num_groups")
      }
      let epsilon = try context.float("epsilon") ?? 1e-5
      if context.version >= 21 { try refuseOtherStash(&context) }
      return BuiltOperator(
        GroupNormalization(
          groups: groups, epsilon: epsilon, scalesGroups: context.version < 21, type: type), type)
    },
    OperatorDefinition(
      "MeanVarianceNormalization", [9, 13], floats,
      mixesRows: "when its axes hold 0, as they do where none are given, or one counted from the "
        + "end, which may be the first"
    ) {
      context throws(ModelFormatError) in
      let type = try context.type(0)
      let axes = try context.integers("axes") ?? [0, 2, 3]
      var built = BuiltOperator(MeanVariance(axes: axes, type: type), type)
      // One counted from the end may be the first, too: -1 of a list of numbers.
      built.mixesRows = axes.isEmpty || axes.contains { $0 <= 0 }
      return built
    },
    OperatorDefinition("LpNormalization", [1, 22], floats) { context throws(ModelFormatError) in
      let type = try context.type(0)
      let power = try context.integer("p") ?? 2
      guard power == 1 || power == 2 else { throw context.malformed("p is \(power)") }
      return BuiltOperator(
        LpNormalization(axis: try context.integer("axis") ?? -1, power: power, type: type), type)
    },
  ]

  /// The type that means are computed in; only that of the values is run.
  private static func refuseOtherStash(
    _ context: inout NodeContext
  ) throws(ModelFormatError) {
    let stash = try context.integer("stash_type") ?? 1
    guard stash == 1 else { throw context.unsupported("stash_type \(stash) is not run") }
  }
}

/// The values of everything from an axis on, to mean 0 (unless only the root mean square is
/// taken) and variance 1, then scaled and moved.
struct LayerNormalization: FloatOperator {
  let axis: Int
  let epsilon: Float
  let subtractsMean: Bool
  let type: ElementType

  func run<Element: FloatElement>(
    _ scratch: ONNXScratch, as _: Element.Type
  ) throws(OperatorError) {
    let input = try scratch.input(0)
    let axis = try checkedAxis(axis, rank: input.shape.rank)
    let dimensions = input.shape.array
    let rows = try checkedShape(Array(dimensions[..<axis])).elementCount
    let length = try checkedShape(Array(dimensions[axis...])).elementCount
    let scale = try stretched(try scratch.input(1), to: input.shape, axis)
    let offset = try scratch.optionalInput(2).map { tensor throws(OperatorError) in
      try stretched(tensor, to: input.shape, axis)
    }
    let reduced = try checkedShape(
      Array(dimensions[..<axis]) + [Int](repeating: 1, count: dimensions.count - axis))
    var output = try scratch.memory(0, input.shape)
    var means = try statistics(scratch, 1, reduced)
    var inverses = try statistics(scratch, 2, reduced)
    do {
      let source = input.values(as: Element.self)
      var target = output.mutableValues(as: Element.self)
      let factors = scale.values(as: Element.self)
      // Scales of all rows, or one that all rows share.
      let step = factors.count == length ? 0 : length
      for row in 0..<(length == 0 ? 0 : rows) {
        let first = row * length
        let values = source.extracting(first..<(first + length))
        let (mean, inverse) = moments(
          values, epsilon: Element(epsilon), subtractsMean: subtractsMean)
        note(Float(mean), row, in: &means)
        note(Float(inverse), row, in: &inverses)
        // Unchecked: `extracting` and `stretched` have checked the lengths.
        for index in 0..<length {
          target[unchecked: first + index] =
            (values[unchecked: index] - mean) * inverse * factors[unchecked: row * step + index]
        }
        if let offset {
          addOffset(offset, row: row, length: length, to: &target)
        }
      }
    }
    scratch.give(0, output)
    scratch.give(1, means)
    scratch.give(2, inverses)
  }

  /// Zeros for an output that is asked for.
  private func statistics(
    _ scratch: ONNXScratch, _ index: Int, _ shape: Shape
  ) throws(OperatorError) -> Tensor {
    guard subtractsMean, scratch.wants(output: index) else {
      return Tensor(.float32, shape: Shape(0))
    }
    var tensor = try scratch.memory(index, shape)
    var values = tensor.mutableValues(as: Float.self)
    for index in values.indices { values[index] = 0 }
    return tensor
  }

  private func note(_ value: Float, _ row: Int, in statistics: inout Tensor) {
    if statistics.shape.elementCount == 0 { return }
    var values = statistics.mutableValues(as: Float.self)
    values[row] = value
  }

  private func addOffset<Element: FloatElement>(
    _ offset: Tensor, row: Int, length: Int, to target: inout MutableSpan<Element>
  ) {
    let terms = offset.values(as: Element.self)
    let step = terms.count == length ? 0 : length
    for index in 0..<length {
      target[unchecked: row * length + index] += terms[unchecked: row * step + index]
    }
  }

  /// A scale for each value of a row, or for each value of the input when it depends on the row.
  private func stretched(
    _ tensor: Tensor, to shape: Shape, _ axis: Int
  ) throws(OperatorError) -> Tensor {
    // The usual case: the normalised axes themselves, each in its place. A scale of [3, 1] has as
    // many elements as one of [3], but lies along another axis.
    let missing = shape.rank - tensor.shape.rank
    let isUsual = shape.array.indices.allSatisfy { place in
      let size = place < missing ? 1 : tensor.shape[place - missing]
      return size == (place < axis ? 1 : shape[place])
    }
    if missing >= 0, isUsual { return tensor }
    guard let strides = stretchedStrides(from: tensor.shape, to: shape) else {
      throw OperatorError("a scale of \(tensor.shape) does not stretch to \(shape)")
    }
    let writer = ElementWriter(reusing: Tensor(tensor.elementType, shape: Shape(0)), shape: shape)
    return strided(tensor, 0, strides, shape, writer)
  }
}

/// The mean (0 unless asked for) of the values and 1 / √(their mean square around it + ε).
@inline(__always)
func moments<Element: FloatElement>(
  _ values: Span<Element>, epsilon: Element, subtractsMean: Bool
) -> (mean: Element, inverse: Element) {
  let count = Element(values.count)
  let mean = subtractsMean ? sum(of: values) { $0 } / count : 0
  let variance = sum(of: values) { ($0 - mean) * ($0 - mean) } / count
  return (mean, 1 / (variance + epsilon).squareRoot())
}

/// Each group of channels of each sample to mean 0 and variance 1, then scaled and moved.
/// Without `groups` every channel is its own: instance normalization.
struct GroupNormalization: FloatOperator {
  let groups: Int?
  let epsilon: Float
  /// Version 18 has a scale for each group, later ones for each channel.
  let scalesGroups: Bool
  let type: ElementType

  func run<Element: FloatElement>(
    _ scratch: ONNXScratch, as _: Element.Type
  ) throws(OperatorError) {
    let input = try scratch.input(0)
    guard input.shape.rank >= 2 else { throw OperatorError("\(input.shape) has no channels") }
    let channels = input.shape[1]
    let groups = groups ?? channels
    guard channels == 0 || channels % groups == 0 else {
      throw OperatorError("\(channels) channels in \(groups) groups")
    }
    let inner = try checkedShape(Array(input.shape.array[2...])).elementCount
    let scale = try scratch.input(1)
    let offset = try scratch.input(2)
    let expected = scalesGroups ? groups : channels
    guard scale.shape.elementCount == expected, offset.shape.elementCount == expected else {
      throw OperatorError("a scale of \(scale.shape) and bias of \(offset.shape) for \(expected)")
    }
    var output = try scratch.memory(0, input.shape)
    do {
      let source = input.values(as: Element.self)
      var target = output.mutableValues(as: Element.self)
      let factors = scale.values(as: Element.self)
      let terms = offset.values(as: Element.self)
      let perGroup = groups == 0 ? 0 : channels / groups
      let length = perGroup * inner
      for block in 0..<(length == 0 ? 0 : source.count / length) {
        let first = block * length
        let values = source.extracting(first..<(first + length))
        let (mean, inverse) = groupMoments(values)
        for channel in 0..<perGroup {
          let group = block % groups
          let index = scalesGroups ? group : group * perGroup + channel
          let factor = factors[index] * inverse
          let term = terms[index]
          for place in (channel * inner)..<((channel + 1) * inner) {
            target[unchecked: first + place] = (values[unchecked: place] - mean) * factor + term
          }
        }
      }
    }
    scratch.give(0, output)
  }

  /// From version 21 on in float, whatever the type.
  @inline(__always)
  private func groupMoments<Element: FloatElement>(
    _ values: Span<Element>
  ) -> (mean: Element, inverse: Element) {
    guard Element.self == Double.self, groups != nil, !scalesGroups else {
      return moments(values, epsilon: Element(epsilon), subtractsMean: true)
    }
    var narrow: [Float] = []
    narrow.reserveCapacity(values.count)
    for index in values.indices { narrow.append(Float(values[index])) }
    let (mean, inverse) = moments(narrow.span, epsilon: epsilon, subtractsMean: true)
    return (Element(mean), Element(inverse))
  }
}

/// (x − mean) / (standard deviation + 10⁻⁹) over some axes. With axis 0 among them, as it is
/// unless the model says otherwise, a row's answer depends on its batch by definition.
struct MeanVariance: FloatOperator {
  let axes: [Int]
  let type: ElementType

  func run<Element: FloatElement>(
    _ scratch: ONNXScratch, as _: Element.Type
  ) throws(OperatorError) {
    let input = try scratch.input(0)
    let rank = input.shape.rank
    var isReduced = [Bool](repeating: axes.isEmpty, count: rank)
    for axis in axes { isReduced[try checkedAxis(axis, rank: rank)] = true }
    // The reduced axes last, and back afterwards.
    let order = (0..<rank).filter { !isReduced[$0] } + (0..<rank).filter { isReduced[$0] }
    let shape = try checkedShape(order.map { input.shape[$0] })
    let length = try checkedShape((0..<rank).filter { isReduced[$0] }.map { input.shape[$0] })
      .elementCount
    let strides = rowMajorStrides(input.shape)
    var rows = strided(
      input, 0, order.map { strides[$0] }, shape,
      ElementWriter(reusing: Tensor(type, shape: Shape(0)), shape: shape))
    normalize(&rows, length, Element.self)
    let own = rowMajorStrides(shape)
    var back = [Int](repeating: 0, count: rank)
    for (place, axis) in order.enumerated() { back[axis] = own[place] }
    let writer = try scratch.writer(0, input.shape)
    scratch.give(0, strided(rows, 0, back, input.shape, writer))
  }

  private func normalize<Element: FloatElement>(
    _ rows: inout Tensor, _ length: Int, _: Element.Type
  ) {
    var values = rows.mutableValues(as: Element.self)
    for first in stride(from: 0, to: length == 0 ? 0 : values.count, by: max(length, 1)) {
      let count = Element(length)
      let (mean, divisor) = statistics(values.span.extracting(first..<(first + length)), count)
      for index in first..<(first + length) {
        let value = values[index]
        values[index] = (value - mean) / divisor
      }
    }
  }
}

@inline(__always)
private func statistics<Element: FloatElement>(
  _ row: Span<Element>, _ count: Element
) -> (mean: Element, divisor: Element) {
  let mean = sum(of: row) { $0 } / count
  let variance = sum(of: row) { ($0 - mean) * ($0 - mean) } / count
  return (mean, variance.squareRoot() + 1e-9)
}

/// x / ‖x‖ along an axis; where the norm is 0 the answer is 0.
struct LpNormalization: FloatOperator {
  let axis: Int
  let power: Int
  let type: ElementType

  func run<Element: FloatElement>(
    _ scratch: ONNXScratch, as _: Element.Type
  ) throws(OperatorError) {
    let input = try scratch.input(0)
    let axis = try checkedAxis(axis, rank: input.shape.rank)
    let length = input.shape[axis]
    let inner = try checkedShape(Array(input.shape.array[(axis + 1)...])).elementCount
    var output = try scratch.memory(0, input.shape)
    do {
      let source = input.values(as: Element.self)
      var target = output.mutableValues(as: Element.self)
      for run in 0..<(source.count == 0 ? 0 : source.count / length) {
        let first = run / inner * length * inner + run % inner
        var norm: Element = 0
        for step in 0..<length {
          let value = source[first + step * inner]
          norm += power == 1 ? value.magnitude : value * value
        }
        if power == 2 { norm = norm.squareRoot() }
        for step in 0..<length {
          let place = first + step * inner
          target[place] = norm == 0 ? 0 : source[place] / norm
        }
      }
    }
    scratch.give(0, output)
  }
}
