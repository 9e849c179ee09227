import Executors
import Tensors

extension OperatorTable {
  static let normalizing: [OperatorDefinition] = [
    OperatorDefinition("Softmax", [1, 11, 13], floats) { context throws(ModelFormatError) in
      try softmax(&context, takesLogarithm: false)
    },
    OperatorDefinition("LogSoftmax", [1, 11, 13], floats) { context throws(ModelFormatError) in
      try softmax(&context, takesLogarithm: true)
    },
  ]

  private static func softmax(
    _ context: inout NodeContext, takesLogarithm: Bool
  ) throws(ModelFormatError) -> BuiltOperator {
    let flattens = context.version < 13
    let axis = try context.integer("axis") ?? (flattens ? 1 : -1)
    let type = try context.type(0)
    return BuiltOperator(
      Softmax(
        axis: axis, flattens: flattens, takesLogarithm: takesLogarithm,
        isDouble: type == .float64), type)
  }
}

/// Before version 13 the input is flattened to two dimensions at `axis`; from then on the sum
/// runs along `axis` alone.
struct Softmax: Operator {
  let axis: Int
  let flattens: Bool
  let takesLogarithm: Bool
  let isDouble: Bool

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let input = try scratch.input(0)
    let rank = input.shape.rank
    // Flattening may also begin behind the last axis: then every row has one value.
    let start = flattens && axis == rank ? rank : try checkedAxis(axis, rank: rank)
    var inner = 1
    if !flattens { for axis in (start + 1)..<max(rank, start + 1) { inner *= input.shape[axis] } }
    var length = 1
    if flattens {
      for axis in start..<rank { length *= input.shape[axis] }
    } else {
      length = input.shape[start]
    }
    var output = try scratch.memory(0, input.shape)
    if isDouble {
      let source = input.values(as: Double.self)
      var target = output.mutableValues(as: Double.self)
      permute(source, to: &target, length: length, inner: inner, back: false)
      if takesLogarithm {
        Activations.logSoftmax(rowsOf: length, &target)
      } else {
        Activations.softmax(rowsOf: length, &target)
      }
    } else {
      let source = input.values(as: Float.self)
      var target = output.mutableValues(as: Float.self)
      permute(source, to: &target, length: length, inner: inner, back: false)
      if takesLogarithm {
        Activations.logSoftmax(rowsOf: length, &target)
      } else {
        VectorFunctions.softmax(rowsOf: length, &target)
      }
    }
    if inner > 1 {
      let rows = output
      output = Tensor(input.elementType, shape: input.shape)
      if isDouble {
        var target = output.mutableValues(as: Double.self)
        permute(rows.values(as: Double.self), to: &target, length: length, inner: inner, back: true)
      } else {
        var target = output.mutableValues(as: Float.self)
        permute(rows.values(as: Float.self), to: &target, length: length, inner: inner, back: true)
      }
    }
    scratch.give(0, output)
  }

  /// `(outer, length, inner)` to `(outer, inner, length)`, or back.
  private func permute<Element: TensorElement>(
    _ source: Span<Element>, to target: inout MutableSpan<Element>, length: Int, inner: Int,
    back: Bool
  ) {
    let block = length * inner
    if block == 0 { return }
    for outer in stride(from: 0, to: source.count, by: block) {
      for step in 0..<length {
        for column in 0..<inner {
          let lengthwise = outer + step * inner + column
          let contiguous = outer + column * length + step
          target[back ? lengthwise : contiguous] = source[back ? contiguous : lengthwise]
        }
      }
    }
  }
}
