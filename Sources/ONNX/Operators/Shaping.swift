import Executors
import Tensors

extension OperatorTable {
  static let shaping: [OperatorDefinition] = [
    OperatorDefinition("Identity", [1, 13, 14, 16, 19, 21, 23, 24, 25], stored) {
      context throws(ModelFormatError) in
      BuiltOperator(Reshaping { shape, _ in shape }, try context.type(0))
    },
    OperatorDefinition(
      "Reshape", [5, 13, 14, 19, 21, 23, 24, 25], stored, others: [.int64], minInputs: 2,
      maxInputs: 2
    ) {
      context throws(ModelFormatError) in
      let keepsZero = context.version >= 14 ? try context.integer("allowzero") ?? 0 != 0 : false
      return BuiltOperator(
        Reshaping { shape, scratch throws(OperatorError) in
          try reshape(shape, to: try scratch.integers(1) ?? [], keepsZero: keepsZero)
        }, try context.type(0))
    },
    OperatorDefinition("Flatten", [1, 9, 11, 13, 21, 23, 24, 25], stored) {
      context throws(ModelFormatError) in
      let axis = try context.integer("axis") ?? 1
      return BuiltOperator(
        Reshaping { shape, _ throws(OperatorError) in
          let split =
            axis == shape.rank ? axis : try checkedAxis(axis, rank: shape.rank)
          let outer = try checkedShape(Array(shape.array[..<split])).elementCount
          let inner = try checkedShape(Array(shape.array[split...])).elementCount
          return try checkedShape([outer, inner])
        }, try context.type(0))
    },
    OperatorDefinition(
      "Squeeze", [1, 11, 13, 21, 23, 24, 25], stored, others: [.int64], maxInputs: 2
    ) {
      context throws(ModelFormatError) in
      let fixed = context.version < 13 ? try context.integers("axes") : nil
      return BuiltOperator(
        Reshaping { shape, scratch throws(OperatorError) in
          var dropped: Set<Int> = []
          var given = fixed
          if given == nil { given = try scratch.integers(1) }
          if let axes = given {
            for axis in axes {
              let found = try checkedAxis(axis, rank: shape.rank)
              guard shape[found] == 1 else {
                throw OperatorError("axis \(axis) of \(shape) is not 1 and cannot be squeezed")
              }
              dropped.insert(found)
            }
          } else {
            dropped = Set((0..<shape.rank).filter { shape[$0] == 1 })
          }
          return try checkedShape(
            (0..<shape.rank).filter { !dropped.contains($0) }.map { shape[$0] })
        }, try context.type(0))
    },
    OperatorDefinition(
      "Unsqueeze", [1, 11, 13, 21, 23, 24, 25], stored, others: [.int64], maxInputs: 2
    ) {
      context throws(ModelFormatError) in
      let fixed = context.version < 13 ? try context.integers("axes") ?? [] : nil
      return BuiltOperator(
        Reshaping { shape, scratch throws(OperatorError) in
          var axes = fixed ?? []
          if fixed == nil, let given = try scratch.integers(1) { axes = given }
          let rank = shape.rank + axes.count
          var added: Set<Int> = []
          for axis in axes {
            guard added.insert(try checkedAxis(axis, rank: rank)).inserted else {
              throw OperatorError("axis \(axis) is given twice")
            }
          }
          var old = shape.array[...]
          return try checkedShape(
            (0..<rank).map { added.contains($0) ? 1 : old.removeFirst() })
        }, try context.type(0))
    },
    OperatorDefinition("Shape", [1, 13, 15, 19, 21, 23, 24, 25], stored) {
      context throws(ModelFormatError) in
      let start = context.version >= 15 ? try context.integer("start") ?? 0 : 0
      let end = context.version >= 15 ? try context.integer("end") : nil
      return BuiltOperator(ShapeOf(start: start, end: end), .int64)
    },
    OperatorDefinition("Size", [1, 13, 19, 21, 23, 24, 25], stored) { _ throws(ModelFormatError) in
      BuiltOperator(SizeOf(), .int64)
    },
    OperatorDefinition("Constant", [1, 9, 11, 12, 13, 19, 21, 23, 24, 25], [], maxInputs: 0) {
      context throws(ModelFormatError) in
      let tensor: Tensor
      if let value = try context.tensor("value") {
        tensor = value
      } else if let value = try context.float("value_float") {
        tensor = Tensor([value], shape: Shape())
      } else if let values = try context.floats("value_floats") {
        tensor = Tensor(values, shape: Shape(values.count))
      } else if let value = try context.integer("value_int") {
        tensor = Tensor([Int64(value)], shape: Shape())
      } else if let values = try context.integers("value_ints") {
        tensor = Tensor(values.map { Int64($0) }, shape: Shape(values.count))
      } else if let value = try context.string("value_string") {
        tensor = Tensor(strings: ByteStrings([value]), shape: Shape())
      } else if let values = try context.strings("value_strings") {
        tensor = Tensor(strings: ByteStrings(values), shape: Shape(values.count))
      } else if let value = try context.sparseTensor("sparse_value") {
        tensor = value
      } else {
        throw context.unsupported("it has no value of a known kind")
      }
      return BuiltOperator(Given(tensor: tensor), tensor.elementType)
    },
  ]

  private static func reshape(
    _ shape: Shape, to wanted: [Int], keepsZero: Bool
  ) throws(OperatorError) -> Shape {
    var dimensions = wanted
    var free: Int?
    for axis in dimensions.indices {
      if dimensions[axis] == 0, !keepsZero {
        guard axis < shape.rank else {
          throw OperatorError("\(shape) has no dimension \(axis) to copy")
        }
        dimensions[axis] = shape[axis]
      } else if dimensions[axis] == -1 {
        guard free == nil else { throw OperatorError("two dimensions of \(wanted) are free") }
        free = axis
        dimensions[axis] = 1
      }
    }
    let rest = try checkedShape(dimensions).elementCount
    if let free {
      guard rest > 0, shape.elementCount % rest == 0 else {
        throw OperatorError("\(shape) does not reshape to \(wanted)")
      }
      dimensions[free] = shape.elementCount / rest
    }
    let result = try checkedShape(dimensions)
    guard result.elementCount == shape.elementCount else {
      throw OperatorError("\(shape) does not reshape to \(wanted)")
    }
    return result
  }
}

/// The same elements in another shape: nothing is copied.
struct Reshaping: Operator {
  let shape: @Sendable (Shape, ONNXScratch) throws(OperatorError) -> Shape
  var sharesInput: Bool { true }

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let input = try scratch.input(0)
    scratch.give(0, input.reshaped(to: try shape(input.shape, scratch)))
  }
}

struct Given: Operator {
  let tensor: Tensor
  var sharesInput: Bool { true }
  func run(_ scratch: ONNXScratch) throws(OperatorError) { scratch.give(0, tensor) }
}

struct ShapeOf: Operator {
  let start: Int
  let end: Int?

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    scratch.give(0, sizes(of: try scratch.input(0).shape.array))
  }

  /// The sizes asked for, int64 `[count]`.
  func sizes(of shape: [Int]) -> Tensor {
    func clamped(_ axis: Int) -> Int {
      axis < 0 ? max(0, axis + shape.count) : min(axis, shape.count)
    }
    let first = clamped(start)
    let last = max(first, clamped(end ?? shape.count))
    return Tensor(shape[first..<last].map { Int64($0) }, shape: Shape(last - first))
  }
}

struct SizeOf: Operator {
  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    scratch.give(0, Tensor([Int64(try scratch.input(0).shape.elementCount)], shape: Shape()))
  }
}
