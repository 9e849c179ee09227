import Executors
import Tensors

// Elements picked or replaced by lists of indices. Every index is checked before it is used.

extension OperatorTable {
  static let gathering: [OperatorDefinition] = [
    OperatorDefinition(
      "GatherElements", [11, 13], all, others: [.index], minInputs: 2, maxInputs: 2
    ) { context throws(ModelFormatError) in
      BuiltOperator(
        GatherElements(axis: try context.integer("axis") ?? 0), try context.type(0))
    },
    OperatorDefinition("GatherND", [11, 12, 13], all, others: [.int64], minInputs: 2, maxInputs: 2)
    {
      context throws(ModelFormatError) in
      let batch = context.version >= 12 ? try context.integer("batch_dims") ?? 0 : 0
      guard batch >= 0 else { throw context.malformed("batch_dims is \(batch)") }
      return BuiltOperator(GatherND(batchAxes: batch), try context.type(0))
    },
    OperatorDefinition(
      "Compress", [9, 11], all, others: [.one(of: [.bool])], minInputs: 2, maxInputs: 2
    ) { context throws(ModelFormatError) in
      BuiltOperator(Compress(axis: try context.integer("axis")), try context.type(0))
    },
    OperatorDefinition("NonZero", [9, 13], numbers.union([.bool])) {
      context throws(ModelFormatError) in
      BuiltOperator(NonZero(type: try context.type(0)), .int64)
    },
    OperatorDefinition(
      "OneHot", [9, 11], numbers, others: [.one(of: numbers), .any], minInputs: 3, maxInputs: 3
    ) { context throws(ModelFormatError) in
      BuiltOperator(OneHot(axis: try context.integer("axis") ?? -1), try context.type(2))
    },
    OperatorDefinition(
      "ReverseSequence", [10], all, others: [.int64], minInputs: 2, maxInputs: 2
    ) { context throws(ModelFormatError) in
      let time = try context.integer("time_axis") ?? 0
      let batch = try context.integer("batch_axis") ?? 1
      guard Set([time, batch]) == [0, 1] else {
        throw context.malformed("time_axis is \(time) and batch_axis \(batch); 0 and 1 are needed")
      }
      return BuiltOperator(ReverseSequence(timeIsFirst: time == 0), try context.type(0))
    },
  ]
}

/// Indices of an axis of `size` places, counted from either end, checked.
func checkedIndices(
  _ tensor: Tensor, input: Int, size: Int
) throws(OperatorError) -> [Int] {
  var indices = try integers(of: tensor, input: input)
  for place in indices.indices {
    let index = indices[place]
    guard index >= -size, index < size else {
      throw OperatorError("index \(index) is outside the \(size) places of its axis")
    }
    if index < 0 { indices[place] = index + size }
  }
  return indices
}

/// Where each element of a shape lies in a larger tensor of the same rank whose `axis` is
/// replaced by `indices`, in row-major order.
func elementPlaces(
  _ indices: [Int], _ shape: Shape, in data: Shape, axis: Int
) throws(OperatorError) -> [Int] {
  guard shape.rank == data.rank else {
    throw OperatorError("indices of shape \(shape) for data of shape \(data)")
  }
  for other in 0..<shape.rank where other != axis && shape[other] > data[other] {
    throw OperatorError("indices of shape \(shape) for data of shape \(data)")
  }
  let strides = rowMajorStrides(data)
  var counters = [Int](repeating: 0, count: shape.rank)
  var offset = 0
  var places = indices
  for place in places.indices {
    places[place] = offset + indices[place] * strides[axis]
    var other = shape.rank - 1
    while other >= 0 {
      counters[other] += 1
      if other != axis { offset += strides[other] }
      if counters[other] < shape[other] { break }
      if other != axis { offset -= strides[other] * shape[other] }
      counters[other] = 0
      other -= 1
    }
  }
  return places
}

struct GatherElements: Operator {
  let axis: Int

  func takesInPlace(_ input: Int, _ tensor: Tensor) -> Bool { input == 0 }

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let data = try scratch.input(0)
    let indices = try scratch.input(1)
    let axis = try checkedAxis(axis, rank: data.shape.rank)
    let wanted = try checkedIndices(indices, input: 1, size: data.shape[axis])
    let places = try elementPlaces(wanted, indices.shape, in: data.shape, axis: axis)
    var writer = try scratch.writer(0, indices.shape)
    for place in places { writer.append(from: data, start: place, count: 1) }
    scratch.give(0, writer.finish())
  }
}

