import Tensors

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
  strided(source, offset, strides, shape.array, shape, writer)
}

/// The same walking other dimensions than those of the result, as many elements in all.
///
/// Strings and numbers alike; the last two axes are copied in one go.
func strided(
  _ source: Tensor, _ offset: Int, _ strides: [Int], _ dimensions: [Int], _ shape: Shape,
  _ writer: consuming ElementWriter
) -> Tensor {
  var writer = writer
  if shape.elementCount == 0 { return writer.finish() }
  // Axes of size 1 go, neighbours that are walked alike become one.
  var sizes: [Int] = []
  var steps: [Int] = []
  sizes.reserveCapacity(dimensions.count)
  steps.reserveCapacity(dimensions.count)
  for axis in dimensions.indices where dimensions[axis] != 1 {
    if let last = steps.last, last == strides[axis] * dimensions[axis] {
      sizes[sizes.count - 1] *= dimensions[axis]
      steps[steps.count - 1] = strides[axis]
    } else {
      sizes.append(dimensions[axis])
      steps.append(strides[axis])
    }
  }
  let count = sizes.popLast() ?? 1
  let step = steps.popLast() ?? 1
  let rows = sizes.popLast() ?? 1
  let rowStep = steps.popLast() ?? 0
  var index = [Int](repeating: 0, count: sizes.count)
  var start = offset
  var left = shape.elementCount / (count * rows)
  while left > 0 {
    writer.append(
      from: source, start: start, rows: rows, rowStride: rowStep, stride: step, count: count)
    left -= 1
    var axis = sizes.count - 1
    while axis >= 0 {
      index[axis] += 1
      start += steps[axis]
      if index[axis] < sizes[axis] { break }
      start -= steps[axis] * sizes[axis]
      index[axis] = 0
      axis -= 1
    }
  }
  return writer.finish()
}
