import Executors
import Tensors

extension OperatorTable {
  static let moving: [OperatorDefinition] = [
    OperatorDefinition("Transpose", [1, 13, 21, 23, 24, 25], stored) {
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
    OperatorDefinition("Expand", [8, 13], all, others: [.int64], minInputs: 2, maxInputs: 2) {
      context throws(ModelFormatError) in
      BuiltOperator(Expand(), try context.type(0))
    },
    OperatorDefinition("Tile", [6, 13], all, others: [.int64], minInputs: 2, maxInputs: 2) {
      context throws(ModelFormatError) in
      BuiltOperator(Tile(), try context.type(0))
    },
    OperatorDefinition("Split", [2, 11, 13, 18], all, others: [.int64], maxInputs: 2) {
      context throws(ModelFormatError) in
      let type = try context.type(0)
      let count = context.node.outputs.count
      if context.version >= 18, let stated = try context.integer("num_outputs"), stated != count {
        throw context.malformed("it has \(count) outputs; num_outputs is \(stated)")
      }
      let takesInput = context.version >= 13
      var built = BuiltOperator(
        Split(
          axis: try context.integer("axis") ?? 0, count: count,
          sizes: takesInput ? nil : try context.integers("split"),
          lastMayBeSmaller: context.version >= 18))
      built.outputs = [ElementType](repeating: type, count: count)
      return built
    },
  ]
}

struct Transpose: Operator {
  /// Nil: the axes in reverse.
  let order: [Int]?

  func takesInPlace(_ input: Int, _ tensor: Tensor) -> Bool { true }

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let input = try scratch.input(0)
    let rank = input.shape.rank
    let order = order ?? (0..<rank).reversed()
    // Each axis once. Without a list in memory: small models are mostly such steps.
    var seen = 0
    for axis in order where axis >= 0 && axis < rank { seen |= 1 << axis }
    guard order.count == rank, seen == (1 << rank) - 1 else {
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

  func takesInPlace(_ input: Int, _ tensor: Tensor) -> Bool { input == 0 }

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
      // For ONNX Runtime the largest number is the end of the axis, whichever way it is walked.
      let isOpen = ends[index] == Int(Int32.max) || ends[index] == Int.max
      let end =
        step > 0
        ? clamped(ends[index], 0, size) : isOpen ? -1 : clamped(ends[index], -1, size - 1)
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

struct Concat: Operator {
  let axis: Int

  func takesInPlace(_ input: Int, _ tensor: Tensor) -> Bool { true }

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
    if shape.elementCount > 0 {
      writer.append(blocks: outer, of: parts, runs: parts.map { $0.shape[axis] * inner })
    }
    scratch.give(0, writer.finish())
  }
}

struct Gather: Operator {
  let axis: Int

  func takesInPlace(_ input: Int, _ tensor: Tensor) -> Bool { input == 0 }

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

/// The input stretched to a shape, which it may stretch in turn.
struct Expand: Operator {
  func takesInPlace(_ input: Int, _ tensor: Tensor) -> Bool { input == 0 }

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let input = try scratch.input(0)
    let wanted = try checkedShape(try scratch.integers(1) ?? [])
    let shape = try Broadcast(input.shape, wanted).shape
    guard let strides = stretchedStrides(from: input.shape, to: shape) else {
      throw OperatorError("\(input.shape) does not stretch to \(wanted)")
    }
    let writer = try scratch.writer(0, shape)
    scratch.give(0, strided(input, 0, strides, shape, writer))
  }
}

/// The input several times along each axis.
struct Tile: Operator {
  func takesInPlace(_ input: Int, _ tensor: Tensor) -> Bool { input == 0 }

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let input = try scratch.input(0)
    let repeats = try scratch.integers(1) ?? []
    guard repeats.count == input.shape.rank else {
      throw OperatorError("\(repeats.count) repeats for \(input.shape)")
    }
    // Each axis becomes two: the copies, walked with stride 0, and the axis itself.
    var strides: [Int] = []
    var walked: [Int] = []
    var dimensions: [Int] = []
    let own = rowMajorStrides(input.shape)
    for axis in repeats.indices {
      guard repeats[axis] >= 0 else { throw OperatorError("\(repeats[axis]) repeats") }
      let (size, overflows) = repeats[axis].multipliedReportingOverflow(by: input.shape[axis])
      guard !overflows else { throw OperatorError("axis \(axis) of the result is too long") }
      dimensions.append(size)
      if repeats[axis] != 1 {
        walked.append(repeats[axis])
        strides.append(0)
      }
      if input.shape[axis] != 1 || repeats[axis] == 0 {
        walked.append(input.shape[axis])
        strides.append(own[axis])
      }
    }
    let shape = try checkedShape(dimensions)
    let writer = try scratch.writer(0, shape)
    scratch.give(0, strided(input, 0, strides, walked, shape, writer))
  }
}

struct Split: Operator {
  let axis: Int
  let count: Int
  /// Before version 13; then they are input 1.
  let sizes: [Int]?
  let lastMayBeSmaller: Bool

  func takesInPlace(_ input: Int, _ tensor: Tensor) -> Bool { input == 0 }

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let input = try scratch.input(0)
    let axis = try checkedAxis(axis, rank: input.shape.rank)
    let length = input.shape[axis]
    var parts: [Int]
    if let sizes {
      parts = sizes
    } else if let given = try scratch.integers(1) {
      parts = given
    } else {
      parts = try even(length)
    }
    var sum = 0
    for part in parts {
      guard part >= 0, part <= length - sum else {
        throw OperatorError("parts of \(parts) do not fill the \(length) places of axis \(axis)")
      }
      sum += part
    }
    guard parts.count == count, sum == length else {
      throw OperatorError(
        "parts of \(parts) do not fill the \(length) places of axis \(axis) for \(count) outputs")
    }
    let strides = rowMajorStrides(input.shape)
    var dimensions = input.shape.array
    var start = 0
    for (index, part) in parts.enumerated() {
      dimensions[axis] = part
      let shape = try checkedShape(dimensions)
      let writer = try scratch.writer(index, shape)
      scratch.give(index, strided(input, start * strides[axis], strides, shape, writer))
      start += part
    }
  }

  private func even(_ length: Int) throws(OperatorError) -> [Int] {
    guard count > 0, lastMayBeSmaller ? count <= max(length, 1) : length % count == 0 else {
      throw OperatorError("\(length) places do not split into \(count) outputs")
    }
    let size = (length + count - 1) / count
    var parts = [Int](repeating: size, count: count)
    parts[count - 1] = length - size * (count - 1)
    guard parts[count - 1] >= 0 else {
      throw OperatorError("\(length) places do not split into \(count) outputs")
    }
    return parts
  }
}