/// Index tuples along the last axis of the indices, each naming a slice of the data.
struct IndexTuples {
  /// Where each slice begins in the data.
  var starts: [Int]
  var sliceCount: Int
  /// The result's shape for a gather; that of the updates for a scatter.
  var shape: Shape

  init(
    _ indices: Tensor, into data: Shape, batchAxes: Int, input: Int
  ) throws(OperatorError) {
    let rank = indices.shape.rank
    guard rank > 0, data.rank > 0, batchAxes < rank, batchAxes < data.rank else {
      throw OperatorError("indices of shape \(indices.shape) for data of shape \(data)")
    }
    let width = indices.shape[rank - 1]
    guard batchAxes + width <= data.rank,
      (0..<batchAxes).allSatisfy({ indices.shape[$0] == data[$0] })
    else {
      throw OperatorError("indices of shape \(indices.shape) for data of shape \(data)")
    }
    let strides = rowMajorStrides(data)
    let values = try integers(of: indices, input: input)
    let count = try checkedShape(Array(indices.shape.array.dropLast())).elementCount
    sliceCount = try checkedShape(Array(data.array[(batchAxes + width)...])).elementCount
    let batches = try checkedShape(Array(data.array[..<batchAxes])).elementCount
    let batchSize = batchAxes == 0 ? 0 : strides[batchAxes - 1]
    starts = []
    // Tuples of no numbers may be as many as the shape says.
    guard count <= ONNXScratch.maxLiveBytes / 8 else {
      throw OperatorError("\(count) index tuples are too many")
    }
    starts.reserveCapacity(count)
    for tuple in 0..<count {
      var start = batches == 0 ? 0 : tuple / max(count / batches, 1) * batchSize
      for step in 0..<width {
        let index = values[tuple * width + step]
        let size = data[batchAxes + step]
        guard index >= -size, index < size else {
          throw OperatorError("index \(index) is outside the \(size) places of its axis")
        }
        start += (index < 0 ? index + size : index) * strides[batchAxes + step]
      }
      starts.append(start)
    }
    shape = try checkedShape(
      Array(indices.shape.array.dropLast()) + Array(data.array[(batchAxes + width)...]))
  }
}

struct GatherND: Operator {
  let batchAxes: Int

  func takesInPlace(_ input: Int, _ tensor: Tensor) -> Bool { input == 0 }

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let data = try scratch.input(0)
    let tuples = try IndexTuples(
      try scratch.input(1), into: data.shape, batchAxes: batchAxes, input: 1)
    var writer = try scratch.writer(0, tuples.shape)
    if tuples.sliceCount > 0 {
      for start in tuples.starts {
        writer.append(from: data, start: start, count: tuples.sliceCount)
      }
    }
    scratch.give(0, writer.finish())
  }
}

/// The slices whose condition is true; without an axis the elements.
struct Compress: Operator {
  let axis: Int?

  func takesInPlace(_ input: Int, _ tensor: Tensor) -> Bool { input == 0 }

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let data = try scratch.input(0)
    let condition = try scratch.input(1)
    guard condition.shape.rank == 1 else {
      throw OperatorError("the condition has shape \(condition.shape)")
    }
    let flags = condition.values(as: UInt8.self)
    var outer = 1
    var size = data.shape.elementCount
    var inner = 1
    var dimensions = [size]
    var changed = 0
    if let axis {
      changed = try checkedAxis(axis, rank: data.shape.rank)
      dimensions = data.shape.array
      size = dimensions[changed]
      outer = try checkedShape(Array(dimensions[..<changed])).elementCount
      inner = try checkedShape(Array(dimensions[(changed + 1)...])).elementCount
    }
    var kept: [Int] = []
    for place in 0..<min(size, flags.count) where flags[place] != 0 { kept.append(place) }
    dimensions[changed] = kept.count
    let shape = try checkedShape(dimensions)
    var writer = try scratch.writer(0, shape)
    for block in 0..<(shape.elementCount == 0 ? 0 : outer) {
      for place in kept {
        writer.append(from: data, start: (block * size + place) * inner, count: inner)
      }
    }
    scratch.give(0, writer.finish())
  }
}

/// The indices of what is not zero, one row an axis.
struct NonZero: NumberOperator {
  let type: ElementType

