import Executors
import Tensors

extension OperatorTable {
  static let shaping: [OperatorDefinition] = [
    OperatorDefinition("Identity", [1, 13, 14, 16, 19, 21, 23, 24, 25], all) {
      context throws(ModelFormatError) in
      BuiltOperator(Reshaping { shape, _ in shape }, try context.type(0))
    },
    OperatorDefinition(
      "Reshape", [5, 13, 14, 19, 21, 23, 24, 25], all, others: [.int64], minInputs: 2, maxInputs: 2
    ) {
      context throws(ModelFormatError) in
      let keepsZero = context.version >= 14 ? try context.integer("allowzero") ?? 0 != 0 : false
      return BuiltOperator(
        Reshaping { shape, scratch throws(OperatorError) in
          try reshape(shape, to: try scratch.integers(1) ?? [], keepsZero: keepsZero)
        }, try context.type(0))
    },
    OperatorDefinition("Flatten", [1, 9, 11, 13, 21, 23, 24, 25], all) {
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
    OperatorDefinition("Squeeze", [1, 11, 13, 21, 23, 24, 25], all, others: [.int64], maxInputs: 2)
    {
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
      "Unsqueeze", [1, 11, 13, 21, 23, 24, 25], all, others: [.int64], maxInputs: 2
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
    OperatorDefinition("Shape", [1, 13, 15, 19, 21, 23, 24, 25], all) {
      context throws(ModelFormatError) in
      let start = context.version >= 15 ? try context.integer("start") ?? 0 : 0
      let end = context.version >= 15 ? try context.integer("end") : nil
      return BuiltOperator(ShapeOf(start: start, end: end), .int64)
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
    OperatorDefinition("Transpose", [1, 13, 21, 23, 24, 25], all) {
      context throws(ModelFormatError) in
      BuiltOperator(Transpose(order: try context.integers("perm")), try context.type(0))
    },
    OperatorDefinition("Concat", [4, 11, 13], all, others: [.same], maxInputs: .max) {
      context throws(ModelFormatError) in
      guard let axis = try context.integer("axis") else {
        throw context.malformed("it has no axis")
      }
      return BuiltOperator(Concat(axis: axis), try context.type(0))
    },
    OperatorDefinition("Gather", [1, 11, 13], all, others: [.index], minInputs: 2, maxInputs: 2) {
      context throws(ModelFormatError) in
      BuiltOperator(Gather(axis: try context.integer("axis") ?? 0), try context.type(0))
    },
    OperatorDefinition("Slice", [1, 10, 11, 13], all, others: [.index], maxInputs: 5) {
      context throws(ModelFormatError) in
      let operation =
        context.version < 10
        ? Slice(
          starts: try context.integers("starts"), ends: try context.integers("ends"),
          axes: try context.integers("axes"), isFixed: true)
        : Slice(starts: nil, ends: nil, axes: nil, isFixed: false)
      return BuiltOperator(operation, try context.type(0))
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
    let shape = try scratch.input(0).shape
    func clamped(_ axis: Int) -> Int {
      axis < 0 ? max(0, axis + shape.rank) : min(axis, shape.rank)
    }
    let first = clamped(start)
    let last = max(first, clamped(end ?? shape.rank))
    scratch.give(
      0, Tensor(shape.array[first..<last].map { Int64($0) }, shape: Shape(last - first)))
  }
}

struct Transpose: Operator {
  /// Nil: the axes in reverse.
  let order: [Int]?

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let input = try scratch.input(0)
    let rank = input.shape.rank
    let order = order ?? (0..<rank).reversed()
    guard order.sorted() == Array(0..<rank) else {
      throw OperatorError("perm \(order) is no order of the axes of \(input.shape)")
    }
    let strides = rowMajorStrides(input.shape)
    let shape = try checkedShape(order.map { input.shape[$0] })
    let writer = try scratch.writer(0, shape)
    scratch.give(0, strided(input, 0, order.map { strides[$0] }, shape, writer))
  }
}

struct Slice: Operator {
  let starts: [Int]?
  let ends: [Int]?
  let axes: [Int]?
  /// Version 1 has attributes where later ones have inputs.
  let isFixed: Bool

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let input = try scratch.input(0)
    let rank = input.shape.rank
    let starts = isFixed ? starts ?? [] : try scratch.integers(1) ?? []
    let ends = isFixed ? ends ?? [] : try scratch.integers(2) ?? []
    let axes = (isFixed ? axes : try scratch.integers(3)) ?? Array(starts.indices)
    let steps =
      (isFixed ? nil : try scratch.integers(4)) ?? [Int](repeating: 1, count: starts.count)
    guard starts.count == ends.count, starts.count == axes.count, starts.count == steps.count else {
      throw OperatorError("starts, ends, axes and steps differ in length")
    }
    var strides = rowMajorStrides(input.shape)
    var dimensions = input.shape.array
    var offset = 0
    var seen: Set<Int> = []
    for index in starts.indices {
      let axis = try checkedAxis(axes[index], rank: rank)
      guard seen.insert(axis).inserted else { throw OperatorError("axis \(axis) is given twice") }
      let size = input.shape[axis]
      let step = max(min(steps[index], Int(Int32.max)), -Int(Int32.max))
      guard step != 0 else { throw OperatorError("a step is 0") }
      func clamped(_ position: Int, _ low: Int, _ high: Int) -> Int {
        let counted = position < 0 ? position.addingReportingOverflow(size).partialValue : position
        return min(max(counted, low), high)
      }
      let start = step > 0 ? clamped(starts[index], 0, size) : clamped(starts[index], 0, size - 1)
      let end = step > 0 ? clamped(ends[index], 0, size) : clamped(ends[index], -1, size - 1)
      let length =
        size == 0
        ? 0 : max(0, step > 0 ? (end - start + step - 1) / step : (start - end - step - 1) / -step)
      dimensions[axis] = length
      if length > 0 { offset += start * strides[axis] }
      // A single element has no second: its stride may be anything that does not overflow.
      strides[axis] = length > 1 ? strides[axis] * step : 0
    }
    let shape = try checkedShape(dimensions)
    let writer = try scratch.writer(0, shape)
    scratch.give(0, strided(input, offset, strides, shape, writer))
  }
}

func rowMajorStrides(_ shape: Shape) -> [Int] {
  var strides = [Int](repeating: 1, count: shape.rank)
  for axis in stride(from: shape.rank - 2, through: 0, by: -1) {
    strides[axis] = strides[axis + 1] * shape[axis + 1]
  }
  return strides
}

/// The elements of `source` at `offset` and at these strides from it, in row-major order.
func strided(
  _ source: Tensor, _ offset: Int, _ strides: [Int], _ shape: Shape,
  _ writer: consuming ElementWriter
) -> Tensor {
  var writer = writer
  if shape.elementCount > 0 {
    if shape.rank == 0 {
      writer.append(from: source, start: offset, count: 1)
    } else {
      let last = shape.rank - 1
      var index = [Int](repeating: 0, count: last)
      var start = offset
      var left = shape.elementCount / shape[last]
      while left > 0 {
        writer.append(from: source, start: start, stride: strides[last], count: shape[last])
        left -= 1
        var axis = last - 1
        while axis >= 0 {
          index[axis] += 1
          start += strides[axis]
          if index[axis] < shape[axis] { break }
          start -= strides[axis] * shape[axis]
          index[axis] = 0
          axis -= 1
        }
      }
    }
  }
  return writer.finish()
}

struct Concat: Operator {
  let axis: Int

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let first = try scratch.input(0).shape
    let axis = try checkedAxis(axis, rank: first.rank)
    var parts: [Tensor] = []
    var size = 0
    for index in 0..<scratch.inputCount {
      let part = try scratch.input(index)
      guard part.shape.rank == first.rank,
        (0..<first.rank).allSatisfy({ $0 == axis || part.shape[$0] == first[$0] })
      else { throw OperatorError("shapes \(first) and \(part.shape) do not join at axis \(axis)") }
      let (sum, overflows) = size.addingReportingOverflow(part.shape[axis])
      guard !overflows else { throw OperatorError("the joined axis \(axis) is too long") }
      size = sum
      parts.append(part)
    }
    var dimensions = first.array
    dimensions[axis] = size
    let outer = try checkedShape(Array(dimensions[..<axis])).elementCount
    let inner = try checkedShape(Array(dimensions[(axis + 1)...])).elementCount
    let shape = try checkedShape(dimensions)
    var writer = try scratch.writer(0, shape)
    // An empty result may still have a huge outer dimension.
    for block in 0..<(shape.elementCount == 0 ? 0 : outer) {
      for part in parts {
        let run = part.shape[axis] * inner
        writer.append(from: part, start: block * run, count: run)
      }
    }
    scratch.give(0, writer.finish())
  }
}

struct Gather: Operator {
  let axis: Int

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let data = try scratch.input(0)
    let indices = try scratch.input(1)
    let axis = try checkedAxis(axis, rank: data.shape.rank)
    let size = data.shape[axis]
    var wanted = try integers(of: indices, input: 1)
    for place in wanted.indices {
      let index = wanted[place]
      guard index >= -size, index < size else {
        throw OperatorError("index \(index) is outside the \(size) places of axis \(axis)")
      }
      wanted[place] = index < 0 ? index + size : index
    }
    let outerShape = Array(data.shape.array[..<axis])
    let innerShape = Array(data.shape.array[(axis + 1)...])
    let outer = try checkedShape(outerShape).elementCount
    let inner = try checkedShape(innerShape).elementCount
    let shape = try checkedShape(outerShape + indices.shape.array + innerShape)
    var writer = try scratch.writer(0, shape)
    for block in 0..<(shape.elementCount == 0 ? 0 : outer) {
      for index in wanted {
        writer.append(from: data, start: (block * size + index) * inner, count: inner)
      }
    }
    scratch.give(0, writer.finish())
  }
}