  func run<Element: NumberElement>(
    _ scratch: ONNXScratch, as _: Element.Type
  ) throws(OperatorError) {
    let input = try scratch.input(0)
    var found: [Int] = []
    let values = input.values(as: Element.self)
    for index in values.indices where values[index] != Element.nothing { found.append(index) }
    let rank = max(input.shape.rank, 1)
    var output = try scratch.memory(0, try checkedShape(rank, found.count))
    do {
      var target = output.mutableValues(as: Int64.self)
      var stride = 1
      for axis in (0..<rank).reversed() {
        let size = input.shape.rank == 0 ? 1 : input.shape[axis]
        for (place, index) in found.enumerated() {
          target[axis * found.count + place] = Int64(index / stride % max(size, 1))
        }
        stride *= max(size, 1)
      }
    }
    scratch.give(0, output)
  }
}

/// A new axis with the second of two values at the index, and the first elsewhere.
struct OneHot: Operator {
  let axis: Int

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let indices = try scratch.input(0)
    let depths = try whole(try scratch.input(1))
    let values = try scratch.input(2)
    guard depths.count == 1, depths[0] > 0, depths[0] <= Int(Int32.max) else {
      throw OperatorError("the depth is \(depths)")
    }
    guard values.shape.rank == 1, values.shape[0] == 2 else {
      throw OperatorError("the values have shape \(values.shape); off and on were expected")
    }
    let depth = depths[0]
    let axis = try checkedAxis(axis, rank: indices.shape.rank + 1)
    var dimensions = indices.shape.array
    let inner = try checkedShape(Array(dimensions[axis...])).elementCount
    dimensions.insert(depth, at: axis)
    let shape = try checkedShape(dimensions)
    let wanted = try places(indices)
    var writer = try scratch.writer(0, shape)
    if shape.elementCount > 0 {
      for outer in 0..<(wanted.count / inner) {
        for place in 0..<depth {
          for column in 0..<inner {
            var index = wanted[outer * inner + column]
            if index < 0 { index = index.addingReportingOverflow(depth).partialValue }
            writer.append(from: values, start: index == place ? 1 : 0, count: 1)
          }
        }
      }
    }
    scratch.give(0, writer.finish())
  }

  /// As `whole`, but a fraction is the place of nothing.
  private func places(_ tensor: Tensor) throws(OperatorError) -> [Int] {
    var wanted = try whole(tensor)
    guard [.float32, .float64].contains(tensor.elementType) else { return wanted }
    let doubles = try converted(tensor, to: .float64)
    let values = doubles.values(as: Double.self)
    for index in values.indices where values[index] != Double(wanted[index]) {
      wanted[index] = .max
    }
    return wanted
  }

  /// Numbers of any type, cut to whole ones.
  private func whole(_ tensor: Tensor) throws(OperatorError) -> [Int] {
    let doubles = try converted(tensor, to: .int64)
    return try integers(of: doubles, input: 0)
  }
}

/// The first steps of each sequence in reverse, the rest as they are.
struct ReverseSequence: Operator {
  let timeIsFirst: Bool

  func takesInPlace(_ input: Int, _ tensor: Tensor) -> Bool { input == 0 }

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let input = try scratch.input(0)
    guard input.shape.rank >= 2 else { throw OperatorError("the input has shape \(input.shape)") }
    let times = input.shape[timeIsFirst ? 0 : 1]
    let batches = input.shape[timeIsFirst ? 1 : 0]
    let lengths = try scratch.integers(1) ?? []
    guard lengths.count == batches, lengths.allSatisfy({ $0 >= 0 && $0 <= times }) else {
      throw OperatorError("lengths \(lengths) for an input of shape \(input.shape)")
    }
    let inner = try checkedShape(Array(input.shape.array[2...])).elementCount
    var writer = try scratch.writer(0, input.shape)
    if input.shape.elementCount > 0 {
      for first in 0..<input.shape[0] {
        for second in 0..<input.shape[1] {
          let batch = timeIsFirst ? second : first
          let time = timeIsFirst ? first : second
          let from = time < lengths[batch] ? lengths[batch] - 1 - time : time
          let place = timeIsFirst ? from * batches + batch : batch * times + from
          writer.append(from: input, start: place * inner, count: inner)
        }
      }
    }
    scratch.give(0, writer.finish())
  }
}
